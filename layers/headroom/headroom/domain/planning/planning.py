"""Decide which nodes to start, open, close and stop, and say why: `plan` makes all of Headroom's decisions."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from headroom.domain.fleet.fleet import ON, Node, NodeState, Observation, boots_closed, match_up, needs_its_address
from headroom.domain.fleet.lifecycle import Action, Commitments, Pausing, Wanted
from headroom.domain.planning.drill import drill
from headroom.domain.planning.giving import Supply
from headroom.domain.planning.issues import Issue, Trouble, issues_of
from headroom.domain.planning.less import hung, left_as_they_are, less
from headroom.domain.planning.more import more
from headroom.domain.planning.needs import Need, needs_of
from headroom.domain.planning.out import taken_out
from headroom.domain.planning.plans import Change, Left, NodeSummary, Plan
from headroom.domain.planning.promises import short_promises
from headroom.domain.planning.situation import Situation
from headroom.domain.policy import Mode, Policy

NO_MORE_NODES = (
    "All of its nodes are on, failed lately or may not be started: see `headroom nodes`. Add nodes if this recurs."
)
OUT_OF_SIGHT = "It is in maintenance mode in Headroom's name, but it is not one of the overflow nodes"


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
    frozen = situation.may.frozen
    needs = tuple(needs_of(situation))
    found = (
        []
        if frozen
        else [*changes_for(situation, needs), *taken_out(situation, needs), *out_of_sight(situation, OUT_OF_SIGHT)]
    )
    if not frozen and not any(isinstance(each, Change) for each in found):
        found += drill(situation, needs)
    wanted = [each for each in found if isinstance(each, Change)]
    changes = list(allowed(iter(wanted), situation))
    changes += reopened(situation, {change.node for change in changes})
    changed, why = (
        {change.node for change in changes},
        {each.node: each.reason for each in found if isinstance(each, Left)},
    )
    nodes = tuple(_summary(node) for node in fleet.nodes)
    return Plan(
        at=now,
        read_at=observation.reading.read_at,
        mode=policy.mode,
        changes=tuple(changes),
        needs=needs,
        issues=(*issues_of(situation), *_not_enough(situation, needs, wanted, changes), *_short(situation, nodes)),
        frozen=frozen,
        reason=summary(frozen, changes, needs, situation),
        nodes=nodes,
        principals=tuple(situation.principals.values()),
        overflows=tuple(situation.overflows.values()),
        trail=situation.trail,
        homes=tuple(situation.homes.values()),
        left=tuple(left_as_they_are(situation, needs, changed, {change.node for change in wanted}, why)),
    )


def _summary(node: Node) -> NodeSummary:
    return NodeSummary(
        name=node.name,
        instance=node.instance.id,
        location=node.location,
        state=node.state,
        hd=node.hd,
        used=node.used if node.state in ON - {NodeState.STARTING, NodeState.LATE} else 0,
        closed_by_others=node.closed_by_others,
    )


def _short(situation: Situation, nodes: Sequence[NodeSummary]) -> Iterator[Issue]:
    """Yield an issue for each promise that is short. In observe mode nothing is promised; what is unknown is not missing."""
    if situation.policy.mode is Mode.OBSERVE or situation.may.stale or not nodes:
        return
    commitments, policy = situation.commitments, situation.policy
    supply, when = Supply.of(nodes, commitments, policy), partial(policy.when, now=situation.now)
    yield from short_promises(supply, commitments, when, situation.may.frozen, situation.now)


def _not_enough(
    situation: Situation, needs: Sequence[Need], wanted: Sequence[Change], changes: Sequence[Change]
) -> Iterator[Issue]:
    """Yield an issue for each location whose need exceeds what its nodes can give (MaxNodes reached, or none left to start)."""
    if situation.may.frozen or situation.may.stale:
        return
    starts = sum(_switches_on(change, situation) for change in changes)
    counted = wanted if starts >= situation.policy.max_starts_per_plan else changes  # a later plan makes what is left
    asked = {change.node for change in counted if not change.action.takes_away or change.action is Action.START_CLOSED}
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
    """While Headroom is paused: open the nodes that it has closed, and turn round those being closed or stopped."""
    pause = situation.commitments.pause
    if pause is None or situation.reading.upgrading:
        return
    reason = f"Headroom is paused ({pause.reason}), so it opens the nodes that it has closed"
    for node in situation.fleet.nodes:
        if node.name not in already and _is_to_reopen(situation, node, pause.holding):
            yield Change(node=node.name, action=Action.OPEN, reason=reason)
    yield from (change for change in out_of_sight(situation, reason) if change.node not in already)


def _is_to_reopen(situation: Situation, node: Node, holding: Pausing) -> bool:
    if situation.is_unread(node) or node.name in situation.out:
        return False
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
    """Yield the changes that the mode, the age of the reading and the limits allow."""
    policy, on, starts, stops = situation.policy, situation.on, 0, 0
    for change in changes:
        if _switches_on(change, situation):
            if (policy.max_nodes and on >= policy.max_nodes) or starts >= policy.max_starts_per_plan:
                continue
            on, starts = on + 1, starts + 1
        elif not (situation.may.take_away if change.action.takes_away else situation.may.open):
            continue
        elif change.action is Action.STOP:
            if stops >= policy.max_stops_per_plan:
                continue
            stops += 1
        yield change


def _switches_on(change: Change, situation: Situation) -> bool:
    """Say whether a change turns a node on. A start may also open a node that is on but whose address changed."""
    return change.action.starts and situation.states[change.node] not in ON


def changes_for(situation: Situation, needs: Sequence[Need]) -> Iterator[Change | Left]:
    """Yield what each overflow location needs changed: more capacity first, less only where none is short."""
    for need in needs:
        yield from _given_up(situation, need)
        yield from hung(situation, need)
        asked = list(more(situation, need))
        yield from asked
        if not asked:
            yield from less(situation, need)
        yield from _forgotten(situation, need, {change.node for change in asked})


def _given_up(situation: Situation, need: Need) -> Iterator[Change]:
    """Close nodes whose start was given up: if they still come up, they take no calls unnoticed."""
    for node in situation.nodes[need.location]:
        given_up = situation.memory(node).given_up_at
        is_given_up = given_up is not None and given_up >= node.instance.launched_at
        if (
            node.state is NodeState.LATE
            and (is_given_up or situation.hung_since(node))
            and not node.worker.closed
            and node.name not in situation.claims
            and not situation.is_unread(node)
        ):
            yield Change(node=node.name, action=Action.CLOSE, reason="Its start was given up; it must not come up open")


def out_of_sight(situation: Situation, reason: str) -> Iterator[Change]:
    """Open nodes that are closed in Headroom's name although they are none of its overflow nodes.

    Not those in an overflow location that the ledger has never known: another stack may have closed them. Nor those that are
    being provisioned or converted: the workflow that does it opens them, or hands them over.
    """
    overflow = {location.overflow_location for location in situation.reading.locations}
    for worker in situation.out_of_sight:
        memory = situation.memories.get(worker.name)
        if worker.is_being_changed or (memory is None and worker.location in overflow):
            continue
        if not (worker.name in situation.claims and memory is not None and memory.wanted is Wanted.OPEN):
            yield Change(node=worker.name, action=Action.OPEN, reason=reason)


def _forgotten(situation: Situation, need: Need, already: set[str]) -> Iterator[Change]:
    """Open nodes that are off but still in maintenance mode, so that they take calls after their next start."""
    for node in situation.nodes[need.location]:
        is_idle = node.state is NodeState.STOPPED and node.name not in {*situation.claims, *already}
        is_idle = is_idle and not situation.is_unread(node)
        if is_idle and node.closed_by_us and not boots_closed(node.worker, node.instance):
            reason = "It is stopped but still in maintenance mode; opened, so that it takes calls after its next start"
            yield Change(node=node.name, action=Action.OPEN, reason=reason)


def _flies_blind(situation: Situation) -> str:
    since = situation.policy.on_the_clock(situation.reading.read_at)
    return f"Blind since {since}. " if situation.may.blind else ""


def summary(frozen: str, changes: Sequence[Change], needs: Sequence[Need], situation: Situation) -> str:
    """Say the whole plan in one sentence."""
    if frozen:
        opening = f"; first it opens {', '.join(change.node for change in changes)}" if changes else ""
        return f"{frozen}{opening}"
    if situation.observation.unreachable and not changes:
        nothing = f"Nothing is changed while Pexip or EC2 cannot be read: {situation.observation.unreachable}"
        return f"{_flies_blind(situation)}{nothing}"
    if changes:
        parts = []
        for action in Action:
            names = [change.node for change in changes if change.action is action]
            if names:
                parts.append(f"{action} {', '.join(names)}")
        first = changes[0].reason
        return f"{_flies_blind(situation)}{'; '.join(parts)}: {first}"
    free = "; ".join(
        f"{load.location} has {load.free} of {load.hd} HD connections free"
        + (f", {load.coming} coming" if load.coming else "")
        for load in [*situation.principals.values(), *situation.overflows.values()]
    )
    asked = "; ".join(need.reason for need in needs if need.rule != "none")
    return f"Nothing to change: {free or 'no location has capacity'}" + (f" ({asked})" if asked else "")
