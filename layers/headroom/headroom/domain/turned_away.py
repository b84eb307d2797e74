"""How many calls were turned away for want of capacity: what Pexip recorded, and an estimate where it records nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from headroom.domain.forecasting import Sample

RISING_OVER = timedelta(minutes=10)  # how far back a rise may have begun
GAP = timedelta(minutes=3)  # between two samples: nothing is known of a longer time


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Calls that Pexip recorded as refused from `since` to `until`: for want of capacity, and of licences."""

    since: datetime
    until: datetime
    capacity: int
    licences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How many may have been turned away in the time up to a sample."""

    at: datetime
    calls: float


def estimate(samples: Iterable[Sample]) -> Iterator[Estimate]:
    """Estimate, from one location's samples in order, who was turned away while nothing was free.

    A rise that meets full nodes is taken to go on at its pace for as long as it had lasted; who comes after a departure
    takes its place. It is an estimate: the true number may be anything from none.
    """
    rising: list[Sample] = []  # the rise before nothing was free
    before: Sample | None = None
    since_full: datetime | None = None
    for sample in samples:
        if before is not None and sample.at - before.at > GAP:
            rising, since_full, before = [], None, None
        if not sample.full:
            since_full = None
            if rising and sample.used < rising[-1].used:
                rising = []
            rising = [past for past in [*rising, sample] if sample.at - past.at <= RISING_OVER]
        elif before is not None:
            if since_full is None:
                since_full = before.at
                rising = [*rising, sample]
            pace, lasted = _pace(rising)
            if pace > 0 and sample.at - since_full <= max(lasted, GAP):
                yield Estimate(at=sample.at, calls=pace * ((sample.at - before.at) / timedelta(minutes=1)))
        before = sample


def _pace(rising: list[Sample]) -> tuple[float, timedelta]:
    """Return how fast a rise was, in calls a minute, and how long it lasted."""
    first, last = rising[0], rising[-1]
    lasted = last.at - first.at
    if not lasted:
        return 0.0, timedelta()
    return (last.used - first.used) / (lasted / timedelta(minutes=1)), lasted
