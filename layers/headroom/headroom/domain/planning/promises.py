"""Pre-warming: turn a request into a hold, and say later whether the promise was kept."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headroom.domain.fleet.fleet import NodeState
from headroom.domain.fleet.lifecycle import BY_HAND, SCHEDULE, Commitments, Hold, Memory
from headroom.domain.planning.plans import NodeSummary, Plan
from headroom.domain.policy import Mode

ENOUGH_STARTS = 5  # measured starts needed for an estimate
FARTHEST = timedelta(hours=23)  # the prewarm workflow watches for a day at the most


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
    """What a promise depends on besides the request."""

    mode: Mode
    minimum_lifetime: timedelta
    boot_time: timedelta


def promise(request: Request, nodes: Sequence[NodeSummary], terms: Terms, *, name: str, now: datetime) -> Hold:
    """Return the hold for a request; raise BadRequestError if the request cannot be promised."""
    _check(request, nodes, now)
    lead = 2 * terms.boot_time
    if terms.mode is Mode.ASSIST and lead >= terms.minimum_lifetime:
        raise BadRequestError(
            f"Nodes are started {_minutes(lead)} ahead, but Pexip stops an idle node after {_minutes(terms.minimum_lifetime)}: "
            "raise bursting_min_lifetime in Pexip, or switch to control mode."
        )
    asked_at = request.scheduled_time or now
    ready_by = request.ready_by or asked_at + lead
    return Hold(
        id=f"prewarm-{request.scheduled_time:%Y%m%dT%H%M%SZ}" if request.scheduled_time else f"prewarm-{name}",
        begins=max(now, ready_by - lead),
        ready_by=ready_by,
        until=request.until or ready_by + terms.minimum_lifetime,
        reason=request.reason or ("the scheduled pre-warm" if request.scheduled_time else "a pre-warm started by hand"),
        by=SCHEDULE if request.scheduled_time else request.by or BY_HAND,
        nodes=request.nodes,
        counts={} if request.nodes else _counts(request, nodes),
        execution=name,
    )


def _check(request: Request, nodes: Sequence[NodeSummary], now: datetime) -> None:
    names, places = {node.name for node in nodes}, {node.location for node in nodes}
    for what, asked, known in (("node", request.nodes, names), ("location", request.locations, places)):
        unknown = sorted(set(asked) - known)
        if unknown:
            raise BadRequestError(
                f"No overflow {what} is called {', '.join(unknown)}; there are {', '.join(sorted(known))}."
            )
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
    if request.ready_by and request.ready_by - now > FARTHEST:
        raise BadRequestError(
            f"ready_by is more than {FARTHEST.total_seconds() / 3600:.0f} hours ahead: ask again that day."
        )
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
class Chance:
    """The probability that every promised node serves in time (`sure`), and the starts that it is estimated from."""

    sure: float
    in_time: int
    starts: int

    @property
    def sentence(self) -> str:
        """The probability in an operator's words."""
        if self.starts < ENOUGH_STARTS:
            return "its probability is not known yet, as too few starts were measured"
        return f"{100 * self.sure:.0f} % sure, as {self.in_time} of the last {self.starts} starts served in time"


def chance(hold: Hold, memories: Iterable[Memory]) -> Chance:
    """Estimate the probability that all nodes of a promise serve in time, if all of them have to be started.

    Each start is taken to serve in time as often as the measured ones would have (Jeffreys' estimate, so that a few good
    starts are no certainty). The true probability is a little higher, as another node may replace a refused start in time.
    """
    boots = [boot for memory in memories for boot in memory.boots]
    lead = (hold.ready_by - hold.begins).total_seconds()
    in_time = sum(boot is not None and boot <= lead for boot in boots)
    each = (in_time + 0.5) / (len(boots) + 1)
    asked = len(hold.nodes) or sum(hold.counts.values())
    return Chance(sure=each**asked, in_time=in_time, starts=len(boots))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Which nodes of a promise are ready, and which are not and why."""

    kept: bool
    ready: tuple[str, ...]
    missing: tuple[str, ...]
    reason: str


def kept(hold: Hold, plan: Plan, commitments: Commitments, clock_of: Callable[[datetime], str]) -> Kept:
    """Compare a promise with the newest plan's view of the nodes; of a number of nodes only those that were tried are named."""
    asked = [node for node in plan.nodes if node.name in hold.nodes or node.location in hold.counts]
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


def _minutes(duration: timedelta) -> str:
    return f"{duration.total_seconds() / 60:.0f} min"
