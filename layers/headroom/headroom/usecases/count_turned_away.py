"""Count the calls that Pexip recorded as turned away, because capacity or licences ran out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.adapters.pexip.errors import PexipError
from headroom.domain.demand.turned_away import TurnedAway
from headroom.observability import logger, measure
from headroom.settings import Settings

if TYPE_CHECKING:
    from headroom.adapters.pexip.connection import Connection

LAG = timedelta(minutes=15)  # a call is expected in Pexip's history this long after its end
FIRST, FARTHEST = LAG + timedelta(minutes=5), timedelta(days=1)  # Pexip keeps about 10,000 conferences


@dataclass
class Counter:
    """Counts calls turned away; the settings hold the regular expressions for their disconnect reasons."""

    ledger: Ledger
    connection: "Connection"
    settings: Settings

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.pexip, parts.settings)

    def count(self, now: datetime) -> TurnedAway | None:
        """Count from where the last count ended, so that nothing is missed after an outage; None if Pexip cannot be read."""
        since, until = max(self.ledger.turned_away_until() or now - FIRST, now - FARTHEST), now - LAG
        words = {"capacity": self.settings.capacity_reasons, "licences": self.settings.licence_reasons}
        try:
            with self.connection.node() as pexip:
                counted = pexip.turned_away(since, until, **words)
        except PexipError as error:
            logger.error("could not count calls turned away", reason=str(error))
            measure("TurnedAwayUncounted", 1)
            return None
        self.ledger.keep_turned_away(counted)
        measure("CallsTurnedAway", counted.capacity)
        measure("CallsOutOfLicence", counted.licences)
        return counted
