"""The charts of the page: the last 24 hours, each node's lifetimes, and what weekdays are like."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from headroom.adapters.ledger import Ledger
from headroom.domain.demand.forecasting import PastDay
from headroom.domain.demand.turned_away import GAP, Sample
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.history.events import Event, Kind
from headroom.domain.planning.plans import NodeSummary
from headroom_cli.drawing import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Line,
    Point,
    dots,
    over_time,
    rows_over_time,
    steps,
)

WINDOW, MINUTE = timedelta(hours=24), timedelta(minutes=1)
SHOWN = 40  # nodes with bars
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DOORS = 500  # events of a node that are looked through for when it was opened and closed
UP = {NodeState.SERVING, NodeState.CLOSED, NodeState.CLOSED_BY_OTHERS, NodeState.OPENING}
OPENED, SHUT = {Kind.OPENED, Kind.SERVING}, {Kind.CLOSED, Kind.IN_RESERVE}
MARKS = {Kind.SERVING: (GREEN, "a node serves"), Kind.STOPPED: (PURPLE, "a node is stopped")}
EVERY_THIRD = [f"{hour:02}:00" if hour % 3 == 0 else "" for hour in range(24)]
THICK = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One power-on as it is drawn: up from `up` on, with `hd` connections that count while it is open."""

    node: str
    began: datetime
    up: datetime | None
    ended: datetime | None
    hd: int
    open: tuple[tuple[datetime, datetime | None], ...] = ()  # when it took calls

    def serves_at(self, moment: datetime) -> bool:
        """Whether its connections count then."""
        is_on = self.ended is None or moment < self.ended
        return is_on and any(begins <= moment and (ends is None or moment < ends) for begins, ends in self.open)


def lifetimes(ledger: Ledger, nodes: Iterable[NodeSummary], since: datetime, boot_limit: timedelta) -> list[Bar]:
    """Return the lifetimes that reach into the time since, by node.

    If somebody else started a node, it is not recorded when it served: it is drawn as serving from its launch on.
    """
    found = []
    for node in nodes:
        lives = [life for life in ledger.lifetimes(node.name) if life.stopped_at is None or life.stopped_at > since]
        doors = [event for event in ledger.events_of(node.name, DOORS) if event.kind in OPENED | SHUT] if lives else []
        for life in lives:
            ended = life.stopped_at
            unseen = node.state in UP if ended is None else ended - life.launched_at > boot_limit
            up = life.serving_at or (life.launched_at if unseen else None)
            bar = Bar(node=node.name, began=life.launched_at, up=up, ended=ended, hd=life.hd or node.hd)
            found.append(replace(bar, open=tuple(_open(bar, reversed(doors)))))
    return sorted(found, key=lambda one: (one.node, one.began))


def _open(bar: Bar, doors: Iterable[Event]) -> Iterator[tuple[datetime, datetime | None]]:
    """Yield the times in which a node that is up took calls: not while it was closed, for example as a reserve."""
    since = bar.up
    for event in doors:
        if bar.up is None or event.at < bar.began or (bar.ended and event.at >= bar.ended):
            continue
        if event.kind in SHUT:
            if since and event.at > since:
                yield since, event.at
            since = None
        else:
            since = max(event.at, bar.up)
    if since:
        yield since, bar.ended


def all_of(ledger: Ledger, now: datetime) -> Markup:
    """Draw every chart, each in a figure; a sentence replaces a chart without data."""
    decision = ledger.decision_at(now)
    if decision is None:
        return Markup("<p>Nothing to draw yet.</p>")
    zone, since = ZoneInfo(decision.policy.zone), now - WINDOW
    principals = [load.location for load in decision.plan.principals]
    samples = [list(ledger.samples(location, since, now)) for location in principals]
    lives = lifetimes(ledger, decision.plan.nodes, since, decision.policy.boot_limit)
    events = [event for event in ledger.history(now.date(), 2) if event.at > since and event.kind in MARKS]
    profiles = [profile for location in principals if (profile := ledger.profile(location))]
    parts = [
        strip(samples, lives, events, since, now, zone),
        bars(lives, since, now, zone),
        *(week(profile.location, profile.days) for profile in profiles),
    ]
    return Markup("\n").join(Markup("<figure>{}</figure>").format(part) for part in parts if part)


def strip(
    samples: Sequence[Sequence[Sample]],
    lives: Sequence[Bar],
    events: Sequence[Event],
    since: datetime,
    now: datetime,
    zone: ZoneInfo,
) -> Markup:
    """Draw load and capacity over time, what is free between them, and when nodes came and went."""
    minutes = sorted({sample.at for one in samples for sample in one})
    if not minutes:
        return Markup("<p>No load was sampled in the last 24 hours.</p>")
    by_minute = [{sample.at: sample for sample in one} for one in samples]
    used: list[float] = []
    capacity: list[float] = []
    for minute in minutes:
        there = [one[minute] for one in by_minute if minute in one]
        used.append(sum(sample.used for sample in there))
        capacity.append(sum(sample.hd for sample in there) + sum(life.hd for life in lives if life.serves_at(minute)))
    title = (
        f"The last 24 hours: at {minutes[-1].astimezone(zone):%H:%M} {used[-1]:.0f} of {capacity[-1]:.0f} HD connections "
        f"were in use; at most {max(used):.0f} were, "
        f"{min(c - u for c, u in zip(capacity, used, strict=True)):.0f} or more were always free"
    )
    heading = "Load, capacity that takes calls, and the headroom between (HD connections)"
    lines = [
        Line(label="capacity", points=_broken(minutes, capacity), colour=SKY, fill=True),
        Line(label="load", points=_broken(minutes, used), colour=VERMILION, fill=True),
    ]
    for kind, (colour, label) in MARKS.items():
        came = [(event.at.timestamp(), 0.0) for event in events if event.kind == kind]
        lines += [Line(label=label, points=came, colour=colour, dots=True)] if came else []
    begins = max(since, minutes[0] - MINUTE)
    return over_time(title, heading, lines, zone, (begins.timestamp(), now.timestamp()))


def _broken(minutes: Sequence[datetime], numbers: Sequence[float]) -> list[Point | None]:
    """Return a line of steps, with a break wherever nothing was sampled for longer than `GAP`: nobody knows what was there."""
    found: list[Point | None] = []
    piece: list[Point] = []
    for at, following, number in zip(minutes, [*minutes[1:], minutes[-1]], numbers, strict=True):
        piece.append((at.timestamp(), number))
        if following - at > GAP:
            found += [*steps([*piece, ((at + MINUTE).timestamp(), number)]), None]
            piece = []
    return [*found, *steps(piece)]


def bars(lives: Sequence[Bar], since: datetime, now: datetime, zone: ZoneInfo) -> Markup:
    """Draw each node's lifetimes as bars: booting, then serving or closed."""
    names = sorted({life.node for life in lives})[:SHOWN]
    if not names:
        return Markup("<p>No overflow node was on in the last 24 hours.</p>")
    title = f"Overflow nodes on in the last 24 hours: {len(names)} of {len({life.node for life in lives})} shown"
    booting: list[Point | None] = []
    up: list[Point | None] = []
    for life in lives:
        if life.node in names:
            row = float(names.index(life.node))
            boots, ready, ends = (
                max(moment, since).timestamp()
                for moment in (life.began, life.up or life.ended or now, life.ended or now)
            )
            booting += [(boots, row), (ready, row), None] if ready > boots else []
            up += [(ready, row), (ends, row), None] if ends > ready else []
    begins = max(min(life.began for life in lives), since)
    lines = [
        Line(label=label, points=points, colour=colour, width=THICK, dashed=label == "booting")
        for label, points, colour in (("booting", booting, ORANGE), ("up", up, GREEN))
        if points
    ]
    return rows_over_time(title, "Nodes' lifetimes", names, lines, zone, (begins.timestamp(), now.timestamp()))


def week(location: str, days: Sequence[PastDay]) -> Markup:
    """Draw what the hours of each weekday were like: the mean load of the days that were learned."""
    mean: list[list[float | None]] = []
    for weekday in range(7):
        of_it = [past.used for past in days if past.day.weekday() == weekday]
        known = [
            [load for used in of_it for load in used[60 * hour : 60 * hour + 60] if load is not None]
            for hour in range(24)
        ]
        mean.append([sum(loads) / len(loads) if loads else None for loads in known])
    known_loads = [load for row in mean for load in row if load is not None]
    if not known_loads:
        return Markup()
    busiest = max(known_loads)
    title = f"{location}: mean load of each hour of the week, from {len(days)} days; the busiest hour had {busiest:.0f}"
    heading = f"A usual week in {location} (mean HD connections of {len(days)} learned days)"
    return dots(title, heading, EVERY_THIRD, zip(WEEKDAYS, mean, strict=True), BLUE)
