"""Pre-warming: turn a request into a hold, and say later whether the promise was kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headroom.domain.fleet.fleet import NodeState
from headroom.domain.fleet.lifecycle import BY_HAND, SCHEDULE, Commitments, Hold
from headroom.domain.planning.giving import Supply, given, soonest
from headroom.domain.planning.issues import Issue, Trouble
from headroom.domain.planning.leads import Leads
from headroom.domain.planning.plans import NodeSummary
from headroom.domain.policy import Mode
from headroom.domain.texts import FARTHEST, NAMES, REASON, line, listed, once

READY_WITHIN = timedelta(days=360)  # the prewarm workflow waits for it, and Step Functions ends one after a year


class BadRequestError(Exception):
    """The request cannot be promised as it stands; the message says what to change. Nothing was touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to have ready, and when; everything left out means every overflow node, ten minutes from now.

    `count` is a number of nodes over the locations asked for, `by` is who asks. `scheduled_time` is set by the schedule: the same
    scheduled time twice is one promise.
    """

    locations: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    count: int | None = None
    ready_by: datetime | None = None
    until: datetime | None = None
    reason: str = ""
    by: str = ""
    scheduled_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a promise depends on besides the request and the nodes: the mode, Pexip's lifetimes, and how long starts take."""

    mode: Mode
    lifetime: timedelta
    leads: Leads


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The hold for a request, and `short`: how it is less than was asked for, or later, and why; empty if it is not."""

    hold: Hold
    short: str = ""


def promise(request: Request, supply: Supply, terms: Terms, *, name: str, now: datetime) -> Promise:
    """Return the promise for a request: what can be given of it, when it can be given.

    Raise BadRequestError if nothing can be given, or not what was named.
    """
    request = _tidy(request)
    _check(request, supply.nodes, now)
    counts = {} if request.nodes else _counts(request, supply.nodes)
    places = counts.keys() | {node.location for node in supply.nodes if node.name in request.nodes}
    usual = 2 * terms.leads.policy.boot_time
    lead = terms.leads.ahead(places)
    if terms.mode is Mode.ASSIST and lead >= terms.lifetime:
        raise BadRequestError(
            f"Nodes are started {_minutes(lead)} ahead, but Pexip stops an idle node after {_minutes(terms.lifetime)}: "
            "raise bursting_min_lifetime in Pexip, or switch to control mode."
        )
    ready_by = request.ready_by or (request.scheduled_time or now) + usual
    asked = Hold(
        id=f"prewarm-{request.scheduled_time:%Y%m%dT%H%M%SZ}" if request.scheduled_time else f"prewarm-{name}",
        begins=max(now, ready_by - lead),
        ready_by=ready_by,
        until=request.until or ready_by + terms.lifetime,
        reason=request.reason or ("the scheduled pre-warm" if request.scheduled_time else "a pre-warm started by hand"),
        by=SCHEDULE if request.scheduled_time else request.by or BY_HAND,
        nodes=request.nodes,
        counts=counts,
        execution=name,
    )
    found = given(asked, supply, now)
    if found.why and (request.nodes or not found.hold.counts):
        raise BadRequestError(f"{asked.what} cannot be promised: {found.why}.")
    less = f"{found.hold.what}, not {asked.what}: {found.why}" if found.why else ""
    return _in_time(Promise(hold=found.hold, short=less), supply, terms)


def _tidy(request: Request) -> Request:
    """Return the request with each name once, and with texts of one line that are not too long."""
    return replace(
        request,
        nodes=once(request.nodes),
        locations=once(request.locations),
        reason=line(request.reason, REASON),
        by=line(request.by, REASON),
    )


def _in_time(made: Promise, supply: Supply, terms: Terms) -> Promise:
    """Promise it for the time at which it can be ready, if that is later than was asked for."""
    hold, leads = made.hold, terms.leads
    takes = soonest(hold, supply.nodes, leads)
    earliest = hold.begins + takes
    if earliest <= hold.ready_by:
        return made
    earliest += -(earliest - datetime.min.replace(tzinfo=earliest.tzinfo)) % timedelta(minutes=1)  # a whole minute
    clock_of = leads.policy.on_the_clock
    later = f"ready by {clock_of(earliest)}, not {clock_of(hold.ready_by)}: {_why_it_takes(takes, leads)}"
    if earliest >= hold.until:
        raise BadRequestError(
            f"{hold.what} cannot be ready by {clock_of(hold.ready_by)}, nor before {clock_of(hold.until)}: "
            f"{_why_it_takes(takes, leads)}."
        )
    return Promise(hold=replace(hold, ready_by=earliest), short="; ".join(filter(None, (made.short, later))))


def _why_it_takes(takes: timedelta, leads: Leads) -> str:
    if takes <= leads.to_open:
        return f"a closed node takes calls {_minutes(takes)} after it is opened"
    known = "as 19 of 20 measured starts did" if leads.is_measured else "as is assumed until starts were measured"
    return f"a start takes {_minutes(takes)}, {known}"


def _check(request: Request, nodes: Sequence[NodeSummary], now: datetime) -> None:
    names, places = {node.name for node in nodes}, {node.location for node in nodes}
    for what, asked, known in (("node", request.nodes, names), ("location", request.locations, places)):
        if len(asked) > NAMES:
            raise BadRequestError(f"{len(asked)} {what}s are named: name {NAMES} at the most, or none for all of them.")
        unknown = sorted(set(asked) - known)
        if unknown:
            raise BadRequestError(f"No overflow {what} is called {listed(unknown)}; there are {listed(sorted(known))}.")
    if request.count is not None and request.count < 1:
        raise BadRequestError(f"count is {request.count}: leave it out for every node, or ask for at least one.")
    if request.count is not None and request.nodes:
        raise BadRequestError("Ask for nodes by name or for a count, not for both.")
    if not nodes:
        raise BadRequestError("There are no overflow nodes: tag their instances with pexip-cloud first.")
    _check_times(request, now)


def _check_times(request: Request, now: datetime) -> None:
    for what, moment in (("ready_by", request.ready_by), ("until", request.until)):
        if moment is not None and moment.tzinfo is None:
            raise BadRequestError(f"{what} needs a time zone: write 2026-03-02T09:00:00+01:00, or Z for UTC.")
        if moment is not None and moment <= now:
            raise BadRequestError(
                f"{what} is {moment:%Y-%m-%d %H:%M %Z}, which is past; it is {now:%Y-%m-%d %H:%M %Z}."
            )
    if request.ready_by and request.ready_by - now > READY_WITHIN:
        raise BadRequestError(f"ready_by is more than {READY_WITHIN.days} days ahead: ask again nearer the time.")
    if request.until and request.until - now > FARTHEST:
        raise BadRequestError(f"until is more than {FARTHEST.days} days ahead: ask for less, and again later.")
    if request.until and request.until <= (request.ready_by or now):
        raise BadRequestError("until must be later than ready_by.")


def _counts(request: Request, nodes: Sequence[NodeSummary]) -> dict[str, int]:
    """Spread the count over the locations, one node at a time, never more than each has."""
    has = {place: sum(node.location == place for node in nodes) for place in sorted({node.location for node in nodes})}
    if request.locations:
        has = {place: count for place, count in has.items() if place in request.locations}
    wanted = sum(has.values()) if request.count is None else request.count
    if wanted > sum(has.values()):
        raise BadRequestError(f"count is {wanted}, but there are only {sum(has.values())} overflow nodes there.")
    counts = dict.fromkeys(has, 0)
    while sum(counts.values()) < wanted:
        emptiest = min((place for place in has if counts[place] < has[place]), key=lambda place: counts[place])
        counts[emptiest] += 1
    return {place: count for place, count in counts.items() if count}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Which nodes of a promise are ready, and which are not and why."""

    kept: bool
    ready: tuple[str, ...]
    missing: tuple[str, ...]
    reason: str


def kept(
    hold: Hold, nodes: Sequence[NodeSummary], commitments: Commitments, clock_of: Callable[[datetime], str]
) -> Kept:
    """Compare a promise with the nodes as the newest plan saw them; of a number of nodes only those that were tried are named."""
    asked = [node for node in nodes if node.name in hold.nodes or node.location in hold.counts]
    ready = [node for node in asked if node.state is NodeState.SERVING]
    short = [name for name in hold.nodes if name not in {node.name for node in ready}]
    for place, count in hold.counts.items():
        serving = sum(node.location == place for node in ready)
        if serving < count:
            short.append(f"{count - serving} of {count} nodes in {place}")
    tried = [
        node
        for node in asked
        if node.name in hold.nodes or node.state is not NodeState.STOPPED or _failed(node, hold, commitments)
    ]
    reasons = [f"{node.name} is {_why(node, hold, commitments, clock_of)}" for node in tried if node not in ready]
    otherwise = "no such node exists any more" if hold.nodes else "no node was started for it"
    sentence = (
        f"Ready: {', '.join(node.name for node in ready)}"
        if not short
        else f"Not ready: {', '.join(short)} ({'; '.join(reasons) or otherwise})"
    )
    return Kept(kept=not short, ready=tuple(node.name for node in ready), missing=tuple(reasons), reason=sentence)


def _failed(node: NodeSummary, hold: Hold, commitments: Commitments) -> datetime | None:
    """Return when the node's start for this promise failed; None if it did not."""
    at = commitments.memory(node.name).failed_at
    return at if at and at >= hold.begins else None


def _why(node: NodeSummary, hold: Hold, commitments: Commitments, clock_of: Callable[[datetime], str]) -> str:
    at = _failed(node, hold, commitments)
    return f"{node.state}, its last start failed at {clock_of(at)}" if at else str(node.state)


def short_promises(
    supply: Supply, commitments: Commitments, clock_of: Callable[[datetime], str], frozen: str, now: datetime
) -> Iterator[Issue]:
    """Yield an issue for each promise of which less can be given than was promised, and for each that is not kept when due.

    Of two promises the one that begins first comes first. `frozen` says why nothing may be started now, if so.
    """
    does = frozen or "Headroom keeps trying until the promise ends"
    for hold in supply.holds:
        earlier = [other for other in supply.holds if (other.begins, other.id) < (hold.begins, hold.id)]
        found = given(hold, replace(supply, holds=earlier), now)
        is_less = found.why and (found.hold.nodes, found.hold.counts) != (hold.nodes, hold.counts)
        due = kept(hold, supply.nodes, commitments, clock_of) if now >= hold.ready_by else None
        missing = due.reason if due and not due.kept else ""
        if is_less or missing:
            why = "; ".join(filter(None, (missing, found.why if is_less else "")))
            yield Issue(
                kind=Trouble.PROMISE_SHORT,
                about=hold.id,
                what=f"The promise of {hold.what} until {clock_of(hold.until)} ({hold.reason}) is short: {why}",
                advice=f"{does.rstrip('.')}. Raise MaxNodes, mend the nodes, or end a "
                "promise with `headroom release`; `headroom why NODE` says what a node waits for.",
            )


def _minutes(duration: timedelta) -> str:
    return f"{duration.total_seconds() / 60:.0f} min"
