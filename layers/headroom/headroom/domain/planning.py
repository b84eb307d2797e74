"""Decide which nodes to start, open, close and stop, and say why: `plan` is the whole judgment of Headroom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headroom.domain.fleet import ON, Fleet, Node, NodeState, Observation, match_up
from headroom.domain.lifecycle import Action, Commitments, Hold, Memory, Wanted
from headroom.domain.load import Load, overflow_loads, principal_loads
from headroom.domain.policy import Mode, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to do to one node, and the reason in an operator's words."""

    node: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Free HD connections, and nodes, that an overflow location must have, and the rule that asks for the most."""

    location: str
    hd: int
    nodes: int
    names: tuple[str, ...]
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something an operator should know: what it is, and what to do."""

    what: str
    advice: str


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
    needs = situation.needs
    changes = () if frozen else tuple(situation.allowed(changes_for(situation, needs)))
    return Plan(
        at=now,
        read_at=observation.reading.read_at,
        mode=policy.mode,
        changes=changes,
        needs=needs,
        issues=tuple(issues_of(situation)),
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
    )


class Situation:
    """Everything one plan is made from, with the questions that the rules ask of it."""

    def __init__(
        self,
        *,
        observation: Observation,
        commitments: Commitments,
        policy: Policy,
        fleet: Fleet,
        now: datetime,
    ) -> None:
        self.observation = observation
        self.reading = observation.reading
        self.commitments = commitments
        self.policy = policy
        self.fleet = fleet
        self.now = now
        self.memories = {memory.node: memory for memory in commitments.memories}
        self.nodes: dict[str, list[Node]] = {}
        for node in fleet.nodes:
            self.nodes.setdefault(node.location, []).append(node)
        self.overflow_of = {place.name: place.overflow_location for place in self.reading.locations}
        self.holds = sorted((hold for hold in commitments.holds if hold.covers(now)), key=lambda hold: hold.id)
        self.claims = {
            memory.node: memory.claim
            for memory in commitments.memories
            if memory.claim is not None and memory.claim.until > now
        }
        self.principals = principal_loads(self.reading)
        self.overflows = overflow_loads(fleet.nodes, [node for node in fleet.nodes if self.is_coming(node)])

    def memory(self, node: Node) -> Memory:
        """What is remembered of a node, which may be nothing."""
        return self.memories.get(node.name) or Memory(node=node.name)

    @property
    def stale(self) -> bool:
        """The newest reading is too old to judge load by."""
        age = self.now - self.reading.read_at
        return bool(self.observation.unreachable) or abs(age) > self.policy.freshness

    @property
    def may_open(self) -> bool:
        """Opening, closing and stopping need fresh news, and are Pexip's own affair in assist mode."""
        return not self.stale and self.policy.mode is not Mode.ASSIST

    @property
    def minimum_lifetime(self) -> timedelta:
        """Ours if set, else Pexip's."""
        return self.policy.lifetime_or(60 * self.reading.settings.bursting_min_lifetime)

    def threshold(self, location: str) -> int:
        """The location's own, else the one of the policy, else Pexip's."""
        everywhere = self.policy.threshold
        default = self.reading.settings.bursting_threshold if everywhere is None else everywhere
        return self.policy.thresholds.get(location, default)

    @property
    def frozen(self) -> str:
        """Why nothing at all may change now, if so."""
        if self.commitments.paused:
            return f"Paused: {self.commitments.paused}"
        if self.policy.mode is Mode.CONTROL and self.reading.settings.bursting_enabled:
            return (
                "Control mode is refused while Pexip's own bursting is enabled: two controllers would fight. "
                "Disable it under Platform > Global settings > Cloud bursting, or use assist mode."
            )
        if self.policy.mode is Mode.ASSIST and not self.reading.settings.bursting_enabled:
            return (
                "Assist mode is refused while Pexip's own bursting is disabled: nobody would stop the nodes. "
                "Enable it under Platform > Global settings > Cloud bursting, or use control mode."
            )
        if self.reading.settings.cloud_provider != "AWS" and self.reading.settings.bursting_enabled:
            return (
                f"Pexip bursts into {self.reading.settings.cloud_provider}, not AWS: Headroom has nothing to do here."
            )
        return "Pexip is being upgraded: everything stays as it is until it is done." if self.reading.upgrading else ""

    def is_coming(self, node: Node) -> bool:
        """Capacity that counts already although it cannot take a call yet."""
        memory = self.memory(node)
        claim = self.claims.get(node.name)
        starting = claim is not None and claim.action is Action.START and memory.wanted is Wanted.OPEN
        match node.state:
            case NodeState.STARTING:
                return memory.given_up_at is None or memory.given_up_at < node.instance.launched_at
            case NodeState.STOPPED:
                return starting
            case NodeState.OPENING:
                return True
            case NodeState.CLOSED:
                return claim is not None and memory.wanted is Wanted.OPEN
            case _:
                return False

    def held_names(self, location: str) -> tuple[str, ...]:
        """The nodes of a location that are held by name."""
        named = {name for hold in self.holds for name in hold.nodes}
        return tuple(node.name for node in self.nodes[location] if node.name in named)

    def held_count(self, location: str) -> tuple[int, Hold | None]:
        """The largest number of nodes that a hold asks for in a location, never more than it has."""
        asking = [(hold.counts[location], hold) for hold in self.holds if location in hold.counts]
        count, hold = max(asking, key=lambda ask: (ask[0], ask[1].id), default=(0, None))
        return min(count, len(self.nodes[location])), hold

    @property
    def needs(self) -> tuple[Need, ...]:
        """What each overflow location must have now: the most that any rule asks for."""
        return tuple(self._need(location) for location in self.overflows)

    def _need(self, location: str) -> Need:
        threshold_hd, threshold_reason = self._threshold_rule(location)
        names = self.held_names(location)
        count, hold = self.held_count(location)
        if count or names:
            held = f"{count} nodes" if count else ", ".join(names)
            reason = hold.reason if hold else next(h.reason for h in self.holds if set(h.nodes) & set(names))
            rule, why = "hold", f"{held} held: {reason}" + (f"; {threshold_reason}" if threshold_hd else "")
        else:
            rule, why = ("threshold", threshold_reason) if threshold_hd else ("none", "nothing asks for capacity")
        return Need(location=location, hd=threshold_hd, nodes=count, names=names, rule=rule, reason=why)

    def _threshold_rule(self, location: str) -> tuple[int, str]:
        """Pexip's own rule: a principal location at its threshold, or calls in the overflow location already."""
        here = self.overflows[location]
        if self.stale:
            return 0, ""
        asking = [
            (load.free, load.location)
            for load in self.principals.values()
            if self.overflow_of.get(load.location) == location and load.free <= self.threshold(load.location)
        ]
        needed = self.threshold(location) + 1
        if asking:
            free, name = min(asking)
            return needed, f"{name} has {free} HD connections free, its threshold is {self.threshold(name)}"
        if here.used:
            return (
                needed,
                f"{location} carries {here.used} HD connections, its threshold is {self.threshold(location)}",
            )
        return 0, ""

    def wanted_more_lately(self, location: str) -> bool:
        """More was needed here a moment ago: closing waits, or a rush would open and close by turns."""
        return any(
            memory.wanted is Wanted.OPEN
            and memory.wanted_at is not None
            and self.now - memory.wanted_at < self.policy.calm_before_closing
            for memory in map(self.memory, self.nodes[location])
        )

    def calm(self, location: str) -> bool:
        """No principal location is near its threshold: what is empty here is not wanted back at once."""
        return not any(
            load.free <= self.threshold(load.location) + self.policy.hysteresis
            for load in self.principals.values()
            if self.overflow_of.get(load.location) == location
        )

    def allowed(self, changes: Iterator[Change]) -> Iterator[Change]:
        """Leave out what the mode, the reading and the limits do not allow."""
        on = sum(node.state in ON or self.is_coming(node) for node in self.fleet.nodes)
        starts = 0
        for change in changes:
            if change.action is Action.START:
                if (self.policy.max_nodes and on >= self.policy.max_nodes) or starts >= self.policy.max_starts_per_plan:
                    continue
                on, starts = on + 1, starts + 1
            elif not self.may_open:
                continue
            yield change


def changes_for(situation: Situation, needs: Sequence[Need]) -> Iterator[Change]:
    """Yield what each overflow location needs changed: more capacity first, less only where none is short."""
    for need in needs:
        yield from _given_up(situation, need)
        more = list(_more(situation, need))
        yield from more
        if not more:
            yield from _less(situation, need)


def _more(situation: Situation, need: Need) -> Iterator[Change]:
    here = situation.nodes[need.location]
    load = situation.overflows[need.location]
    ready = {node.name for node in here if node.state is NodeState.SERVING or situation.is_coming(node)}
    short_hd = need.hd - load.free - load.coming
    short_nodes = need.nodes - len(ready)
    for node in sorted(here, key=lambda node: _preference(situation, node)):
        held = node.name in need.names and node.name not in ready
        action = _how_to_have_more(situation, node)
        if action is None or not (held or short_hd > 0 or short_nodes > 0):
            continue
        yield Change(node=node.name, action=action, reason=_reason(need, load))
        short_hd -= node.room
        short_nodes -= 1


def _reason(need: Need, load: Load) -> str:
    coming = f" and {load.coming} coming" if load.coming else ""
    return f"{need.reason}; {load.free} of {load.hd} HD connections free in {load.location}{coming}"


def _preference(situation: Situation, node: Node) -> tuple[bool, datetime, int, str]:
    """Re-open before starting, the emptiest first as it helps most; start by name, a node that failed lately last."""
    failed_at = situation.memory(node).failed_at
    never = datetime.min.replace(tzinfo=UTC)
    lately = failed_at is not None and situation.now - failed_at < timedelta(hours=1)
    return (
        node.state is NodeState.STOPPED,
        failed_at if lately and failed_at else never,
        -node.room,
        node.name,
    )


def _how_to_have_more(situation: Situation, node: Node) -> Action | None:
    memory = situation.memory(node)
    claim = situation.claims.get(node.name)
    if situation.is_coming(node):
        return None
    if node.state is not NodeState.STOPPED and not situation.may_open:
        return None
    match node.state:
        case NodeState.STOPPED if claim is None and not node.closed_by_others:
            failed = memory.failed_at
            cooling = failed is not None and situation.now - failed < situation.policy.failure_cooldown
            return None if cooling else Action.START
        case NodeState.CLOSED if claim is None or claim.action in {Action.STOP, Action.CLOSE}:
            return Action.OPEN
        case NodeState.SERVING if claim is not None and claim.action in {Action.STOP, Action.CLOSE}:
            return Action.OPEN if memory.wanted is not Wanted.OPEN else None
        case _:
            return None


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


def _less(situation: Situation, need: Need) -> Iterator[Change]:
    yield from _stops(situation, need)
    if not situation.wanted_more_lately(need.location):
        yield from _closes(situation, need)


def _stops(situation: Situation, need: Need) -> Iterator[Change]:
    """A closed node that looks empty goes through `retire_node`, which proves it."""
    for node in situation.nodes[need.location]:
        if (
            node.state is NodeState.CLOSED
            and node.name not in situation.claims
            and node.name not in need.names
            and node.looks_empty
        ):
            yield Change(
                node=node.name,
                action=Action.STOP,
                reason="It is closed and looks empty, and nothing needs it",
            )


def _closes(situation: Situation, need: Need) -> Iterator[Change]:
    """Close the emptiest nodes first, as long as what stays open is enough and a little more."""
    open_nodes = [node for node in situation.nodes[need.location] if node.state is NodeState.SERVING]
    free = sum(node.free for node in open_nodes)
    keep_free = _keep_free(situation, need, max((node.hd for node in open_nodes), default=0))
    left, closed = len(open_nodes), 0
    for node in sorted(open_nodes, key=lambda node: (node.used, node.hd, node.name)):
        surplus = free - node.free
        if (
            surplus < keep_free
            or left <= need.nodes
            or closed >= situation.policy.max_closes_per_plan
            or node.name in need.names
            or node.name in situation.claims
            or situation.now - node.instance.launched_at < situation.minimum_lifetime
        ):
            continue
        free, left, closed = surplus, left - 1, closed + 1
        wanted = f"{need.hd} are needed" if need.hd else "none are needed"
        yield Change(
            node=node.name,
            action=Action.CLOSE,
            reason=f"Without it {surplus} HD connections stay free in {node.location}, {wanted} ({need.reason})",
        )


def _keep_free(situation: Situation, need: Need, a_node: int) -> int:
    """What must stay free when a node closes: near a threshold a node's worth more, as opening takes its time."""
    if not situation.calm(need.location):
        return need.hd + a_node
    return need.hd + situation.policy.hysteresis if need.hd else 0


def issues_of(situation: Situation) -> Iterator[Issue]:
    """Yield what an operator should know, with what to do about it."""
    if situation.observation.unreachable:
        age = (situation.now - situation.reading.read_at).total_seconds() / 60
        yield Issue(
            what=f"No news from Pexip for {age:.0f} min: {situation.observation.unreachable}",
            advice="Headroom holds still meanwhile: nothing is closed or stopped; only promised nodes are started.",
        )
    for problem in situation.reading.problems:
        yield Issue(what=problem, advice="That part of Pexip's answer is left out of this plan.")
    for misfit in situation.fleet.misfits:
        yield Issue(what=misfit.what, advice=misfit.advice)
    if not situation.fleet.nodes:
        yield Issue(
            what="There are no overflow nodes",
            advice="Tag their instances with pexip-cloud = the Management Node's hostname, as Pexip's guide says.",
        )
    for node in situation.fleet.nodes:
        yield from _issues_of_node(node)
        if node.state is NodeState.CLOSED and situation.policy.mode is not Mode.CONTROL:
            yield Issue(
                what=f"{node.name} was closed by Headroom, which does not control it in {situation.policy.mode} mode",
                advice="Open it: run set_open by hand with open = true, or take it out of maintenance mode in Pexip.",
            )


def _issues_of_node(node: Node) -> Iterator[Issue]:
    if node.state is NodeState.LATE:
        yield Issue(
            what=f"{node.name} is on but does not serve",
            advice="It is not counted and not stopped, as Pexip cannot say that it is empty. Look at its console.",
        )
    if node.closed_by_others:
        why = node.worker.maintenance_mode_reason or "no reason given"
        yield Issue(
            what=f"{node.name} is in maintenance mode, but not by Headroom ({why})",
            advice="Headroom leaves it alone. Take it out of maintenance mode to have it counted again.",
        )
    if node.worker.enable_distributed_database:
        yield Issue(
            what=f"{node.name} takes part in the distributed database",
            advice="Turn enable_distributed_database off for overflow nodes, as Pexip's guide says.",
        )


def summary(frozen: str, changes: Sequence[Change], needs: Sequence[Need], situation: Situation) -> str:
    """Say the whole plan in one sentence."""
    if frozen:
        return frozen
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
