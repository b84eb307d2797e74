"""What is remembered of the home of a principal location: where its calls go first."""

from dataclasses import dataclass
from datetime import datetime, timedelta

AWAITED = timedelta(minutes=30)  # how long those who were cut off are waited for, and how long nothing is closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The home of a principal location, in HD connections, as the plans of the last half hour have seen it.

    `nodes` are the always-on nodes that could be counted on when it was whole, with `hd` HD connections; `left` is how many
    nodes can be now. `carried` is its load before it last lost a node, wherever the media was; `lost_at` is when that was,
    `missed_at` when a node was last missing.
    """

    location: str
    nodes: int
    left: int
    hd: int
    carried: float = 0.0
    lost_at: datetime | None = None
    missed_at: datetime | None = None

    def awaits(self, now: datetime) -> bool:
        """Say whether those who were cut off are still waited for."""
        return self.lost_at is not None and now - self.lost_at < AWAITED

    def is_unsettled(self, now: datetime) -> bool:
        """Say whether it has lost something lately, or is only just whole again: what stands in for it stays."""
        return self.missed_at is not None and now - self.missed_at < AWAITED
