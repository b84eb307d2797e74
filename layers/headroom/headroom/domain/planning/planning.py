"""Decide which nodes to start, open, close and stop, and say why: `plan` is the whole judgment of Headroom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headroom.domain.demand.forecasting import Demand
from headroom.domain.demand.turned_away import Sample
from headroom.domain.fleet.fleet import ON, Node, NodeState, Observation, boots_closed, match_up, needs_its_address
from headroom.domain.fleet.lifecycle import Action, Commitments, Pausing, Wanted
from headroom.domain.fleet.load import Load
from headroom.domain.planning.issues import Issue, Trouble, issues_of
from headroom.domain.planning.needs import Need, needs_of
from headroom.domain.planning.situation import Situation
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety.safety import gap, witnessed_at

FAILED_LATELY = timedelta(hours=1)
NO_MORE_NODES = (
    "All of its nodes are on, failed lately or may not be started: see the nodes; add some if that is usual."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to do to one node, and the reason in an operator's words."""

    node: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSummary:
    """A node as the plan saw it."""

    name: str
    instance: str
    location: str
    state: NodeState
    hd: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to change now, and why. `frozen` says why nothing may change, if so; `reason` sums it all up."""

    at: datetime
    read_at: datetime
    mode: Mode
    changes: tuple[Change, ...]
    needs: tuple[Need, ...]
    issues: tuple[Issue, ...]
    frozen: str
    reason: str
    nodes: tuple[NodeSummary, ...]
    principals: tuple[Load, ...]
    overflows: tuple[Load, ...]
    trail: tuple[Demand, ...] = ()  # how the load went lately: the next observation's `trail`

    def samples(self) -> Iterator[Sample]:
        """Yield the load of each principal location as this plan saw it: what `learn` learns from."""
        for demand in self.trail:
            if demand.at == self.at:
                hd = next((load.hd for load in self.principals if load.location == demand.location), 0)
                yield Sample(
                    at=self.read_at,
                    location=demand.location,
                    used=demand.used,
                    booked=demand.booked,
                    hd=hd,
                    full=demand.full,
                )


def plan(observation: Observation, commitments: Commitments, policy: Policy, now: datetime) -> Plan:
    """Return what to change now.

    The same arguments always give the same plan, whatever order they list things in.
    """
    fleet = match_up(
        observation,
        expected_hd={memory.node: memory.hd for memory in commitments.memories if memory.hd},
        default_hd=policy.expected_hd,
        boot_limit=policy.boot_limit,
        just_opened=commitments.just_opened(policy.replication, now),
        now=now,
    )
    situation = Situation(observation=observation, commitments=commitments, policy=policy, fleet=fleet, now=now)
    frozen = situation.frozen
    needs = tuple(needs_of(situation))
    wanted = [] if frozen else list(changes_for(situation, needs))
    changes = list(allowed(iter(wanted), situation))
    changes += reopened(situation, {change.node for change in changes})
    return Plan(
        at=now,
        read_at=observation.reading.read_at,
        mode=policy.mode,
        changes=tuple(changes),
        needs=needs,
        issues=(*issues_of(situation), *_not_enough(situation, needs, wanted, changes)),
        frozen=frozen,
        reason=summary(frozen, changes, needs, situation),
        nodes=tuple(
            NodeSummary(
                name=node.name,
                instance=node.instance.id,
                location=node.location,
                state=node.state,
                hd=node.hd,
                used=node.used if node.state in ON - {NodeState.STARTING, NodeState.LATE} else 0,
            )
            for node in fleet.nodes
        ),
        principals=tuple(situation.principals.values()),
        overflows=tuple(situation.overflows.values()),
        trail=situation.trail,
    )


def _not_enough(
    situation: Situation, needs: Sequence[Need], wanted: Sequence[Change], changes: Sequence[Change]
) -> Iterator[Issue]:
    """Where more is needed than the nodes can give: because of MaxNodes, or as there are none left to start."""
    if situation.frozen or situation.stale:
        return
    asked = {change.node for change in wanted if not change.action.takes_away or change.action is Action.RESERVE}
    starts = sum(change.action.starts for change in changes)
    if starts < situation.policy.max_starts_per_plan:  # else the next plan goes on
        asked &= {change.node for change in changes}
    for need in needs:
        here, load = situation.nodes[need.location], situation.overflows[need.location]
        coming = sum(node.room for node in here if node.name in asked)
        short = need.hd - load.free - load.coming - load.reserve - coming
        if short <= 0:
            continue
        most = situation.policy.max_nodes
        yield Issue(
            kind=Trouble.NOT_ENOUGH,
            about=need.location,
            what=f"{need.location} needs {short} HD connections more than its nodes can give ({need.reason})",
            advice=f"MaxNodes is {most}: raise it." if most and situation.on + starts >= most else NO_MORE_NODES,
        )


def reopened(situation: Situation, already: set[str]) -> Iterator[Change]:
    """While Headroom is paused: open what it has closed, and turn round what is to be closed or stopped."""
    pause = situation.pause
    if pause is None or situation.reading.upgrading:
        return
    for node in situation.fleet.nodes:
        if node.name not in already and _is_to_reopen(situation, node, pause.holding):
            reason = f"Headroom is paused ({pause.reason}): what it has closed is opened"
            yield Change(node=node.name, action=Action.OPEN, reason=reason)


def _is_to_reopen(situation: Situation, node: Node, holding: Pausing) -> bool:
    claim, wanted = situation.claims.get(node.name), situation.memory(node).wanted
    if claim is not None and wanted is Wanted.OPEN:
        return False  # it is being opened
    if claim is not None and claim.action.takes_away:
        return node.state is not NodeState.STOPPING
    if not node.closed_by_us:
        return False
    if node.state in ON:
        return not needs_its_address(node.worker, node.instance)
    return node.state is NodeState.STOPPED and (
        holding is Pausing.HANDING_BACK or not boots_closed(node.worker, node.instance)
    )


def allowed(changes: Iterator[Change], situation: Situation) -> Iterator[Change]:
    """Leave out what the mode, the reading and the limits do not allow."""
    policy, on, starts, stops = situation.policy, situation.on, 0, 0
    for change in changes:
        if change.action.starts:
            if (policy.max_nodes and on >= policy.max_nodes) or starts >= policy.max_starts_per_plan:
                continue
            on, starts = on + 1, starts + 1
        elif not (situation.may_take_away if change.action.takes_away else situation.may_open):
            continue
        elif change.action is Action.STOP:
            if stops >= policy.max_stops_per_plan:
                continue
            stops += 1
        yield change


def changes_for(situation: Situation, needs: Sequence[Need]) -> Iterator[Change]:
    """Yield what each overflow location needs changed: more capacity first, less only where none is short."""
    for need in needs:
        yield from _given_up(situation, need)
        more = list(_more(situation, need))
        yield from more
        if not more:
            yield from _less(situation, need)
        yield from _forgotten(situation, need, {change.node for change in more})


@dataclass(slots=True)
class _Shortage:
    """What a location still lacks while nodes are chosen: HD connections open soon and in all, and nodes held."""

    open_hd: int
    hd: int
    nodes: int

    @property
    def now(self) -> bool:
        """Whether a node must be open, not only on its way."""
        return self.open_hd > 0 or self.nodes > 0

    def opened(self, node: Node) -> None:
        """One more node is open, or will be."""
        self.open_hd -= node.room
        self.nodes -= 1


def _more(situation: Situation, need: Need) -> Iterator[Change]:
    """Open what is closed, as far as it is needed that soon; start as much as will be short even so.

    What is started for later comes up closed: calls that others can take do not spread to it, so that it can be stopped
    soon if it was not needed.
    """
    here = situation.nodes[need.location]
    load = situation.overflows[need.location]
    coming = [node for node in here if situation.is_coming(node)]
    ready = sum(node.state is NodeState.SERVING for node in here)
    ready += sum(not situation.is_reserve(node) for node in coming)
    opening = sum(node.room for node in coming if node.state is not NodeState.STARTING)
    short = _Shortage(
        open_hd=need.open_hd - load.free - opening, hd=need.hd - load.free - load.coming, nodes=need.nodes - ready
    )
    yield from _open_closed(situation, need, short)
    yield from _open_booting(situation, need, short)
    yield from _start(situation, need, short)


def _open_closed(situation: Situation, need: Need, short: _Shortage) -> Iterator[Change]:
    """Open closed nodes; those that need not open yet are a reserve that needs no boot."""
    load = situation.overflows[need.location]
    closed = [node for node in situation.nodes[need.location] if _can_open(situation, node)]
    for node in _fullest_that_suffice(closed, short.open_hd):
        if short.now or node.name in need.names:
            yield Change(node=node.name, action=_way_open(node), reason=_reason(need, load))
            short.opened(node)
        elif short.hd > 0 and situation.memory(node).wanted is Wanted.OFF:
            yield Change(node=node.name, action=Action.CLOSE, reason=f"{_reason(need, load)}; it stays as a reserve")
        short.hd -= node.room


def _way_open(node: Node) -> Action:
    """A node whose public address has changed opens as one that starts does, which has its address corrected first."""
    return Action.START if needs_its_address(node.worker, node.instance) else Action.OPEN


def _open_booting(situation: Situation, need: Need, short: _Shortage) -> Iterator[Change]:
    """Let nodes that were to come up closed come up open, the one that will be ready first at the head."""
    booting = [
        node
        for node in situation.nodes[need.location]
        if node.state is NodeState.STARTING and situation.is_coming(node)
    ]
    for node in sorted(booting, key=lambda node: (node.instance.launched_at, node.name)):
        if not situation.is_reserve(node):
            short.open_hd -= node.room  # among the nodes it was counted already
        elif situation.may_open and (short.now or node.name in need.names):
            reason = _reason(need, situation.overflows[need.location])
            yield Change(node=node.name, action=Action.OPEN, reason=reason)
            short.opened(node)


def _start(situation: Situation, need: Need, short: _Shortage) -> Iterator[Change]:
    """Start the nodes that are held by name, and others as far as capacity or nodes are short."""
    reason = _reason(need, situation.overflows[need.location])
    candidates = [node for node in situation.nodes[need.location] if _can_start(situation, node)]
    for node in sorted(candidates, key=lambda node: node.name):
        if node.name in need.names:
            yield Change(node=node.name, action=Action.START, reason=reason)
            short.opened(node)
            short.hd -= node.room
    others = [node for node in candidates if node.name not in need.names]
    for node in _sufficient(others, short.hd, short.nodes, situation):
        if short.now or not situation.may_take_away or not situation.policy.reserve:
            yield Change(node=node.name, action=Action.START, reason=reason)
        else:
            yield Change(node=node.name, action=Action.RESERVE, reason=f"{reason}; it comes up closed, as a reserve")
        short.opened(node)


def _fullest_that_suffice(nodes: Sequence[Node], hd: int) -> list[Node]:
    """Sort nodes for opening: an emptier one is nearer to being stopped, and stays closed if a fuller one suffices."""
    ordered, left = [], sorted(nodes, key=lambda node: (node.room, node.name))
    while left:
        node = next((node for node in left if node.room >= hd), left[-1])
        left.remove(node)
        ordered.append(node)
        hd -= node.room
    return ordered


def _sufficient(candidates: Sequence[Node], hd: int, nodes: int, situation: Situation) -> list[Node]:
    """Choose the cheapest nodes that have so many HD connections, and at least so many nodes.

    Nodes whose start failed lately come last; then as little capacity beyond what is short as can be, then the zone
    with the fewest nodes on, as a zone that has no room refuses all of its nodes.
    """
    chosen: list[Node] = []
    left = list(candidates)
    in_zone = situation.on_by_zone.copy()
    while left and (hd > 0 or nodes > 0):
        node = min(left, key=lambda node: _preference(situation, node, hd, in_zone[node.instance.zone]))
        left.remove(node)
        chosen.append(node)
        in_zone[node.instance.zone] += 1
        hd, nodes = hd - node.room, nodes - 1
    return chosen


def _preference(situation: Situation, node: Node, hd: int, in_zone: int) -> tuple[datetime, int, int, int, str]:
    failed_at = situation.memory(node).failed_at
    never = datetime.min.replace(tzinfo=UTC)
    lately = failed_at is not None and situation.now - failed_at < FAILED_LATELY
    spare = max(0, node.room - hd) if hd > 0 else 0
    return (failed_at if lately and failed_at else never, spare, -node.room, in_zone, node.name)


def _reason(need: Need, load: Load) -> str:
    coming = f" and {load.coming} coming" if load.coming else ""
    return f"{need.reason}; {load.free} of {load.hd} HD connections free in {load.location}{coming}"


def _can_start(situation: Situation, node: Node) -> bool:
    claimed = node.name in situation.claims
    if node.state is not NodeState.STOPPED or claimed or node.closed_by_others:
        return False
    failed_at = situation.memory(node).failed_at
    return failed_at is None or situation.now - failed_at >= situation.policy.failure_cooldown


def _can_open(situation: Situation, node: Node) -> bool:
    """A closed node, or one on its way to be closed or stopped, which turns round."""
    if not situation.may_open:
        return False
    claim, wanted = situation.claims.get(node.name), situation.memory(node).wanted
    leaving = claim is not None and claim.action in {Action.STOP, Action.CLOSE}
    match node.state:
        case NodeState.CLOSED:
            return not situation.is_coming(node)
        case NodeState.SERVING:
            return leaving and wanted is not Wanted.OPEN
        case _:
            return False


def _given_up(situation: Situation, need: Need) -> Iterator[Change]:
    """A start that was given up may still come up: it shall come up closed, so that nothing lands on it unseen."""
    for node in situation.nodes[need.location]:
        given_up = situation.memory(node).given_up_at
        if (
            node.state is NodeState.LATE
            and given_up is not None
            and given_up >= node.instance.launched_at
            and not node.worker.closed
            and node.name not in situation.claims
        ):
            yield Change(node=node.name, action=Action.CLOSE, reason="Its start was given up, but it may still come up")


def _forgotten(situation: Situation, need: Need, already: set[str]) -> Iterator[Change]:
    """A node that is off and was left closed shall be open for its next start, whoever starts it."""
    for node in situation.nodes[need.location]:
        is_idle = node.state is NodeState.STOPPED and node.name not in {*situation.claims, *already}
        if is_idle and node.closed_by_us and not boots_closed(node.worker, node.instance):
            reason = "It is stopped and was left closed; whoever starts it next shall find it open"
            yield Change(node=node.name, action=Action.OPEN, reason=reason)


def _less(situation: Situation, need: Need) -> Iterator[Change]:
    yield from _stops(situation, need)
    if not situation.wanted_more_lately(need.location):
        yield from _closes(situation, need)


def _stops(situation: Situation, need: Need) -> Iterator[Change]:
    """A closed node that looks empty goes through `retire_node`, which proves it; what is left must be reserve enough."""
    load = situation.overflows[need.location]
    left = load.free + load.coming + load.reserve
    for node in situation.nodes[need.location]:
        if node.state is not NodeState.CLOSED or situation.is_coming(node) or node.name in need.names:
            continue
        if node.name in situation.claims or not node.looks_empty or left - node.room < need.keep_hd:
            continue
        if situation.now - node.instance.launched_at < situation.minimum_lifetime or not _is_witnessed(situation, node):
            continue
        left -= node.room
        yield Change(
            node=node.name,
            action=Action.STOP,
            reason=f"It is closed and looks empty; {left} HD connections stay in {need.location}, "
            + (f"{need.keep_hd} are needed ({need.reason})" if need.keep_hd else "nothing asks for any"),
        )


def _is_witnessed(situation: Situation, node: Node) -> bool:
    """Nothing is stopped before EC2 says what it sends: by the end of its retirement, which looks at it twice, it will."""
    closed_at, replication = situation.memory(node).closed_at, situation.policy.replication
    return closed_at is None or situation.now + gap(replication) >= witnessed_at(closed_at, replication)


def _closes(situation: Situation, need: Need) -> Iterator[Change]:
    """Close the emptiest nodes first, as long as what stays open is enough and a little more."""
    policy = situation.policy
    open_nodes = [node for node in situation.nodes[need.location] if node.state is NodeState.SERVING]
    free = sum(node.free for node in open_nodes)
    left, closed = len(open_nodes), 0
    for node in sorted(open_nodes, key=lambda node: (node.used, node.hd, node.name)):
        keep = need.keep_open_hd + policy.hysteresis + situation.leavers_of(node) if need.keep_open_hd else 0
        if free - node.free < keep or left <= need.nodes or closed >= policy.max_closes_per_plan:
            return  # a fuller one would take longer to become empty
        if (
            node.name in need.names
            or node.name in situation.claims
            or situation.now - node.instance.launched_at < situation.minimum_lifetime
        ):
            continue
        free, left, closed = free - node.free, left - 1, closed + 1
        wanted = f"{need.keep_open_hd} are needed" if need.keep_open_hd else "none are needed"
        yield Change(
            node=node.name,
            action=Action.CLOSE,
            reason=f"Without it {free} HD connections stay free in {node.location}, {wanted} ({need.reason})",
        )


def summary(frozen: str, changes: Sequence[Change], needs: Sequence[Need], situation: Situation) -> str:
    """Say the whole plan in one sentence."""
    if frozen:
        opening = f"; first it opens {', '.join(change.node for change in changes)}" if changes else ""
        return f"{frozen}{opening}"
    if situation.observation.unreachable and not changes:
        return f"Holding still without news from Pexip: {situation.observation.unreachable}"
    if changes:
        parts = []
        for action in Action:
            names = [change.node for change in changes if change.action is action]
            if names:
                parts.append(f"{action} {', '.join(names)}")
        first = changes[0].reason
        return f"{'; '.join(parts)}: {first}"
    free = "; ".join(
        f"{load.location} has {load.free} of {load.hd} HD connections free"
        + (f", {load.coming} coming" if load.coming else "")
        for load in [*situation.principals.values(), *situation.overflows.values()]
    )
    asked = "; ".join(need.reason for need in needs if need.rule != "none")
    return f"Nothing to change: {free or 'no location has capacity'}" + (f" ({asked})" if asked else "")
