"""Explain a node, or the plan of a time, from the ledger alone."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import msgspec

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.demand.forecasting import QUARTER, quarter_of
from headroom.domain.fleet.load import Load
from headroom.domain.history import kept
from headroom.domain.history.chain import Examined, Head, examine
from headroom.domain.history.events import Event
from headroom.domain.history.record import Decision
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.version import code_version
from headroom.widgets.words import time_of

EVENTS = 20
MINUTE, MOMENT = timedelta(minutes=1), timedelta(milliseconds=1)


class UnknownError(Exception):
    """The ledger has no node of that name; the message lists the nodes that it has."""


def zone_of(ledger: Ledger) -> str:
    """Return the site's time zone, as the newest plan has it."""
    newest = ledger.decision_at(clock.now())
    return newest.policy.zone if newest else "UTC"


def is_time(ledger: Ledger, text: str) -> bool:
    """Whether a text names a moment, and not a node."""
    return time_of(text, zone_of(ledger), clock.now()) is not None


def decisions_of(ledger: Ledger, text: str) -> list[Decision]:
    """Return the plans of a time as it was typed: those of its minute that changed something, else the one in force.

    Raise as `decision_of` does.
    """
    found = [decision_of(ledger, text)]
    if text.count(":") == 1:  # no seconds: all of that minute
        begins = time_of(text, zone_of(ledger), clock.now()) or clock.now()
        after = ledger.decision_at(min(begins + MINUTE - MOMENT, clock.now()))
        made = []
        while after and after.plan.at >= begins:
            made.append(after)
            after = ledger.decision_at(after.plan.at - MOMENT)
        found = [decision for decision in reversed(made) if decision.plan.changes] or made[-1:] or found
    return found


def decision_of(ledger: Ledger, text: str) -> Decision:
    """Return the decision that was in force at a time as it was typed; raise UsageError or ClickException if there is none."""
    when = time_of(text, zone_of(ledger), clock.now())
    if when is None:
        raise click.UsageError(f"{text} is not a time: write 8:55 for today, or 2026-03-02T08:55.")
    if when > clock.now():
        raise click.UsageError(f"{text} has not come yet: write 2026-03-02T08:55 for a day before.")
    decision = ledger.decision_at(when)
    if decision is None:
        raise click.ClickException(f"There is no plan as old as {text}: plans are kept for {kept.PLANS.days} days.")
    return decision


def why_at(decision: Decision) -> Iterator[str]:
    """Explain the plan that was in force at a time."""
    made, at = decision.plan, decision.policy.on_the_clock
    yield f"{made.at:%Y-%m-%d} {at(made.at)}: {made.reason}"
    yield f"  made by {decision.version} in {made.mode} mode, from the reading of {at(made.read_at)}"
    for change in made.changes:
        yield f"  {change.action} {change.node}: {change.reason}"
    for load in (*made.principals, *made.overflows):
        yield f"  {_load(load)}"
    for need in made.needs:
        nodes = f" and {need.nodes} nodes" if need.nodes else ""
        names = f" and {', '.join(need.names)}" if need.names else ""
        yield f"  {need.location} needs {need.hd} HD connections{nodes}{names} ({need.rule}): {need.reason}"
        for forecast in need.forecasts:
            by = at(made.at + forecast.told.minutes * MINUTE)
            yield f"    {forecast.location} until {by}: {forecast.parts}; at most {forecast.told.most:.0f} more"
    for left in made.left:
        yield f"  {left.node} stays on: {left.reason}"
    for issue in made.issues:
        yield f"  issue: {issue.what}. {issue.advice}"


def _load(load: Load) -> str:
    more = [f"{count} {what}" for what, count in (("coming", load.coming), ("in reserve", load.reserve)) if count]
    return f"{load.location}: {load.free} of {load.hd} HD connections free" + "".join(f", {each}" for each in more)


def why_node(ledger: Ledger, node: str, zone: str, now: datetime) -> Iterator[str]:
    """Explain what a node is, what is wanted of it, and how it came about; raise UnknownError if there is no such node."""
    here, planned = ZoneInfo(zone), ledger.last_plan()
    nodes = planned.plan.nodes if planned else ()
    known = next((each for each in nodes if each.name == node), None)
    events = ledger.events_of(node, EVENTS)
    if known is None and not events:
        names = ", ".join(each.name for each in nodes) or "none"
        raise UnknownError(f"{node} is neither a time nor an overflow node; nodes are {names}.")
    if known:
        yield f"{node} is {known.state}, with {known.used} of {known.hd} HD connections in use"
    left = next((each.reason for each in planned.plan.left if each.node == node), "") if planned else ""
    if left:
        yield f"  it stays on: {left}"
    memory = ledger.memory(node)
    if memory.wanted and memory.wanted_at:
        yield f"  wanted {memory.wanted} since {memory.wanted_at.astimezone(here):%Y-%m-%d %H:%M:%S}: {memory.reason}"
    if memory.claim and memory.is_at_work(now):
        yield f"  the workflow {memory.claim.token} is at work on it"
    for event in events:
        yield f"  {_told(event, here)}"
    for lifetime in ledger.lifetimes(node)[:3]:
        ended = (
            f"to {_local(lifetime.stopped_at, here)} by {lifetime.stopped_by}" if lifetime.stopped_at else "still on"
        )
        yield f"  lifetime from {_local(lifetime.launched_at, here)} by {lifetime.started_by}, {ended}"


def _local(moment: datetime, here: ZoneInfo) -> str:
    return f"{moment.astimezone(here):%Y-%m-%d %H:%M:%S}"


def _told(event: Event, here: ZoneInfo) -> str:
    return f"{event.at.astimezone(here):%Y-%m-%d %H:%M:%S} {event.kind}: {event.reason} ({event.by})"


@dataclass(frozen=True, slots=True)
class Remade:
    """A plan made again from its decision."""

    decision: Decision
    plan: Plan

    @property
    def is_same(self) -> bool:
        """Whether the plan is the same, bit for bit."""
        return msgspec.json.encode(self.plan) == msgspec.json.encode(self.decision.plan)

    @property
    def sentences(self) -> Iterator[str]:
        """Say whether it is the same, and where it differs."""
        then, now = self.decision.version, code_version()
        when = f"{self.decision.plan.at:%Y-%m-%d %H:%M:%S} UTC"
        if self.is_same:
            yield f"The plan of {when} was reproduced bit for bit (made by {then}, made again by {now})."
            return
        yield f"The plan of {when} was not reproduced (made by {then}, made again by {now})."
        if then != now:
            yield "The code differs: check out the release that made the plan."
        before, after = asdict(self.decision.plan), asdict(self.plan)
        for name in before:
            if before[name] != after[name]:
                yield f"  {name}: {before[name]!r:.300} became {after[name]!r:.300}"


def make_again(decision: Decision) -> Remade:
    """Make a plan again from what it was made from."""
    return Remade(decision, plan(decision.observation, decision.commitments, decision.policy, decision.plan.at))


@dataclass(frozen=True, slots=True)
class Verified:
    """What an examination of the whole ledger found."""

    examined: Examined
    heads: int
    wrong: list[str]

    @property
    def sentence(self) -> str:
        """Say what was examined."""
        first, last = self.examined.first, self.examined.last
        if first is None or last is None:
            return "There are no plans in the ledger."
        span = f"{first.at:%Y-%m-%d %H:%M} to {last.at:%Y-%m-%d %H:%M} UTC"
        expired = f"; {self.examined.expired} older ones have expired, as they should" if self.examined.expired else ""
        return f"{self.examined.plans} plans from {span} and {self.heads} heads of days{expired}."


def verify(ledger: Ledger, now: datetime, published: dict[date, str]) -> Verified:
    """Examine the chain of plans, with the heads that were published for some days; plans may be made meanwhile."""
    planned, examined = ledger.last_plan(), Examined()
    heads = ledger.heads()
    newest: Head | None = planned.head if planned else None
    wrong = list(examine(ledger.chain(), heads, newest, now - kept.PLANS, examined))
    newer = ledger.last_plan()
    if examined.last and newer and examined.last.number > newer.number:
        wrong.append(f"Changed: the plan of {examined.last.at:%Y-%m-%d %H:%M:%S} UTC is newer than the newest plan.")
    for day, digest in sorted(published.items()):
        there = heads.get(day)
        if there is None or there.digest != digest:
            wrong.append(f"Changed: the head of {day} is not the one that was published.")
    wrong += [
        f"Changed: the forecast of {at:%Y-%m-%d %H:%M:%S} UTC is not the one that the plan used."
        for at in _foreseen(ledger, now)
    ]
    return Verified(examined, len(heads), wrong)


def _foreseen(ledger: Ledger, now: datetime) -> Iterator[datetime]:
    """Yield the plans whose outlooks, which are kept beside them, have been changed."""
    since = quarter_of(now - kept.PLANS) + QUARTER  # those of the quarter before expire while its plans are still there
    yield from (at for at, is_intact in ledger.foreseen(since, now) if not is_intact)
