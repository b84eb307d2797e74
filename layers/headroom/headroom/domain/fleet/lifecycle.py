"""A node's life between plans: holds, claims, what is wanted of it, whether a start succeeded, its lifetimes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from headroom.domain.demand.forecasting import Booking
from headroom.domain.fleet.fleet import (
    CLOCK_SKEW,
    Instance,
    Power,
    Worker,
    has_booted,
    is_in_step,
    is_up_since,
    needs_its_address,
)

OURS_FOR = timedelta(minutes=10)  # a state change this soon after Headroom's request counts as Headroom's own
BOOTS_KEPT = 20  # of a node's last starts, from which the next one is estimated
MOST_HUNG = 3  # starts in a row that hung: then it is a person's
SCHEDULE = "the schedule"  # `by` of what a schedule asks for
BY_HAND = "by hand"  # `by` of a request that names nobody
SWITCHED_LATELY = timedelta(hours=1)
SEVERAL = 2  # nodes that somebody else starts and stops: one may be a person's test, two are another controller


class Wanted(StrEnum):
    """What the newest plan wants a node to be."""

    OPEN = "open"
    CLOSED = "closed"
    OFF = "off"


class Action(StrEnum):
    """What a plan can change about a node."""

    START = "start"
    START_CLOSED = "reserve"  # it comes up closed, as a reserve: opened when it is needed, stopped if it never was
    OPEN = "open"
    CLOSE = "close"
    STOP = "stop"

    @property
    def wanted(self) -> Wanted:
        """What the node is to become."""
        return {
            Action.START: Wanted.OPEN,
            Action.START_CLOSED: Wanted.CLOSED,
            Action.OPEN: Wanted.OPEN,
            Action.CLOSE: Wanted.CLOSED,
            Action.STOP: Wanted.OFF,
        }[self]

    @property
    def starts(self) -> bool:
        """Whether it starts a node."""
        return self in {Action.START, Action.START_CLOSED}

    @property
    def takes_away(self) -> bool:
        """Whether it takes capacity away, or starts a node closed."""
        return self in {Action.START_CLOSED, Action.CLOSE, Action.STOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right of one workflow to change one node, until its lease ends; `token` fences off older claims."""

    token: str
    action: Action
    until: datetime

    def runs(self, now: datetime) -> bool:
        """Say whether its lease still runs."""
        return self.until > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What Headroom remembers of one node; `version` grows with every change of what is wanted."""

    node: str
    wanted: Wanted | None = None
    version: int = 0
    wanted_at: datetime | None = None  # when that changed last
    reason: str = ""
    claim: Claim | None = None
    rests_until: datetime | None = None  # until then its workflow only waits; an opening one may take its claim
    closed_at: datetime | None = None  # since when Headroom has it closed
    opened_at: datetime | None = None  # when Headroom last opened it
    failed_at: datetime | None = None  # when its last start failed
    failed_why: str = ""  # and why
    given_up_at: datetime | None = None  # when a start that may still come up was given up
    start_asked_at: datetime | None = None  # when Headroom last asked to start its instance
    start_due_at: datetime | None = None  # its turn to ask, or when it asked; gone once EC2 has refused
    stop_asked_at: datetime | None = None  # and to stop it
    stopped_at: datetime | None = None  # when it last stopped, no matter who stopped it
    # Start of the current run of refused stops, which any other outcome ends, and the last of their reasons
    refused_since: datetime | None = None
    refused_why: str = ""
    lifetime: datetime | None = None  # the launch time of the lifetime that is open, as version 0.1 kept it: see Life
    switched_by_others_at: datetime | None = None  # when somebody else last started or stopped its instance
    up_at: datetime | None = None  # when a reading first showed that it had come up since its last launch
    hung: int = 0  # its last starts in a row after which Pexip never heard from it
    hung_why: str = ""  # what EC2 said of the last of them
    hd: int | None = None  # HD connections it offered when it last served
    # Its last starts: seconds from command to serving, None if it did not serve in time
    boots: tuple[float | None, ...] = ()
    started_at: tuple[datetime, ...] = ()  # when the newest of them were asked for

    @property
    def is_doubtful(self) -> bool:
        """Whether its last start failed, and no reading has shown it up since."""
        return self.failed_at is not None and (self.up_at is None or self.up_at < self.failed_at)

    def is_at_work(self, now: datetime) -> bool:
        """Say whether a workflow has the claim, by its lease."""
        return self.claim is not None and self.claim.runs(now)

    def is_relieved_by(self, action: Action, now: datetime) -> bool:
        """Say whether an opening workflow may take over the claim of a closing or stopping one that only waits."""
        return (
            action is Action.OPEN
            and self.claim is not None
            and self.claim.action in {Action.CLOSE, Action.STOP}
            and self.rests_until is not None
            and self.rests_until > now
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A lifetime that is open: it belongs to the instance. `node` is what that node was called when it began.

    A node may get another name, or another node its name, while it is on. `instance` is empty in what version 0.1 kept.
    """

    instance: str
    node: str
    launched_at: datetime

    def is_of(self, instance: Instance, node: str) -> bool:
        """Say whether it belongs to this instance, whose node is called so now."""
        return self.instance == instance.id or (not self.instance and self.node == node)


def many(count: int) -> str:
    """Write a number of nodes."""
    return f"{count} node" if count == 1 else f"{count} nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A promise of capacity until a time: of the named nodes, or of a number of nodes by location.

    Or an event that a person announces (`expected`): so many HD connections more than usual from `ready_by` on, by principal
    location. It holds no node; the forecast counts it. Or nodes that a person has taken `out`: they are closed, emptied and
    stopped, and stay off until they are put back.
    """

    id: str
    begins: datetime  # when starting may begin
    ready_by: datetime
    until: datetime
    reason: str
    by: str
    nodes: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    execution: str = ""  # of the workflow that promised it, and that watches it
    expected: dict[str, int] = field(default_factory=dict)
    out: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """What is promised: nodes by name, or a number of nodes per location; or what is expected."""
        if self.out:
            return f"{', '.join(self.out)} taken out"
        if self.expected:
            return ", ".join(f"{hd} HD connections more in {place}" for place, hd in self.expected.items())
        return ", ".join(self.nodes) or ", ".join(f"{many(count)} in {place}" for place, count in self.counts.items())

    def covers(self, moment: datetime) -> bool:
        """Say whether capacity is promised at that moment."""
        return self.begins <= moment and not self.is_over(moment)

    def is_over(self, moment: datetime) -> bool:
        """Say whether its time has passed."""
        return moment >= self.until


class Pausing(StrEnum):
    """How much a pause forbids. With each kind, Headroom first opens the nodes that it has closed."""

    EVERYTHING = "everything"
    STOPS_ONLY = "stops only"  # nodes are started and opened as before
    HANDING_BACK = "handing back"  # everything; stopped nodes are opened, too, so that their next start takes calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause: its reason, who asked for it, since when, what it forbids, and when it ends by itself, if it does."""

    reason: str
    by: str = ""
    since: datetime | None = None
    holding: Pausing = Pausing.EVERYTHING
    until: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Say whether it has ended by itself."""
        return self.until is not None and now >= self.until

    @property
    def still_starts(self) -> bool:
        """Whether nodes are started and opened as before."""
        return self.holding is Pausing.STOPS_ONLY

    def forbids(self, action: Action) -> bool:
        """Say whether the pause forbids an action; it never forbids opening a node that Headroom closed."""
        return action is not Action.OPEN and not (action is Action.START and self.still_starts)


class Record(StrEnum):
    """What kind of record it is that cannot be read."""

    NODE = "node"
    PROMISE = "promise"
    LIFETIME = "lifetime"
    PLAN = "newest plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A record that this version of Headroom cannot read: a newer one wrote it, or it was restored or written by hand."""

    what: Record
    name: str  # empty where no record of its kind can be read
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitments:
    """What Headroom has promised and begun, as far as its records can be read."""

    holds: tuple[Hold, ...] = ()
    memories: tuple[Memory, ...] = ()
    pause: Pause | None = None
    lives: tuple[Life, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def unread_nodes(self) -> frozenset[str]:
        """The nodes whose memory cannot be read: each is left as it is until its record is written anew."""
        return frozenset(each.name for each in self.unread if each.what is Record.NODE)

    @property
    def knows_lives(self) -> bool:
        """Whether the open lifetimes could be read, but for single ones."""
        return not any(each.what is Record.LIFETIME and not each.name for each in self.unread)

    @property
    def unread_promises(self) -> tuple[str, ...]:
        """The promises that cannot be read: any node may be one of theirs."""
        return tuple(each.name or "all of them" for each in self.unread if each.what is Record.PROMISE)

    @property
    def all_lives(self) -> tuple[Life, ...]:
        """Every open lifetime, those that version 0.1 kept with its memory of a node included."""
        known = {(life.node, life.launched_at) for life in self.lives}
        return self.lives + tuple(
            Life(instance="", node=memory.node, launched_at=memory.lifetime)
            for memory in self.memories
            if memory.lifetime and (memory.node, memory.lifetime) not in known
        )

    def memory(self, node: str) -> Memory:
        """Return what is remembered of a node, which may be nothing."""
        return next((memory for memory in self.memories if memory.node == node), Memory(node=node))

    def just_opened(self, replication: timedelta, now: datetime) -> frozenset[str]:
        """Return the nodes that Headroom opened so lately that other nodes may not know of it yet."""
        return frozenset(
            memory.node for memory in self.memories if memory.opened_at and now - memory.opened_at < replication
        )

    def switched_by_others(self, now: datetime) -> tuple[str, ...]:
        """Return the nodes that somebody else switched within the last hour; empty if they are fewer than `SEVERAL`."""
        lately = tuple(
            memory.node
            for memory in self.memories
            if memory.switched_by_others_at and now - memory.switched_by_others_at < SWITCHED_LATELY
        )
        return lately if len(lately) >= SEVERAL else ()

    @property
    def promises(self) -> tuple[Hold, ...]:
        """The holds that promise nodes."""
        return tuple(hold for hold in self.holds if not (hold.expected or hold.out))

    def taken_out(self) -> dict[str, Hold]:
        """Return the nodes that people have taken out, with what says so."""
        return {name: hold for hold in sorted(self.holds, key=lambda hold: hold.id) for name in hold.out}

    @property
    def said(self) -> tuple[Booking, ...]:
        """What people have said will come."""
        return tuple(
            Booking(begins=hold.ready_by, ends=hold.until, hd=hd, location=place, said_by=f"{hold.by} ({hold.reason})")
            for hold in self.holds
            for place, hd in hold.expected.items()
        )

    def holds_on(self, node: str, location: str, serving: int) -> tuple[Hold, ...]:
        """Return the holds that need this node: by name, or because only `serving` others are there for its count."""
        return tuple(hold for hold in self.holds if node in hold.nodes or hold.counts.get(location, 0) > serving)


def is_started_by_headroom(instance: Instance, memory: Memory) -> bool:
    """Say whether Headroom asked for this launch; a start that it asked of an instance that was on is none."""
    asked = memory.start_asked_at
    return asked is not None and -CLOCK_SKEW <= instance.launched_at - asked < OURS_FOR


def is_heard(worker: Worker, instance: Instance, memory: Memory) -> bool:
    """Say whether this reading, or one before, has shown the node up since its launch."""
    was_up = memory.up_at is not None and memory.up_at >= instance.launched_at
    return was_up or is_up_since(worker.boot_time, instance.launched_at)


def was_ours(asked_at: datetime | None, at: datetime) -> bool:
    """Say whether a change of an instance's state is what Headroom had asked for."""
    return asked_at is not None and at - asked_at < OURS_FOR


class Progress(StrEnum):
    """How far a start has come."""

    BOOTING = "booting"
    WRONG_ADDRESS = "wrong address"
    CLOSED = "closed"
    IN_RESERVE = "in reserve"
    SERVING = "serving"
    FAILED = "failed"
    UNWANTED = "unwanted"  # the newest plan wants the node off


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
            return Verdict(progress=Progress.FAILED, reason=f"It went back to {instance.power}: {why}")
        case Power.SHUTTING_DOWN | Power.TERMINATED:
            return Verdict(progress=Progress.FAILED, reason="Its instance was terminated")
        case Power.RUNNING if has_booted(worker, instance.launched_at):
            return _judge_booted(worker, instance, reserve=reserve)
        case _ if waited > boot_limit:
            missing = _missing(worker, instance)
            return Verdict(progress=Progress.FAILED, reason=f"It did not serve within {minutes}: {missing}")
        case _ if not reserve and _may_open_while_it_boots(worker, instance):
            return Verdict(progress=Progress.CLOSED, reason="It was to come up closed, but is needed now")
        case _:
            return Verdict(progress=Progress.BOOTING, reason=_missing(worker, instance))


def _may_open_while_it_boots(worker: Worker, instance: Instance) -> bool:
    """Say whether Headroom closed the node, and its address need not be corrected before it is opened."""
    return worker.closed_by_us and worker.static_nat_address in {None, "", instance.public_ip}


def _judge_booted(worker: Worker, instance: Instance, *, reserve: bool) -> Verdict:
    if worker.upgrading:
        return Verdict(progress=Progress.BOOTING, reason=f"Pexip is upgrading it ({worker.upgrade_status})")
    if needs_its_address(worker, instance):
        return Verdict(
            progress=Progress.WRONG_ADDRESS,
            reason=f"Its public address is {instance.public_ip}, but Pexip has {worker.static_nat_address}",
        )
    if worker.maintenance_mode_configured and reserve:
        hd = worker.max_hd_calls
        return Verdict(progress=Progress.IN_RESERVE, reason=f"It is up with {hd} HD connections, closed as a reserve")
    if worker.maintenance_mode_configured:
        return Verdict(progress=Progress.CLOSED, reason="It has booted and is still in maintenance mode")
    if worker.maintenance_mode:
        return Verdict(progress=Progress.BOOTING, reason="It is leaving maintenance mode")
    return Verdict(progress=Progress.SERVING, reason=f"It serves {worker.max_hd_calls} HD connections")


def _missing(worker: Worker, instance: Instance) -> str:
    if instance.power is not Power.RUNNING:
        return f"Its instance is {instance.power}"
    if not is_up_since(worker.boot_time, instance.launched_at):
        return "Pexip has not heard from it since it was started"
    if worker.alarm:
        return f"Pexip cannot reach it ({worker.alarm})"
    if not is_in_step(worker.sync_status):
        return f"It is not in sync with the Management Node ({worker.sync_status})"
    return "Pexip does not know its capacity yet"
