"""A node's life between plans: holds, claims, what is wanted of it, whether a start succeeded, its lifetimes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from headroom.domain.fleet import (
    CLOCK_SKEW,
    OURS,
    Instance,
    Node,
    NodeState,
    Power,
    Worker,
    has_booted,
    needs_its_address,
)


class Wanted(StrEnum):
    """What the newest plan wants a node to be."""

    OPEN = "open"
    CLOSED = "closed"
    OFF = "off"


class Action(StrEnum):
    """What a plan has done to a node."""

    START = "start"
    RESERVE = "reserve"  # start it, so that it comes up closed: opened when it is needed, stopped if it never was
    OPEN = "open"
    CLOSE = "close"
    STOP = "stop"

    @property
    def wanted(self) -> Wanted:
        """What the node is to become."""
        return {
            Action.START: Wanted.OPEN,
            Action.RESERVE: Wanted.CLOSED,
            Action.OPEN: Wanted.OPEN,
            Action.CLOSE: Wanted.CLOSED,
            Action.STOP: Wanted.OFF,
        }[self]

    @property
    def starts(self) -> bool:
        """Whether it starts a node."""
        return self in {Action.START, Action.RESERVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right of one workflow to change one node, until its lease ends; `token` fences off older claims."""

    token: str
    action: Action
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What Headroom remembers of one node; `version` grows with every change of what is wanted."""

    node: str
    wanted: Wanted | None = None
    version: int = 0
    wanted_at: datetime | None = None  # when that changed last
    reason: str = ""
    claim: Claim | None = None
    closed_at: datetime | None = None  # since when Headroom has it closed
    opened_at: datetime | None = None  # when Headroom last opened it
    failed_at: datetime | None = None  # when its last start failed
    given_up_at: datetime | None = None  # when a start that may still come up was given up
    start_asked_at: datetime | None = None  # when Headroom last asked to start its instance
    stop_asked_at: datetime | None = None  # and to stop it
    lifetime: datetime | None = None  # the launch time of the lifetime that is open
    hd: int | None = None  # HD connections it offered when it last served
    boots: tuple[
        float | None, ...
    ] = ()  # its last starts: seconds from command to serving, None if it did not serve in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A promise of capacity until a time: of the named nodes, or of a number of nodes by location."""

    id: str
    begins: datetime  # when starting may begin
    ready_by: datetime
    until: datetime
    reason: str
    by: str
    nodes: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    execution: str = ""  # of the workflow that promised it, and that watches it

    def covers(self, moment: datetime) -> bool:
        """Say whether capacity is promised at that moment."""
        return self.begins <= moment < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitments:
    """What Headroom has promised and begun."""

    holds: tuple[Hold, ...] = ()
    memories: tuple[Memory, ...] = ()
    paused: str = ""  # why everything is held still, if it is

    def memory(self, node: str) -> Memory:
        """Return what is remembered of a node, which may be nothing."""
        return next((memory for memory in self.memories if memory.node == node), Memory(node=node))

    def just_opened(self, replication: timedelta, now: datetime) -> frozenset[str]:
        """Name the nodes that Headroom opened so lately that not every node need know of it."""
        return frozenset(
            memory.node for memory in self.memories if memory.opened_at and now - memory.opened_at < replication
        )

    def holds_on(self, node: str, location: str, serving: int) -> tuple[Hold, ...]:
        """Return the holds that need this node: by name, or because only `serving` others are there for its count."""
        return tuple(hold for hold in self.holds if node in hold.nodes or hold.counts.get(location, 0) > serving)


class Progress(StrEnum):
    """How far a start has come."""

    BOOTING = "booting"
    WRONG_ADDRESS = "wrong address"
    CLOSED = "closed"
    IN_RESERVE = "in reserve"
    SERVING = "serving"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far a start has come, and the reason in an operator's words."""

    progress: Progress
    reason: str


def judge_start(
    worker: Worker,
    instance: Instance,
    *,
    asked_at: datetime,
    boot_limit: timedelta,
    now: datetime,
    reserve: bool = False,
) -> Verdict:
    """Say how far a start has come; a node that does not serve in time has failed.

    `asked_at` is when the start command was given: until EC2 shows a later launch, it is still on its way. A `reserve`
    has come far enough when it is up and closed.
    """
    waited = now - asked_at
    minutes = f"{waited.total_seconds() / 60:.0f} min"
    match instance.power:
        case Power.STOPPED | Power.STOPPING if waited > timedelta(seconds=30):
            why = instance.state_reason or "EC2 gives no reason"
            return Verdict(progress=Progress.FAILED, reason=f"It fell back to {instance.power}: {why}")
        case Power.SHUTTING_DOWN | Power.TERMINATED:
            return Verdict(progress=Progress.FAILED, reason="Its instance was terminated")
        case Power.RUNNING if has_booted(worker, instance.launched_at):
            return _judge_booted(worker, instance, reserve=reserve)
        case _ if waited > boot_limit:
            missing = _missing(worker, instance)
            return Verdict(progress=Progress.FAILED, reason=f"It did not serve within {minutes}: {missing}")
        case _ if not reserve and _may_open_while_it_boots(worker, instance):
            return Verdict(progress=Progress.CLOSED, reason="It was to come up closed, and is needed already")
        case _:
            return Verdict(progress=Progress.BOOTING, reason=_missing(worker, instance))


def _may_open_while_it_boots(worker: Worker, instance: Instance) -> bool:
    """Headroom has it closed, and not because its new public address may have to be corrected first."""
    ours = worker.maintenance_mode_configured and worker.maintenance_mode_reason.startswith(OURS)
    return ours and worker.static_nat_address in {None, "", instance.public_ip}


def _judge_booted(worker: Worker, instance: Instance, *, reserve: bool) -> Verdict:
    if worker.upgrading:
        return Verdict(progress=Progress.BOOTING, reason=f"Pexip upgrades it ({worker.upgrade_status})")
    if needs_its_address(worker, instance):
        return Verdict(
            progress=Progress.WRONG_ADDRESS,
            reason=f"Its public address is now {instance.public_ip}, Pexip still says {worker.static_nat_address}",
        )
    if worker.maintenance_mode_configured and reserve:
        hd = worker.max_hd_calls
        return Verdict(progress=Progress.IN_RESERVE, reason=f"It is up with {hd} HD connections, closed as a reserve")
    if worker.maintenance_mode_configured:
        return Verdict(progress=Progress.CLOSED, reason="It has booted and is still in maintenance mode")
    if worker.maintenance_mode:
        return Verdict(progress=Progress.BOOTING, reason="It leaves maintenance mode")
    return Verdict(progress=Progress.SERVING, reason=f"It serves {worker.max_hd_calls} HD connections")


def _missing(worker: Worker, instance: Instance) -> str:
    if instance.power is not Power.RUNNING:
        return f"EC2 says {instance.power}"
    if worker.boot_time is None or worker.boot_time < instance.launched_at - CLOCK_SKEW:
        return "Pexip has not heard from it since it was switched on"
    if worker.alarm:
        return f"Pexip cannot reach it ({worker.alarm})"
    if worker.sync_status not in {None, "", "SYNCED"}:
        return f"It is not in step with the Management Node ({worker.sync_status})"
    return "Pexip does not know its capacity yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeFound:
    """A power-on that the ledger does not know yet."""

    node: str
    launched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeEnded:
    """A lifetime that the ledger holds open although its instance is off."""

    node: str
    launched_at: datetime


def reconcile_lifetimes(nodes: Sequence[Node], commitments: Commitments) -> list[LifetimeFound | LifetimeEnded]:
    """Compare EC2 with the ledger: whoever switched a node on or off, its lifetimes shall be right.

    A node that is not among them has no instance any more.
    """
    there = {node.name for node in nodes}
    found: list[LifetimeFound | LifetimeEnded] = [
        LifetimeEnded(node=memory.node, launched_at=memory.lifetime)
        for memory in commitments.memories
        if memory.lifetime and memory.node not in there
    ]
    for node in nodes:
        open_lifetime = commitments.memory(node.name).lifetime
        is_on = node.instance.power in {Power.PENDING, Power.RUNNING}
        if open_lifetime and (
            (not is_on and node.state is not NodeState.STOPPING)
            or (is_on and open_lifetime != node.instance.launched_at)
        ):
            found.append(LifetimeEnded(node=node.name, launched_at=open_lifetime))
        if is_on and open_lifetime != node.instance.launched_at:
            found.append(LifetimeFound(node=node.name, launched_at=node.instance.launched_at))
    return found
