"""The charts of the page: the last 24 hours, each node's lifetimes, and what weekdays are like."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from math import nan
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup
from matplotlib.dates import date2num

from headroom.adapters.ledger import Ledger
from headroom.domain.demand.forecasting import PastDay
from headroom.domain.demand.turned_away import GAP, Sample
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.history.events import Event, Kind
from headroom.domain.planning.plans import NodeSummary
from headroom_lab.drawing import BLUE, GREEN, ORANGE, SKY, VERMILION, drawing

WINDOW, MINUTE = timedelta(hours=24), timedelta(minutes=1)
SHOWN = 40  # nodes with bars
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DOORS = 500  # events of a node that are looked through for when it was opened and closed
UP = {NodeState.SERVING, NodeState.CLOSED, NodeState.CLOSED_BY_OTHERS, NodeState.OPENING}
OPENED, SHUT = {Kind.OPENED, Kind.SERVING}, {Kind.CLOSED, Kind.IN_RESERVE}
MARKS = {Kind.SERVING: ("^", GREEN, "a node serves"), Kind.STOPPED: ("v", VERMILION, "a node is stopped")}


def _numbers(times: Sequence[datetime]) -> Any:
    """Times as matplotlib counts them: its types know numbers only."""
    return date2num(times)  # type: ignore[no-untyped-call]  # matplotlib has no types for it


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

    Who started a node beside Headroom did not write down when it served: it is taken to have done so from the beginning.
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
    """Yield when a node that is up took calls: a reserve does not, before it is opened and once it is closed."""
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
    """Draw every chart, each in a figure; what nobody knows yet is said instead."""
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
        f"{min(c - u for c, u in zip(capacity, used, strict=True)):.0f} were free at the least"
    )
    drawn = list(_broken(minutes, used, capacity))  # nobody knows what was in a gap
    at, used, capacity = _numbers([at for at, _, _ in drawn]), [u for _, u, _ in drawn], [c for _, _, c in drawn]
    with drawing(title, zone=zone, height=3.6) as made:
        axes = made.axes
        axes.set_title("Load, capacity that takes calls, and the headroom between (HD connections)", loc="left")
        axes.fill_between(at, used, capacity, step="post", color=SKY, alpha=0.35, label="headroom")
        axes.step(at, capacity, where="post", color=BLUE, label="capacity")
        axes.step(at, used, where="post", color=VERMILION, label="load")
        for kind, (marker, colour, label) in MARKS.items():
            came = _numbers([event.at for event in events if event.kind == kind])
            if len(came):
                axes.plot(came, [0] * len(came), marker, color=colour, label=label, clip_on=False)
        axes.set_ylim(bottom=0)
        axes.xaxis_date(zone)
        axes.set_xlim(*_numbers([max(since, minutes[0] - MINUTE), now]))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=5, frameon=False, fontsize="small")
    return made.svg


def _broken(
    minutes: Sequence[datetime], used: Sequence[float], capacity: Sequence[float]
) -> Iterator[tuple[datetime, float, float]]:
    """Yield the points of the lines, with a break wherever nothing was sampled for longer than `GAP`."""
    for at, following, load, hd in zip(minutes, [*minutes[1:], minutes[-1]], used, capacity, strict=True):
        yield at, load, hd
        if following - at > GAP:
            yield at + MINUTE, nan, nan


def bars(lives: Sequence[Bar], since: datetime, now: datetime, zone: ZoneInfo) -> Markup:
    """Draw each node's lifetimes as bars: booting, then serving or closed."""
    names = sorted({life.node for life in lives})[:SHOWN]
    if not names:
        return Markup("<p>No overflow node was on in the last 24 hours.</p>")
    title = f"When overflow nodes were on in the last 24 hours: {len(names)} of {len({life.node for life in lives})} that were"
    with drawing(title, zone=zone, height=0.6 + 0.22 * len(names)) as made:
        axes = made.axes
        axes.set_title("Nodes' lifetimes", loc="left")
        for life in lives:
            if life.node in names:
                row = names.index(life.node)
                marks = _numbers([max(life.began, since), max(life.up or life.ended or now, since), life.ended or now])
                for (begins, ends), colour, hatch in zip(pairwise(marks), (ORANGE, GREEN), ("///", ""), strict=True):
                    if ends > begins:
                        axes.barh(row, ends - begins, left=begins, color=colour, height=0.7, hatch=hatch)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.xaxis_date(zone)
        axes.set_xlim(*_numbers([max(min(life.began for life in lives), since), now]))
        axes.bar(0, 0, color=ORANGE, hatch="///", label="booting")
        axes.bar(0, 0, color=GREEN, label="up")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=2, frameon=False, fontsize="small")
    return made.svg


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
    numbers = [[nan if load is None else load for load in row] for row in mean]
    known_loads = [load for row in mean for load in row if load is not None]
    if not known_loads:
        return Markup()
    busiest = max(known_loads)
    title = f"{location}: mean load of each hour of the week, from {len(days)} days; the busiest hour had {busiest:.0f}"
    with drawing(title, height=2.6) as made:
        axes = made.axes
        axes.set_title(
            f"What the week is like in {location} (mean HD connections of {len(days)} learned days)", loc="left"
        )
        shades = axes.pcolormesh(range(25), range(8), numbers, cmap="cividis", edgecolors="none")
        axes.set_yticks([day + 0.5 for day in range(7)], WEEKDAYS)
        axes.set_xticks(range(0, 25, 3), [f"{hour:02}:00" for hour in range(0, 25, 3)])
        axes.invert_yaxis()
        made.figure.colorbar(shades, ax=axes)
    return made.svg
