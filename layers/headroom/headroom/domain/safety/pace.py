"""How fast EC2 may be asked to start and stop instances: one token bucket for both, well inside EC2's own.

EC2's developer guide («Request throttling») gives StartInstances a bucket of 5 that refills by 2 a second, and
StopInstances, as other mutating actions, one of 50 by 5; other users of the account draw on the same buckets.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

FARTHEST = timedelta(minutes=6)  # the turn of the last of 500 starts; one further ahead is a wrong clock's, or restored
A_MOMENT = timedelta(seconds=3)  # the longest a function waits for its turn; longer waits happen in the state machine


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: `size` requests at once, then one every `interval`."""

    size: int
    interval: timedelta

    @property
    def burst(self) -> timedelta:
        """How far a burst may run ahead of the steady rate."""
        return (self.size - 1) * self.interval


RATE = Bucket(size=4, interval=timedelta(milliseconds=625))  # 1.6 a second


def turn_at(due: datetime | None, now: datetime, bucket: Bucket = RATE) -> datetime:
    """Return when a request may be made; `due` is when it would be made if all requests were `interval` apart."""
    return now if due is None else max(now, due - bucket.burst)


def due_after(due: datetime | None, now: datetime, bucket: Bucket = RATE) -> datetime:
    """Return the `due` of the request after this one."""
    return (now if due is None else max(now, due)) + bucket.interval
