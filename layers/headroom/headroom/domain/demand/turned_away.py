"""The load as it was sampled, and how many calls were turned away: what Pexip recorded, and an estimate from the load."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headroom.domain.demand.told import Told

RISING_OVER = timedelta(minutes=10)  # how far back a rise may have begun
GAP = timedelta(minutes=3)  # longest time between two samples; nothing is known of a longer one


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The load of a principal location at a moment: `used` HD connections, wherever their media was.

    `booked` is what meetings were booked to have in use, `hd` the location's own capacity. `full` says that nothing was
    free anywhere: it is not known how many more would have come. `told` is what the plan of that moment said will come,
    `said` what people had announced to be in use then: a minute unlike those of other days.
    """

    at: datetime
    location: str
    used: float
    booked: float = 0.0
    hd: int = 0
    full: bool = False
    told: Told | None = None
    said: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """Calls that Pexip recorded as turned away from `since` to `until`: because capacity, or licences, ran out."""

    since: datetime
    until: datetime
    capacity: int
    licences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The estimated number of calls turned away between the sample before and this one."""

    at: datetime
    calls: float


def estimate(samples: Iterable[Sample]) -> Iterator[Estimate]:
    """Estimate, from one location's samples in order, who was turned away while nothing was free.

    A rise that meets full nodes is assumed to continue at its pace for as long as it had lasted. A call that ends frees
    a place for a new one. This is only an estimate: the true number may be much higher, or zero.
    """
    rising: list[Sample] = []  # the samples of the rise until nothing was free
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Likely:
    """Calls that were likely turned away from one location in the minutes that were looked at: an estimate.

    `full_since` says since when nothing has been free; None if something is.
    """

    location: str
    calls: float
    full_since: datetime | None = None


def likely(location: str, loads: Sequence[Sample]) -> Likely:
    """Estimate from a location's recent loads, in order, who was turned away; the newest is the present one."""
    full_since = None
    for load in reversed(loads):
        if not load.full:
            break
        full_since = load.at
    return Likely(location=location, calls=sum(each.calls for each in estimate(loads)), full_since=full_since)


def with_turned_away(samples: Iterable[Sample]) -> Iterator[tuple[Sample, float]]:
    """Yield each sample with the calls turned away since nothing was free: they would be in progress now."""
    ordered = list(samples)
    found = {each.at: each.calls for each in estimate(ordered)}
    missing = 0.0
    for sample in ordered:
        missing = missing + found.get(sample.at, 0.0) if sample.full else 0.0
        yield sample, missing


def _pace(rising: list[Sample]) -> tuple[float, timedelta]:
    """Return how fast a rise was, in calls a minute, and how long it lasted."""
    first, last = rising[0], rising[-1]
    lasted = last.at - first.at
    if not lasted:
        return 0.0, timedelta()
    return (last.used - first.used) / (lasted / timedelta(minutes=1)), lasted
