"""The lifetimes of nodes: each power-on, who started and stopped it and why, and when it served."""

from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
SUPPOSED = "unknown (found by a plan)"  # `stopped_by` of an end that nobody told


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """One power-on of a node; None means not known, or not happened yet.

    `serving_at` is when it could take calls, `boot_seconds` how long that took from the start command on, `hd` how many HD
    connections it offered then.
    """

    node: str  # as it was called when this began
    launched_at: datetime
    instance: str = ""  # empty in what version 0.1 kept
    started_by: str = ""
    start_reason: str = ""
    serving_at: datetime | None = None
    boot_seconds: int | None = None
    hd: int | None = None
    stopped_at: datetime | None = None
    stopped_by: str = ""
    stop_reason: str = ""

    def hours(self, since: datetime, until: datetime) -> float:
        """Return how many hours of it lie between two moments."""
        begins, ends = max(self.launched_at, since), min(self.stopped_at or until, until)
        return max(timedelta(), ends - begins) / HOUR
