"""What is there: Pexip's locations and Conferencing Nodes, EC2's instances, and how the two fit together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from math import ceil

from headroom.domain.demand.forecasting import Booking, Outlook
from headroom.domain.demand.lately import Demand
from headroom.domain.fleet.finding import Finding
from headroom.domain.fleet.home import Home
from headroom.domain.fleet.signature import BEING_CHANGED, is_being_provisioned, is_ours, signer
from headroom.domain.texts import REASON, line, listed

CLOCK_SKEW = timedelta(seconds=60)  # how far EC2's launch time and the node's boot_time may disagree
# With its stack; after a rollback version 0.1 still takes it for its own


class Source(StrEnum):
    """The systems that Headroom reads."""

    PEXIP = "Pexip"
    EC2 = "EC2"


class Power(StrEnum):
    """An instance's state, in EC2's words."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An EC2 instance that carries the `pexip-cloud` tag; `launched_at` is its newest power-on."""

    id: str
    power: Power
    private_ip: str | None
    launched_at: datetime
    tag: str = ""  # what its pexip-cloud tag says
    name: str = ""
    public_ip: str | None = None
    elastic: bool = False
    zone: str = ""
    type: str = ""
    state_reason: str = ""
    more_addresses: tuple[str, ...] = ()  # private ones of its interfaces, IPv4 and IPv6, beside `private_ip`

    @property
    def addresses(self) -> frozenset[str]:
        """All its private addresses; Pexip may know the node by any of them."""
        return frozenset(map(canonical, (self.private_ip or "", *self.more_addresses))) - {""}


def canonical(address: str) -> str:
    """Write an address in its usual form, as the same IPv6 address may be written in several."""
    if ":" not in address:
        return address
    try:
        return str(ip_address(address))
    except ValueError:
        return address


def is_in_step(sync_status: str | None) -> bool:
    """Say whether a node is in sync with the Management Node; without a sync_status it counts as in sync."""
    return sync_status in {None, "", "SYNCED"}


def is_upgrading(upgrade_status: str | None) -> bool:
    """Say whether Pexip is changing a node's software."""
    return upgrade_status not in {None, "", "IDLE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A Conferencing Node as Pexip's worker_vm resources show it; None is what Pexip did not say.

    `id` is its key under configuration, `status_id` under status; they need not be the same.
    `max_hd_calls` and the media tokens are HD connections and tokens, `media_load` is percent. `shards` counts the
    conferences on the node. `alarm` is the text of a connectivity alarm for it, empty if there is none. `contacted_at` is
    when the Management Node last heard of it, or tried to; `updated_at` its `last_updated`, whatever that means in its version.
    """

    id: int
    status_id: int
    name: str
    address: str
    location: str
    node_type: str = "CONFERENCING"
    boot_time: datetime | None = None
    sync_status: str | None = None
    upgrade_status: str | None = None
    maintenance_mode: bool = False
    maintenance_mode_configured: bool = False
    maintenance_mode_reason: str = ""
    static_nat_address: str | None = None
    enable_distributed_database: bool = False
    max_hd_calls: int | None = None
    media_load: float | None = None
    max_media_tokens: int | None = None
    media_tokens_used: int | None = None
    signaling_count: int = 0
    shards: int = 0
    alarm: str = ""
    contacted_at: datetime | None = None
    updated_at: datetime | None = None
    out_of_step_since: datetime | None = None  # of readings without a break; None if the one before had not seen it
    read_by: str = ""  # the stack that read it
    version: str = ""  # of its software, as Pexip writes it: 37 (80989.0.0)

    @property
    def closed(self) -> bool:
        """In maintenance mode, or about to be."""
        return self.maintenance_mode or self.maintenance_mode_configured

    @property
    def closed_by_us(self) -> bool:
        """Whether Headroom put it in maintenance mode, by its configuration."""
        return self.maintenance_mode_configured and is_ours(self.maintenance_mode_reason, self.read_by)

    @property
    def is_being_changed(self) -> bool:
        """Whether Headroom has created it, or is converting it, and it may be no overflow node yet, or no longer."""
        return self.closed_by_us and self.maintenance_mode_reason.endswith(BEING_CHANGED)

    @property
    def is_being_provisioned(self) -> bool:
        """Whether Headroom has created it, and it is not whole yet."""
        return self.maintenance_mode_configured and is_being_provisioned(self.maintenance_mode_reason, self.read_by)

    @property
    def closed_by_stack(self) -> str:
        """The other stack of Headroom that put it in maintenance mode; empty if none did."""
        by = signer(self.maintenance_mode_reason)
        return by if self.closed and by != self.read_by else ""

    @property
    def proxies(self) -> bool:
        """A Proxying Edge Node; a Transcoding Conferencing Node never proxies."""
        return self.node_type != "CONFERENCING"

    @property
    def carries(self) -> str:
        """What a reading shows on it, in words; empty if nothing."""
        counts = {"conferences": self.shards, "calls with their signalling there": self.signaling_count}
        return ", ".join(f"{what}: {count}" for what, count in counts.items() if count)

    @property
    def upgrading(self) -> bool:
        """Pexip is changing its software."""
        return is_upgrading(self.upgrade_status)

    @property
    def used_hd(self) -> int | None:
        """HD connections in use, rounded up; by tokens where Pexip gives them, as they are the finer measure."""
        if not self.max_hd_calls:
            return None
        if self.max_media_tokens and self.media_tokens_used is not None:
            return min(self.max_hd_calls, ceil(self.media_tokens_used * self.max_hd_calls / self.max_media_tokens))
        if self.media_load is None or self.maintenance_mode:  # a closed node reports 100 % whatever it carries
            return None
        return min(self.max_hd_calls, ceil(self.max_hd_calls * self.media_load / 100))


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A system location and its primary overflow location."""

    name: str
    overflow_location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PexipSettings:
    """Pexip's own bursting settings: HD connections, minutes."""

    bursting_enabled: bool = False
    bursting_threshold: int = 5
    bursting_min_lifetime: int = 50
    cloud_provider: str = "AWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the Management Node said at one moment; `problems` lists what could not be read.

    `clock_off` is the seconds by which its clock was ahead of ours, None if its answers did not say.
    """

    platform: str
    read_at: datetime
    workers: tuple[Worker, ...] = ()
    locations: tuple[Location, ...] = ()
    settings: PexipSettings = PexipSettings()
    upgrading: bool = False
    problems: tuple[str, ...] = ()
    clock_off: float | None = None
    version: str = ""  # of the Management Node
    untold: tuple[str, ...] = ()  # what Pexip does not tell of its settings and of an upgrade, by its names


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One reading of Pexip, the instances in EC2, and what is known of the past and coming load."""

    reading: Reading
    instances: tuple[Instance, ...]
    unreachable: str = ""  # why the newest reading failed, if it did; `reading` is then the last good one
    silent: Source = Source.PEXIP  # which source could not be read, if one
    trail: tuple[Demand, ...] = ()  # the recent load, the oldest first: the last plan's `trail`
    homes: tuple[Home, ...] = ()  # what was there for it: the last plan's `homes`
    outlooks: tuple[Outlook, ...] = ()  # what past days did around now, by principal location
    bookings: tuple[Booking, ...] = ()  # meetings that are near
    findings: tuple[Finding, ...] = ()  # what the doctor found last night


class NodeState(StrEnum):
    """The state of an overflow node, in an operator's words."""

    STOPPED = "stopped"
    STARTING = "starting"
    LATE = "late"
    SERVING = "serving"
    OPENING = "opening"
    CLOSED = "closed"
    CLOSED_BY_OTHERS = "closed by others"
    UPGRADING = "upgrading"
    STOPPING = "stopping"
    GONE = "gone"


ON = frozenset(NodeState) - {NodeState.STOPPED, NodeState.STOPPING, NodeState.GONE}


def boots_closed(worker: Worker, instance: Instance) -> bool:
    """Say whether a stopped node must stay closed until it is up, because its public address may change."""
    return bool(worker.static_nat_address) and not instance.public_ip


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An overflow node: the Conferencing Node and the instance it runs on."""

    worker: Worker
    instance: Instance
    state: NodeState
    hd: int  # HD connections it offers, or is expected to offer

    @property
    def name(self) -> str:
        """Pexip's name for it."""
        return self.worker.name

    @property
    def location(self) -> str:
        """The overflow location it belongs to."""
        return self.worker.location

    @property
    def closed_by_us(self) -> bool:
        """In maintenance mode, on or off, by Headroom."""
        return self.worker.closed_by_us

    @property
    def closed_by_others(self) -> bool:
        """In maintenance mode, on or off, by a person, an upgrade or its own check."""
        closed_while_off = self.state is NodeState.STOPPED and self.worker.maintenance_mode_configured
        return self.state is NodeState.CLOSED_BY_OTHERS or (closed_while_off and not self.closed_by_us)

    @property
    def used(self) -> int:
        """HD connections in use on it. A node that reports no load counts as full, unless it is closed and looks empty."""
        used = self.worker.used_hd
        if used is None:
            return 0 if self.worker.closed and self.looks_empty else self.hd
        return used

    @property
    def free(self) -> int:
        """HD connections that can take a call now: only a serving node has any."""
        return max(0, self.hd - self.used) if self.state is NodeState.SERVING else 0

    @property
    def room(self) -> int:
        """HD connections it would have free if it were open: all of a stopped node's."""
        carries = self.state in {NodeState.SERVING, NodeState.OPENING, NodeState.CLOSED}
        return max(0, self.hd - self.used) if carries else self.hd

    @property
    def looks_empty(self) -> bool:
        """No conference and no signalling on it, by this reading; a reason to look closer, never to stop."""
        return self.worker.shards == 0 and self.worker.signaling_count == 0


def other_stacks(reading: Reading) -> tuple[str, ...]:
    """Return the other stacks of Headroom that have closed nodes of this platform, by their reasons."""
    return tuple(sorted({worker.closed_by_stack for worker in reading.workers} - {""}))


def alive(instances: Iterable[Instance]) -> list[Instance]:
    """Return the instances that are not terminated; a node has exactly one of them."""
    return [instance for instance in instances if instance.power is not Power.TERMINATED]


class UnknownNodeError(Exception):
    """Pexip's newest reading has no overflow node of this name; check its spelling on the status page."""


def find_worker(reading: Reading, node: str, *, to_open: bool = False) -> Worker:
    """Return the overflow node of that name; raise UnknownNodeError, which lists the known names, if there is none.

    To be opened, a node that is closed in Headroom's name is found wherever it is by now.
    """
    overflow = {location.overflow_location for location in reading.locations}
    for worker in reading.workers:
        if worker.name == node and (worker.location in overflow or (to_open and worker.closed_by_us)):
            return worker
    names = listed([worker.name for worker in reading.workers if worker.location in overflow]) or "none"
    raise UnknownNodeError(f"No overflow node is called {line(node, REASON)!r}; there are: {names}.")


def is_up_since(boot_time: datetime | None, launched_at: datetime) -> bool:
    """Say whether a boot belongs to this launch, as far as clocks agree."""
    return boot_time is not None and boot_time >= launched_at - CLOCK_SKEW


def has_booted(worker: Worker, launched_at: datetime) -> bool:
    """Say whether Pexip's status row is from after this launch, and shows a node that is up and in sync.

    Pexip keeps the row of a node that was off, with old numbers: only a boot_time after the launch makes it current.
    """
    return (
        is_up_since(worker.boot_time, launched_at)
        and is_in_step(worker.sync_status)
        and bool(worker.max_hd_calls)
        and not worker.alarm
    )


def needs_its_address(worker: Worker, instance: Instance) -> bool:
    """Say whether the node's static NAT address is no longer the instance's public one."""
    return bool(worker.static_nat_address and instance.public_ip and worker.static_nat_address != instance.public_ip)


def state_of(
    worker: Worker, instance: Instance, *, boot_limit: timedelta, just_opened: bool, now: datetime
) -> NodeState:
    """Name what the node is doing, from both views of it.

    `just_opened` says that Headroom opened it so lately that other nodes may not know yet: it is no capacity yet.
    """
    match instance.power:
        case Power.STOPPED:
            return NodeState.STOPPED
        case Power.STOPPING | Power.SHUTTING_DOWN:
            return NodeState.STOPPING
        case Power.TERMINATED:
            return NodeState.GONE
        case _:  # pending or running
            return _state_when_on(worker, instance, boot_limit, just_opened=just_opened, now=now)


def _state_when_on(
    worker: Worker, instance: Instance, boot_limit: timedelta, *, just_opened: bool, now: datetime
) -> NodeState:
    opening = just_opened and not worker.maintenance_mode_configured
    if worker.closed and not opening and not is_ours(worker.maintenance_mode_reason, worker.read_by):
        return NodeState.CLOSED_BY_OTHERS
    if instance.power is Power.PENDING or not has_booted(worker, instance.launched_at):
        return NodeState.STARTING if now - instance.launched_at <= boot_limit else NodeState.LATE
    if worker.upgrading:
        return NodeState.UPGRADING
    if worker.maintenance_mode_configured:
        return NodeState.CLOSED
    return NodeState.OPENING if opening or worker.maintenance_mode else NodeState.SERVING


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Something in Pexip or EC2 that has no proper counterpart; it is left alone and shown."""

    what: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Every overflow node, and what did not fit."""

    nodes: tuple[Node, ...]
    misfits: tuple[Misfit, ...]


def match_up(
    observation: Observation,
    *,
    expected_hd: dict[str, int],
    default_hd: int,
    boot_limit: timedelta,
    just_opened: frozenset[str] = frozenset(),
    now: datetime,
) -> Fleet:
    """Join Pexip's nodes and EC2's instances by private address, whichever of an instance's Pexip knows.

    `expected_hd` holds what a node offered when it last served; it stands in while Pexip does not know. `just_opened`
    names the nodes that Headroom opened within the last replication time.
    """
    workers = {canonical(worker.address): worker for worker in observation.reading.workers}
    living = alive(observation.instances)
    claimed = Counter(address for instance in living for address in instance.addresses)
    overflow = {location.overflow_location for location in observation.reading.locations}
    nodes, misfits = [], []
    for instance in sorted(living, key=lambda instance: instance.id):
        known = sorted(instance.addresses & workers.keys())
        shared = [address for address in known or instance.addresses if claimed[address] > 1]
        worker = workers[known[0]] if len(known) == 1 else None
        if shared:
            misfits.append(_twin(instance, min(shared)))
        elif len(known) > 1:
            misfits.append(_torn(instance, [workers[address].name for address in known]))
        elif worker is None:
            misfits.append(_stranger(instance))
        elif worker.location not in overflow:
            misfits.append(_astray(worker, instance))
        else:
            hd = worker.max_hd_calls or expected_hd.get(worker.name) or default_hd
            opened = worker.name in just_opened
            state = state_of(worker, instance, boot_limit=boot_limit, just_opened=opened, now=now)
            nodes.append(Node(worker=worker, instance=instance, state=state, hd=hd))
    misfits += _without_instance(observation, set(claimed))
    return Fleet(nodes=tuple(sorted(nodes, key=lambda node: node.name)), misfits=tuple(misfits))


def _torn(instance: Instance, names: list[str]) -> Misfit:
    return Misfit(
        what=f"Instance {instance.id} has the addresses of several nodes: {', '.join(names)}",
        advice="Headroom leaves it alone. Correct the nodes' addresses in Pexip: each node has an instance of its own.",
    )


def _twin(instance: Instance, address: str) -> Misfit:
    return Misfit(
        what=f"Instance {instance.id} shares the address {address} with another instance",
        advice="Headroom leaves both alone. Remove the pexip-cloud tag from the one that is not the node.",
    )


def _astray(worker: Worker, instance: Instance) -> Misfit:
    return Misfit(
        what=f"{worker.name} ({instance.id}) is tagged pexip-cloud, but {worker.location} is the primary overflow "
        "location of no location",
        advice="Set its location as primary overflow location of your always-on locations, or remove the tag.",
    )


def _stranger(instance: Instance) -> Misfit:
    return Misfit(
        what=f"Instance {instance.id} ({instance.private_ip}) is tagged pexip-cloud but no node has its address",
        advice="Add the Conferencing Node to Pexip with this address, or remove the tag.",
    )


def _without_instance(observation: Observation, addresses: set[str]) -> list[Misfit]:
    overflow = {location.overflow_location for location in observation.reading.locations}
    bursting = {worker.location for worker in observation.reading.workers if canonical(worker.address) in addresses}
    return [
        Misfit(
            what=f"{worker.name} ({worker.address}) is in overflow location {worker.location} but no tagged instance "
            "has its address",
            advice="Tag its instance with pexip-cloud, correct the address, or move an always-on node elsewhere.",
        )
        for worker in sorted(observation.reading.workers, key=lambda worker: worker.name)
        if worker.location in overflow & bursting
        and canonical(worker.address) not in addresses
        and not worker.is_being_changed
    ]
