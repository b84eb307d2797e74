"""What decides in the model: the shipped planner, safety rules and judgments, each asked once for every case."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from headroom.domain.fleet import reconciling
from headroom.domain.fleet.fleet import Instance, Location, Observation, PexipSettings, Power, Reading, Worker, match_up
from headroom.domain.fleet.fleet import Node as FleetNode
from headroom.domain.fleet.lifecycle import (
    MOST_HUNG,
    Action,
    Claim,
    Commitments,
    Hold,
    Life,
    Memory,
    Pause,
    Progress,
    Wanted,
    judge_start,
)
from headroom.domain.fleet.reconciling import Finding, Found, reconcile
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety import claims, safety
from headroom.domain.safety.safety import Asked, EmptyCheck, Evidence
from headroom_lab.proof.state import (
    ALARM,
    HD,
    LIES,
    LONG_AGO,
    MINUTE,
    NEVER,
    NOW,
    OPEN,
    OURS,
    THEIRS,
    THIS,
    UNSYNCED,
    Flow,
    Look,
    Node,
    State,
    is_heard,
)

POLICY = Policy(
    mode=Mode.CONTROL,
    threshold=5,
    minimum_lifetime=timedelta(seconds=2 * MINUTE),
    boot_limit=timedelta(seconds=3 * MINUTE),
    replication=timedelta(seconds=MINUTE),
    failure_cooldown=timedelta(),
    calm_before_closing=timedelta(),
    forecasting=False,
    boot_drill=timedelta(),
    expected_hd=HD,
)


REASONS = {OPEN: "", OURS: "Headroom: not needed", THEIRS: "repair"}
FIRST_LEASE = int(claims.FIRST_LEASE.total_seconds())
OVERDUE = int(reconciling.OVERDUE.total_seconds())


def _is_fresh(node: Node) -> bool:
    """Say whether a start was claimed, or its claim renewed, so lately that it counts as on its way."""
    return node.action is not None and node.action.starts and node.lease >= FIRST_LEASE


def _as_read(node: Node) -> tuple[object, ...]:
    """Return all that a plan can know of a node: readings show nothing else of how Pexip sees it."""
    return (
        node.on,
        node.stopping,
        node.age,
        is_heard(node),
        node.door,
        node.on and node.sight == ALARM,
        node.sight == UNSYNCED,
        node.tagged,
        node.wanted,
        node.holder > 0,
        node.lease > 0,
        node.lease <= -OVERDUE,
        _is_fresh(node),
        node.action,
        node.rests > 0,
        node.closed is None,
        node.opened,
        node.given_up,
        node.hung,
        node.life,
        node.read_call,
    )


class Planned(NamedTuple):
    """The part of a plan that the model uses: changes and findings by the node's number, and all issues as one text."""

    changes: tuple[tuple[int, Action], ...]
    findings: tuple[tuple[int, Found], ...]
    issues: str


class Shipped:
    """The decisions of one policy; what was asked before is not computed again, as every answer is a pure function."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.lifetime = policy.minimum_lifetime or timedelta()
        self._plans: dict[object, Planned] = {}
        self._nodes: dict[object, int] = {}  # how a node may be, numbered: a plan is known by two such numbers
        self._answers: dict[object, bool] = {}
        self._starts: dict[object, Progress] = {}

    def planned(self, s: State) -> Planned:
        """Return what the shipped planner changes here, what it finds amiss, and its issues; each case is planned once."""
        key = (
            s.rush,
            s.paused,
            s.control,
            s.held,
            s.read_bursting,
            s.read_upgrading,
            s.read_age,
            *[self._nodes.setdefault(_as_read(node), len(self._nodes)) for node in s.nodes],
        )
        if key not in self._plans:
            made, findings = self.make_plan(s)
            index = {node.name: n for n, node in enumerate(s.nodes)}
            self._plans[key] = Planned(
                changes=tuple((index[change.node], change.action) for change in made.changes),
                findings=tuple((index[finding.node], finding.found) for finding in findings),
                issues="; ".join(issue.what for issue in made.issues),
            )
        return self._plans[key]

    def make_plan(self, s: State) -> tuple[Plan, list[Finding]]:
        """Call the shipped planner on what a tick would see."""
        pairs = [self._pair(node, n) for n, node in enumerate(s.nodes)]
        always_on = Worker(
            id=1,
            status_id=1,
            name="always-on",
            address="10.1.0.1",
            location="Oslo",
            boot_time=LONG_AGO,
            sync_status="SYNCED",
            max_hd_calls=80,
            max_media_tokens=80,
            media_tokens_used=80 if s.rush else 20,
        )
        reading = Reading(
            platform="manager",
            read_at=NOW - timedelta(seconds=s.read_age),
            workers=(always_on, *(worker for worker, _ in pairs)),
            locations=(Location(name="Oslo", overflow_location="Cloud"), Location(name="Cloud")),
            settings=PexipSettings(bursting_enabled=s.read_bursting),
            upgrading=s.read_upgrading,
        )
        tagged = (instance for node, (_, instance) in zip(s.nodes, pairs, strict=True) if node.tagged)
        seen = Observation(reading=reading, instances=tuple(tagged))
        commitments = Commitments(
            holds=self._holds(s),
            memories=tuple(self._as_planned(self.memory(node)) for node in s.nodes),
            pause=Pause(reason="a pause") if s.paused else None,
            lives=tuple(self._lives(s)),
        )
        policy = self.policy if s.control else replace(self.policy, mode=Mode.OBSERVE)
        made = plan(seen, commitments, policy, NOW)
        nodes = self._fleet(seen, commitments)
        return made, list(reconcile(nodes, commitments, NOW))

    def _fleet(self, seen: Observation, commitments: Commitments) -> tuple[FleetNode, ...]:
        return match_up(
            seen,
            expected_hd={},
            default_hd=HD,
            boot_limit=self.policy.boot_limit,
            just_opened=commitments.just_opened(self.policy.replication, NOW),
            now=NOW,
        ).nodes

    def _pair(self, node: Node, number: int) -> tuple[Worker, Instance]:
        launched = NOW - timedelta(seconds=node.age) if node.on else LONG_AGO
        power = Power.STOPPING if node.stopping else Power.RUNNING if node.on else Power.STOPPED
        address = f"10.2.0.{number + 1}"
        reason = REASONS[node.door]
        worker = Worker(
            id=10 + number,
            status_id=10 + number,
            name=node.name,
            address=address,
            location="Cloud",
            boot_time=launched if is_heard(node) else LONG_AGO - timedelta(hours=1),
            sync_status="UNSYNCED" if node.sight == UNSYNCED else "SYNCED",
            maintenance_mode=node.door != OPEN,
            maintenance_mode_configured=node.door != OPEN,
            maintenance_mode_reason=reason,
            max_hd_calls=HD,
            max_media_tokens=HD,
            media_tokens_used=int(node.read_call),
            shards=int(node.read_call),
            signaling_count=int(node.read_call),
            alarm="unreachable" if node.on and node.sight == ALARM else "",
        )
        return worker, Instance(id=f"i-{number}", power=power, private_ip=address, launched_at=launched)

    def memory(self, node: Node) -> Memory:
        """What the ledger remembers of a node."""
        launched = NOW - timedelta(seconds=node.age) if node.on else LONG_AGO
        until = NOW + timedelta(seconds=node.lease)
        return Memory(
            node=node.name,
            wanted=node.wanted,
            version=1,
            claim=Claim(token=str(node.holder), action=node.action, until=until)
            if node.holder and node.action
            else None,
            rests_until=NOW + timedelta(seconds=node.rests) if node.rests else None,
            closed_at=None if node.closed is None else NOW - timedelta(seconds=node.closed),
            opened_at=None if node.opened is None else NOW - timedelta(seconds=node.opened),
            given_up_at=NOW if node.given_up else None,
            failed_at=NOW if node.hung else None,
            wanted_at=NOW if _is_fresh(node) else None,
            start_asked_at=launched,
            stop_asked_at=NOW,
            up_at=NOW if is_heard(node) else None,
            hung=MOST_HUNG if node.hung else 0,
            hd=HD,
        )

    @staticmethod
    def _lives(s: State) -> Iterator[Life]:
        """The lifetimes that the ledger holds open."""
        for number, node in enumerate(s.nodes):
            launched = NOW - timedelta(seconds=node.age) if node.on else LONG_AGO
            if node.life:
                began = launched if node.life == THIS else LONG_AGO - timedelta(days=1)
                yield Life(instance=f"i-{number}", node=node.name, launched_at=began)

    @staticmethod
    def _as_planned(memory: Memory) -> Memory:
        """Remove the planner's wait for EC2's figure: the model then explores stops at any time, which covers more."""
        return replace(memory, closed_at=memory.closed_at and LONG_AGO)

    def _holds(self, s: State) -> tuple[Hold, ...]:
        if not s.held:
            return ()
        until = NOW + timedelta(hours=1)
        name = s.nodes[0].name
        return (Hold(id="h", begins=LONG_AGO, ready_by=NOW, until=until, reason="a promise", by="", nodes=(name,)),)

    def may_stop(self, s: State, flow: Flow) -> bool:
        """Ask the shipped rules; each case is asked once."""
        node = s.nodes[flow.node]
        heard = self._network_out(node, flow)
        key = (
            *(
                s.paused,
                s.control,
                s.held and flow.node == 0,
                s.read_bursting,
                s.read_upgrading,
                s.read_age,
                s.plan_age,
            ),
            *(
                node.tagged,
                node.age,
                is_heard(node),
                node.wanted,
                node.holder == flow.token,
                node.lease > 0,
                node.closed,
            ),
            *(node.read_alarm, node.read_call, heard, flow.first, flow.second, flow.answer),
        )
        if key not in self._answers:
            self._answers[key] = safety.may_stop(self.evidence(s, flow)).allowed
        return self._answers[key]

    def evidence(self, s: State, flow: Flow) -> Evidence:
        """What the stop function gathers."""
        node = s.nodes[flow.node]
        memory = self.memory(node)
        return Evidence(
            now=NOW,
            mode=Mode.CONTROL if s.control else Mode.OBSERVE,
            stack="",
            other_stacks=(),
            paused="a pause" if s.paused else "",
            upgrading=s.read_upgrading,
            conflict="two controllers" if s.read_bursting else "",
            switched_by_others=(),
            tagged=node.tagged,
            addresses=frozenset({""}),
            launched_at=NOW - timedelta(seconds=node.age),
            minimum_lifetime=self.lifetime,
            replication=self.policy.replication,
            token=str(flow.token),
            claim=memory.claim,
            wanted=node.wanted,
            planned_at=NOW - timedelta(seconds=s.plan_age),
            promises_unread="",
            holds=self._holds(s) if flow.node == 0 else (),
            closed_at=memory.closed_at,
            checks=tuple(self._as_check(look, node.age) for look in (flow.first, flow.second) if look),
            asked=Asked(at=NOW, closed=flow.answer != OPEN, reason=REASONS[flow.answer], clock_off=0.0)
            if flow.answer
            else None,
            alarm="unreachable" if node.read_alarm else "",
            reading_shows="conferences: 1" if node.read_call else "",
            reading_says_open=False,  # a door here has no configuration that is ahead of its status
            reading_age=timedelta(seconds=s.read_age),
            network_out=self._network_out(node, flow),
            idle_out=self.policy.idle_out,
            boot_limit=self.policy.boot_limit,
            started_by_us=True,  # the harder case
            heard_since=is_heard(node),
            sent_since=(self._network_out(node, flow),) * safety.QUIET_PERIODS,
        )

    @staticmethod
    def _network_out(node: Node, flow: Flow) -> float:
        """Return EC2's NetworkOut figure: it shows a call that Pexip's status hides, and no other."""
        lied = node.sight in {LIES, NEVER} or any(look and look.lied for look in (flow.first, flow.second))
        return 2e7 if lied and node.call else 0.0

    @staticmethod
    def _as_check(look: Look, age: int) -> EmptyCheck:
        return EmptyCheck(
            at=NOW - timedelta(seconds=look.age),
            complete=look.complete,
            listed=look.complete,
            synced=look.synced,
            boot_time=NOW - timedelta(seconds=age) if look.same_boot and look.up else LONG_AGO - timedelta(days=1),
            closed=look.door != OPEN,
            closed_reason=REASONS[look.door],
            configured_closed=look.door != OPEN,
            configured_reason=REASONS[look.door],
            shards=int(not look.empty),
            media=0,
            signalling=0,
            proxied=0,
            backplanes=0,
            signaling_count=0,
            alarm="unreachable" if look.alarm else "",
            clock_off=float(look.off),
        )

    def progress(self, s: State, flow: Flow) -> Progress:
        """Judge how far a start has come."""
        node = s.nodes[flow.node]
        key = (node.on, node.stopping, node.up, node.age, node.door, node.sight, node.wanted, flow.asked)
        if key not in self._starts:
            worker, instance = self._pair(node, flow.node)
            self._starts[key] = judge_start(
                worker,
                instance,
                asked_at=NOW - timedelta(seconds=flow.asked),
                boot_limit=self.policy.boot_limit,
                now=NOW,
                reserve=node.wanted is Wanted.CLOSED,
            ).progress
        return self._starts[key]
