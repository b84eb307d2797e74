"""Compares what was done on recorded days with what Headroom would have done, for sites in observe mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from headroom.adapters.ledger import Ledger
from headroom.domain.demand.turned_away import Sample, estimate
from headroom.domain.fleet.fleet import Reading
from headroom_replay.load import TraceError
from headroom_replay.names import NATIVE
from headroom_replay.run import Job
from headroom_replay.score import Result
from headroom_replay.sources import of_samples
from headroom_replay.work import Platform, Work

DEFAULT_HD = 15
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One overflow location's recorded days: its load, its size, and what was done."""

    overflow: str
    since: datetime
    until: datetime
    samples: tuple[Sample, ...]
    platform: Platform
    threshold: int
    minimum_lifetime: int  # minutes
    node_hours: float
    starts: int
    refused: int  # calls that Pexip recorded as turned away, on the whole platform
    licences: int

    @property
    def estimated(self) -> float:
        """Calls turned away, estimated from the load."""
        return sum(each.calls for each in estimate(self.samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the comparison; None means not known."""

    who: str
    recorded: int | None
    estimated: float
    node_hours: float
    starts: float


def recorded_days(ledger: Ledger, since: datetime, until: datetime) -> list[Recorded]:
    """Read what the ledger holds of each overflow location; raise TraceError if it holds nothing yet."""
    reading = ledger.last_reading()
    if reading is None:
        raise TraceError("Headroom has not read Pexip yet: deploy it, and come back after some days.")
    overflows = sorted({place.overflow_location for place in reading.locations if place.overflow_location})
    found = [_recorded(ledger, reading, overflow, since, until) for overflow in overflows]
    if not any(each.samples for each in found):
        raise TraceError(f"There are no load samples since {since:%Y-%m-%d}: Headroom has not been planning.")
    return [each for each in found if each.samples]


def _recorded(ledger: Ledger, reading: Reading, overflow: str, since: datetime, until: datetime) -> Recorded:
    sources = [place.name for place in reading.locations if place.overflow_location == overflow]
    nodes = [worker for worker in reading.workers if worker.location == overflow]
    refused = list(ledger.turned_away(since, until))
    sizes = [hd for node in nodes if (hd := ledger.memory(node.name).hd or node.max_hd_calls)]
    samples = merged([list(ledger.samples(name, since, until)) for name in sources])
    since = max(since, samples[0].at) if samples else since  # nothing is known of the time before
    lifetimes = [lifetime for node in nodes for lifetime in _lifetimes(ledger, node.name, since, until)]
    hd = max((sample.hd for sample in samples), default=0)
    return Recorded(
        overflow=overflow,
        since=since,
        until=until,
        samples=tuple(samples),
        platform=Platform(always_on=hd, nodes=len(nodes), node_hd=round(median(sizes)) if sizes else DEFAULT_HD),
        threshold=reading.settings.bursting_threshold,
        minimum_lifetime=reading.settings.bursting_min_lifetime,
        node_hours=sum(hours for hours, _ in lifetimes),
        starts=sum(began for _, began in lifetimes),
        refused=sum(each.capacity for each in refused),
        licences=sum(each.licences for each in refused),
    )


def _lifetimes(ledger: Ledger, node: str, since: datetime, until: datetime) -> list[tuple[float, bool]]:
    """Return the hours of each lifetime that lie between the two moments, and whether it began there."""
    return [
        (lifetime.hours(since, until), lifetime.launched_at >= since)
        for lifetime in ledger.lifetimes(node)
        if lifetime.launched_at < until and (lifetime.stopped_at or until) > since
    ]


def merged(locations: Sequence[Sequence[Sample]]) -> list[Sample]:
    """Add up the principal locations that share an overflow location, minute by minute."""
    minutes: dict[datetime, list[Sample]] = {}
    for samples in locations:
        newest = {sample.at.astimezone(UTC).replace(second=0, microsecond=0): sample for sample in samples}
        for at, sample in newest.items():
            minutes.setdefault(at, []).append(sample)
    return [
        Sample(
            at=at,
            location="",
            used=sum(sample.used for sample in here),
            booked=sum(sample.booked for sample in here),
            hd=sum(sample.hd for sample in here),
            full=any(sample.full for sample in here),
        )
        for at, here in sorted(minutes.items())
    ]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Draws the recorded load for a seed, in a process of its own."""

    recorded: Recorded
    zone: str

    def __call__(self, *, seed: int) -> Work:
        """Return the recorded days; Headroom learns from each as it goes."""
        size, name = self.recorded.platform, self.recorded.overflow
        return of_samples(self.recorded.samples, size, name=name, seed=seed, days=0, zone=self.zone)


def jobs_of(recorded: Recorded, zone: str) -> list[Job]:
    """Return what is replayed: Headroom, and Pexip's own rule with Pexip's settings."""
    threshold, lifetime = ("threshold", recorded.threshold), recorded.minimum_lifetime
    rule = (threshold, ("min_lifetime", lifetime))
    make = Drawn(recorded, zone)
    return [
        Job(make=make, seed=1, names=("headroom",)),
        Job(make=make, seed=1, names=(), variants=((f"{NATIVE} as set", rule),)),
    ]


def lines_of(recorded: Recorded, results: Sequence[Result]) -> list[Line]:
    """Return the recorded figures, then those of each replayed policy."""
    was = Line(
        who="as recorded",
        recorded=recorded.refused,
        estimated=recorded.estimated,
        node_hours=recorded.node_hours,
        starts=recorded.starts,
    )
    names = {"headroom": "Headroom, replayed"}
    return [
        was,
        *(
            Line(
                who=names.get(each.policy, "Pexip's own rule, replayed"),
                recorded=None,
                estimated=each.rejected,
                node_hours=each.node_hours,
                starts=each.starts,
            )
            for each in sorted(results, key=lambda each: each.policy)
        ),
    ]
