"""The clock that all handlers use: the real time, unless a lab runs the whole stack faster.

A lab sets `HEADROOM_CLOCK` to a JSON file `{"real": 0.0, "virtual": 0.0, "speed": 40}`: at the real epoch second
`real` the clock shows `virtual`, and from there it runs `speed` times as fast. On AWS the variable is not set.
"""

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

LONGEST_NAP = 0.25  # real seconds between two looks at a lab's clock, whose speed may change meanwhile


@dataclass(frozen=True, slots=True)
class Pace:
    """How lab time runs against real time."""

    real: float
    virtual: float
    speed: float

    def at(self, real: float) -> float:
        """Return the lab's epoch second at a real one."""
        return self.virtual + (real - self.real) * self.speed


REAL_TIME = Pace(real=0, virtual=0, speed=1)


def pace() -> Pace:
    """Return the current pace; a lab may change it at any moment."""
    path = os.environ.get("HEADROOM_CLOCK")
    return Pace(**json.loads(Path(path).read_text())) if path else REAL_TIME


def seconds() -> float:
    """Return the current epoch second."""
    return pace().at(time.time())


def now() -> datetime:
    """Return the current time, timezone-aware, in UTC."""
    return datetime.fromtimestamp(seconds(), UTC)


def stopwatch() -> float:
    """Return real seconds since some moment: sockets and Lambda's own time limits do not run faster in a lab."""
    return time.monotonic()


def network(duration: float) -> timedelta:
    """Return how far this clock moves in so many real seconds, as a network or a process that was killed takes them."""
    return timedelta(seconds=duration * pace().speed)


def sleep(duration: float) -> None:
    """Sleep `duration` seconds of this clock."""
    until = seconds() + duration
    while (left := until - seconds()) > 0:
        time.sleep(min(left / pace().speed, LONGEST_NAP if pace() is not REAL_TIME else left))
