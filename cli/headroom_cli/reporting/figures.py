"""The figures of a report, from the ledger and from a replay of its load."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from statistics import median, quantiles

from headroom.adapters.ledger import Ledger
from headroom.domain.demand.calibration import Held, held_of, in_words
from headroom.domain.history.events import Event, Kind
from headroom.domain.history.lifetimes import Lifetime
from headroom_replay.compare import Line, Recorded

HOUR = timedelta(hours=1)
COSTLIEST = 10
ENOUGH = 2  # values, for a quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The figures of one policy; `turned_away_recorded` is None where there is no record, `cost` without a price."""

    who: str
    turned_away_recorded: int | None
    turned_away_estimated: float
    node_hours: float
    cost: float | None
    starts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One overflow location: node-hours that its load needed (see `needed_hours`), and of every node always on."""

    overflow_location: str
    since: datetime  # when the first load was sampled, or the period's begin
    out_of_licence: int
    needed_hours: float
    always_on_hours: float
    saved_against_always_on: float | None
    lines: tuple[Counted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boots:
    """How long starts took, in seconds, and how many never served."""

    started: int
    given_up: int
    median: float | None
    ninety_fifth: float | None
    longest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """How promises of capacity ended."""

    kept: int
    missed: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A start, with the hours and cost that followed."""

    node: str
    began: datetime
    hours: float
    cost: float | None
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """How often the forecasts of a principal location held, in words and in figures: all of them first, then by source."""

    location: str
    sentence: str
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything; times are UTC, `price` is what a node costs an hour."""

    platform: str
    since: datetime
    until: datetime
    price: float | None
    places: tuple[Place, ...]
    boots: Boots
    promises: Promises
    costliest: tuple[Start, ...]
    forecasts: tuple[Forecasts, ...] = ()


def report_of(
    ledger: Ledger,
    compared: Sequence[tuple[Recorded, Sequence[Line]]],
    since: datetime,
    until: datetime,
    price: float | None,
) -> Report:
    """Combine what was recorded between two moments with the replay of it."""
    reading = ledger.last_reading()
    overflows = {recorded.overflow for recorded, _ in compared}
    nodes = [worker.name for worker in reading.workers if worker.location in overflows] if reading else []
    lives = [life for node in nodes for life in ledger.lifetimes(node) if since <= life.launched_at < until]
    days = (until.date() - since.date()).days + 1
    events = [event for event in ledger.history(until.date(), days) if since <= event.at < until]
    return Report(
        platform=ledger.platform,
        since=since,
        until=until,
        price=price,
        places=tuple(_place(recorded, lines, price) for recorded, lines in compared),
        boots=_boots([life.boot_seconds for life in lives if life.boot_seconds is not None], events),
        promises=_promises(events),
        costliest=tuple(_costliest(lives, until, price)),
        forecasts=tuple(_forecasts(ledger, since, until)),
    )


def _forecasts(ledger: Ledger, since: datetime, until: datetime) -> Iterator[Forecasts]:
    """Yield how often forecasts held in the period, as far back as that is kept."""
    for profile in ledger.profiles():
        held = tuple(held_of([count for count in profile.counts if since.date() <= count.day <= until.date()]))
        if held:
            yield Forecasts(location=profile.location, sentence=in_words(held), held=held)


def needed_hours(recorded: Recorded) -> float:
    """Return the node-hours needed if the load of each minute was known, with the threshold's connections kept free."""
    size, hours = recorded.platform, 0.0
    for sample in recorded.samples:
        beyond = sample.used + recorded.threshold - size.always_on
        hours += min(size.nodes, max(0, ceil(beyond / size.node_hd))) / 60
    return hours


def _place(recorded: Recorded, lines: Sequence[Line], price: float | None) -> Place:
    always = recorded.platform.nodes * ((recorded.until - recorded.since) / HOUR)
    return Place(
        overflow_location=recorded.overflow,
        since=recorded.since,
        out_of_licence=recorded.licences,
        needed_hours=round(needed_hours(recorded), 2),
        always_on_hours=round(always, 2),
        saved_against_always_on=_cost(always - recorded.node_hours, price),
        lines=tuple(
            Counted(
                who=line.who,
                turned_away_recorded=line.recorded,
                turned_away_estimated=round(line.estimated, 1),
                node_hours=round(line.node_hours, 2),
                cost=_cost(line.node_hours, price),
                starts=line.starts,
            )
            for line in lines
        ),
    )


def _cost(hours: float, price: float | None) -> float | None:
    return None if price is None else round(hours * price, 2)


def _boots(seconds: Sequence[int], events: Iterable[Event]) -> Boots:
    ends = Counter(event.kind for event in events)
    return Boots(
        started=len(seconds),
        given_up=ends[Kind.GIVEN_UP],
        median=median(seconds) if seconds else None,
        ninety_fifth=round(quantiles(seconds, n=20, method="inclusive")[-1], 1) if len(seconds) >= ENOUGH else None,
        longest=max(seconds, default=None),
    )


def _promises(events: Iterable[Event]) -> Promises:
    ends = Counter(event.kind for event in events)
    return Promises(kept=ends[Kind.PROMISE_KEPT], missed=ends[Kind.PROMISE_MISSED], refused=ends[Kind.PROMISE_REFUSED])


def _costliest(lives: Iterable[Lifetime], until: datetime, price: float | None) -> list[Start]:
    made = [
        Start(
            node=life.node,
            began=life.launched_at,
            hours=round(hours, 2),
            cost=_cost(hours, price),
            by=life.started_by,
            reason=life.start_reason,
        )
        for life in lives
        for hours in (life.hours(life.launched_at, until),)
    ]
    return sorted(made, key=lambda one: (-one.hours, one.began, one.node))[:COSTLIEST]
