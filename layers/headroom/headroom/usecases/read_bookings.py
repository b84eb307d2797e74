"""Read the meetings that are booked, and count who is in those that are in progress."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from aws_lambda_powertools.metrics import MetricUnit

from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.adapters.pexip.errors import PexipError
from headroom.domain.demand.bookings import look, sized
from headroom.observability import logger, metrics

if TYPE_CHECKING:
    from headroom.adapters.pexip.connection import Connection

AHEAD = timedelta(hours=3)  # so that after an hour without Pexip it is still known what is booked


@dataclass
class BookingsReader:
    """The ledger, the connection to the Management Node, and how large a meeting is taken to be before one was seen."""

    ledger: Ledger
    connection: "Connection"
    expected_meeting: float

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Take what it needs from the parts there are."""
        return cls(parts.ledger, parts.pexip, parts.settings.expected_meeting)

    def read(self, now: datetime) -> int:
        """Keep what is booked for the next hours, and return how many meetings; what was known stays if Pexip is silent."""
        try:
            with self.connection.node() as pexip:
                meetings, problems = pexip.meetings(now, AHEAD)
        except PexipError as error:
            logger.error("could not read bookings", reason=str(error))
            metrics.add_metric("BookingsFailed", MetricUnit.Count, 1)
            return 0
        known = self.ledger.series(meeting.series for meeting in meetings)
        changed = look(meetings, known)
        self.ledger.keep_series(changed.values(), now)
        self.ledger.keep_bookings(sized(meetings, known | changed, default=self.expected_meeting, now=now), now)
        metrics.add_metric("Meetings", MetricUnit.Count, len(meetings))
        logger.info("read bookings", meetings=len(meetings), problems=problems)
        return len(meetings)
