"""Read the booked meetings, and count the participants of those in progress."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.adapters.pexip.errors import PexipError
from headroom.domain.demand.bookings import look, sized
from headroom.observability import logger, measure

if TYPE_CHECKING:
    from headroom.adapters.pexip.connection import Connection

AHEAD = timedelta(hours=3)  # so that bookings are still known after an hour without Pexip


@dataclass
class BookingsReader:
    """Reads bookings into the ledger; `expected_meeting` is the size of a meeting whose series was not seen before."""

    ledger: Ledger
    connection: "Connection"
    expected_meeting: float

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.pexip, parts.settings.expected_meeting)

    def read(self, now: datetime) -> int:
        """Keep the bookings of the next hours, and return how many there are; if Pexip cannot be read, keep the known ones."""
        try:
            with self.connection.node() as pexip:
                meetings, problems = pexip.meetings(now, AHEAD)
        except PexipError as error:
            logger.error("could not read bookings", reason=str(error))
            measure("BookingsFailed", 1)
            return 0
        known = self.ledger.series(meeting.series for meeting in meetings)
        changed = look(meetings, known)
        self.ledger.keep_series(changed.values(), now)
        self.ledger.keep_bookings(sized(meetings, known | changed, default=self.expected_meeting, now=now), now)
        measure("Meetings", len(meetings))
        logger.info("read bookings", meetings=len(meetings), problems=problems)
        return len(meetings)
