"""Everything one plan is made from, with the questions that its rules ask of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from statistics import quantiles

from headroom.domain.demand.forecasting import Booking, Demand, Foresight, by_location, expected
from headroom.domain.fleet.fleet import ON, Fleet, Node, NodeState, Observation
from headroom.domain.fleet.lifecycle import Commitments, Hold, Memory, Wanted
from headroom.domain.fleet.load import follow, overflow_loads, principal_loads
from headroom.domain.policy import Mode, Policy

LATER = timedelta(minutes=8)  # a node needed again this soon after a boot is cheaper left on than started anew
OVERDUE = timedelta(minutes=2)  # a start that takes so much longer than nineteen of twenty is no longer counted on
ENOUGH_BOOTS = 5  # measured boot times, before they say more than the policy's own figure


class Situation:
    """What is there, what was promised, what is wanted."""

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
        self._boot_times: dict[str, timedelta | None] = {}
        self.pause = commitments.pause
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
        self.outlooks = by_location(observation.outlooks)
        self._foresights: dict[str, Foresight] = {}
        self._sources: dict[str, list[str]] = {}
        for name in self.principals:
            self._sources.setdefault(self.overflow_of.get(name) or "", []).append(name)
        self._capacity = sum(load.hd for load in self.principals.values())
        self._booked: dict[str, list[Booking]] = {}
        for booking in sorted(observation.bookings, key=lambda each: (each.begins, each.ends, each.hd)):
            self._booked.setdefault(booking.location, []).append(booking)
        overflowed = {name: load.used + load.carried for name, load in self.overflows.items()}
        trail = follow(observation.trail, self.principals, overflowed, self.overflow_of, now)
        self.trail = tuple(self._described(demand) if demand.at == now else demand for demand in trail)
        self.trails: dict[str, list[Demand]] = {}  # of each location, the oldest first
        for demand in self.trail:
            self.trails.setdefault(demand.location, []).append(demand)
        self._overflowed = {demand.location: demand.overflowed for demand in self.trail}

    def _described(self, demand: Demand) -> Demand:
        """Add to a load what was booked, and whether anything was free."""
        booked = round(expected(self.bookings_of(demand.location), self.now), 1)
        overflow = self.overflows[self.overflow_of[demand.location] or ""]
        return replace(demand, booked=booked, full=self.principals[demand.location].free <= 0 and overflow.free <= 0)

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
    def meddled_with(self) -> tuple[str, ...]:
        """The nodes that somebody else starts and stops: a second controller, where Headroom is to be the only one."""
        return self.commitments.meddled_with(self.now) if self.policy.mode is Mode.CONTROL else ()

    @property
    def may_take_away(self) -> bool:
        """Closing and stopping, and starting a node that comes up closed: never beside another controller."""
        return self.may_open and self.pause is None and not self.meddled_with

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
        if self.pause and not self.pause.still_starts:
            return f"Paused: {self.pause.reason}"
        upgrading = "Pexip is being upgraded: everything stays as it is until it is done."
        return self.refused or (upgrading if self.reading.upgrading else "")

    @property
    def refused(self) -> str:
        """Why the mode does not go with Pexip's own settings, if it does not."""
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
        return ""

    def is_coming(self, node: Node) -> bool:
        """Capacity that counts already although it cannot take a call yet."""
        memory = self.memory(node)
        claim = self.claims.get(node.name)
        starting = claim is not None and claim.action.starts and memory.wanted is not Wanted.OFF
        match node.state:
            case NodeState.STARTING:
                given_up = memory.given_up_at is not None and memory.given_up_at >= node.instance.launched_at
                return not given_up and not self.is_overdue(node)
            case NodeState.STOPPED:
                return starting
            case NodeState.OPENING:
                return not self.hangs(node)
            case NodeState.CLOSED:
                return claim is not None and memory.wanted is Wanted.OPEN
            case _:
                return False

    def hangs(self, node: Node) -> bool:
        """Open in its configuration, and so long not in its status that it may never be."""
        since = max(self.memory(node).opened_at or node.instance.launched_at, node.instance.launched_at)
        return node.state is NodeState.OPENING and self.now - since > self.policy.boot_limit

    def is_reserve(self, node: Node) -> bool:
        """A node that boots and shall come up closed."""
        return node.state in {NodeState.STOPPED, NodeState.STARTING} and self.memory(node).wanted is Wanted.CLOSED

    def held_names(self, location: str) -> tuple[str, ...]:
        """The nodes of a location that are held by name."""
        named = {name for hold in self.holds for name in hold.nodes}
        return tuple(node.name for node in self.nodes[location] if node.name in named)

    def held_count(self, location: str) -> tuple[int, Hold | None]:
        """The largest number of nodes that a hold asks for in a location, never more than it has."""
        asking = [(hold.counts[location], hold) for hold in self.holds if location in hold.counts]
        count, hold = max(asking, key=lambda ask: (ask[0], ask[1].id), default=(0, None))
        return min(count, len(self.nodes[location])), hold

    def sources_of(self, overflow: str) -> list[str]:
        """The principal locations that overflow into this one and say something."""
        return self._sources.get(overflow, [])

    @cached_property
    def all_boots(self) -> list[float]:
        """How long starts took, of every node."""
        return _seconds(self.commitments.memories)

    @cached_property
    def on_by_zone(self) -> Counter[str]:
        """How many overflow nodes are on in each zone."""
        return Counter(node.instance.zone for node in self.fleet.nodes if node.state in ON)

    def measured_boot_time(self, location: str) -> timedelta | None:
        """How long a start takes here, nineteen times out of twenty; None until enough were measured."""
        if location not in self._boot_times:
            measured = _seconds(self.memory(node) for node in self.nodes[location])
            if len(measured) < ENOUGH_BOOTS:
                measured = self.all_boots
            p95 = quantiles(measured, n=20, method="inclusive")[-1] if len(measured) >= ENOUGH_BOOTS else None
            self._boot_times[location] = None if p95 is None else min(timedelta(seconds=p95), self.policy.boot_limit)
        return self._boot_times[location]

    def boot_time(self, location: str) -> timedelta:
        """How long a start takes here, nineteen times out of twenty, as measured; the policy's figure until then."""
        return self.measured_boot_time(location) or self.policy.boot_time

    def is_overdue(self, node: Node) -> bool:
        """A node that boots longer than is usual here: it may come up yet, but another takes its place."""
        usual = self.measured_boot_time(node.location)
        return usual is not None and self.now - node.instance.launched_at > usual + OVERDUE

    def to_boot(self, location: str) -> timedelta:
        """How long until a node serves that the next plan starts."""
        return self.boot_time(location) + self.policy.tick

    @property
    def to_open(self) -> timedelta:
        """How long until a closed node takes calls that the next plan opens."""
        return self.policy.replication + self.policy.tick

    def bookings_of(self, name: str) -> list[Booking]:
        """The meetings known for a principal location, and its share of those that name none."""
        part = self.principals[name].hd / self._capacity
        anywhere = self._booked.get("", [])
        return [*self._booked.get(name, []), *(anywhere if part == 1 else (each.share(part) for each in anywhere))]

    def foresight(self, name: str) -> Foresight:
        """How the load of a principal location may go on; made once a plan."""
        if name not in self._foresights:
            level = self.trails[name][-1].used
            furthest = self.to_boot(self.overflow_of[name] or "") + LATER
            bookings = self.bookings_of(name)
            self._foresights[name] = Foresight(self.outlooks.get(name), level, bookings, self.now, furthest)
        return self._foresights[name]

    def carried_of(self, name: str) -> float:
        """How many calls from this principal location the closed nodes carry: when they leave, nothing becomes free."""
        overflow = self.overflow_of[name] or ""
        others = self.sources_of(overflow)
        total = sum(self._overflowed.get(other, 0.0) for other in others)
        share = self._overflowed.get(name, 0.0) / total if total else 1 / len(others)
        return self.overflows[overflow].carried * share

    def leavers_of(self, node: Node) -> float:
        """How many calls may be expected to leave a node while a closed one is opened."""
        here = self.sources_of(node.location)
        carried = {name: self.principals[name].hd for name in here}
        total = sum(carried.values())
        share = (
            sum(hd * self.foresight(name).leavers(self.to_open) for name, hd in carried.items()) / total if total else 0
        )
        return node.used * share

    def wanted_more_lately(self, location: str) -> bool:
        """More was needed here a moment ago: closing waits, or a rush would open and close by turns."""
        return any(
            memory.wanted is Wanted.OPEN
            and memory.wanted_at is not None
            and self.now - memory.wanted_at < self.policy.calm_before_closing
            for memory in map(self.memory, self.nodes[location])
        )

    @property
    def on(self) -> int:
        """Overflow nodes that are on, or as good as on."""
        return sum(node.state in ON or self.is_coming(node) for node in self.fleet.nodes)


def _seconds(memories: Iterable[Memory]) -> list[float]:
    return [seconds for memory in memories for seconds in memory.boots if seconds is not None]
