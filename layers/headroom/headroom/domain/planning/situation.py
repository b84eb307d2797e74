"""Everything that one plan is made from: what is there, what is remembered, and answers to what the rules ask."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from headroom.domain.demand.forecasting import expected, near
from headroom.domain.demand.lately import Demand
from headroom.domain.fleet.fleet import ON, Fleet, Node, NodeState, Observation, Power, Worker
from headroom.domain.fleet.home import Home
from headroom.domain.fleet.homes import Homes, Uncounted
from headroom.domain.fleet.lifecycle import Action, Commitments, Hold, Memory, Wanted, is_heard, is_started_by_headroom
from headroom.domain.fleet.limits import minimum_lifetime, threshold
from headroom.domain.fleet.load import follow, overflow_loads
from headroom.domain.planning.held import Held
from headroom.domain.planning.leads import Leads
from headroom.domain.planning.permits import Permits
from headroom.domain.planning.prospects import Prospects
from headroom.domain.planning.worth import Worth, of_opening, of_starting
from headroom.domain.policy import Policy
from headroom.domain.safety.claims import is_on_its_way


class Situation:
    """What is there: `nodes`, `principals`, `overflows`, and the `homes` of the principal locations with what they lost.

    `may` says what may be done, `leads` how long it takes, `held` what is promised, and `prospects` how the load may
    continue.
    """

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
        self._unread = commitments.unread_nodes
        self.memories = {memory.node: memory for memory in commitments.memories}
        self.claims = {
            memory.node: memory.claim
            for memory in commitments.memories
            if memory.claim is not None and memory.is_at_work(now)
        }
        self.states = {node.name: node.state for node in fleet.nodes}
        self._place_of = {node.name: node.location for node in fleet.nodes}
        self.out = commitments.taken_out()
        self.nodes: dict[str, list[Node]] = {}  # by overflow location, without those that people have taken out
        for node in fleet.nodes:
            here = self.nodes.setdefault(node.location, [])
            here += [] if node.name in self.out else [node]
        self.may = Permits(observation, commitments, policy, now)
        names = {place: [node.name for node in here] for place, here in self.nodes.items()}
        self.leads = Leads(names, self.memories, policy, now)
        holds = sorted((hold for hold in commitments.holds if self._has_begun(hold)), key=lambda hold: hold.id)
        self.held = Held(holds, self.nodes)
        self._homes = Homes(self.reading, fleet.nodes, observation.homes)
        self.principals = self._homes.loads
        coming = {
            node.name: self.expected_room(node)
            for node in fleet.nodes
            if node.name not in self.out and self.is_coming(node)
        }
        self.overflows = overflow_loads(fleet.nodes, coming, self.out)
        self.overflow_of = {place.name: place.overflow_location for place in self.reading.locations}
        self.prospects = Prospects(
            {each.location: each for each in observation.outlooks},
            (*observation.bookings, *near(commitments.said, now)),
            self.principals,
            self.overflows,
            self.overflow_of,
            self.leads,
            now,
            now.astimezone(ZoneInfo(policy.zone)).weekday(),
            {home.location: home.hd for home in observation.homes},
        )
        self.trail = self._followed()
        trails: dict[str, list[Demand]] = {}  # of each location, the oldest first
        for demand in self.trail:
            trails.setdefault(demand.location, []).append(demand)
        self.prospects.trails = trails
        self.homes = {home.location: home for home in self._remembered(trails)}
        self.prospects.cut_off = frozenset(name for name, home in self.homes.items() if home.awaits(now))

    def _has_begun(self, hold: Hold) -> bool:
        """Say whether a hold counts by now: since it was promised starts may have come to take longer."""
        locations = hold.counts.keys() | {self._place_of[name] for name in hold.nodes if name in self._place_of}
        begins = min(hold.begins, hold.ready_by - self.leads.ahead(locations))
        return begins <= self.now and not hold.is_over(self.now)

    def _remembered(self, trails: dict[str, list[Demand]]) -> Iterable[Home]:
        if self.may.stale:  # an old reading says nothing new
            return self.observation.homes
        return self._homes.remembered(trails, self.now)

    def _followed(self) -> tuple[Demand, ...]:
        """Return the recent load, up to now."""
        overflowed = {name: load.used + load.carried for name, load in self.overflows.items()}
        trail = follow(self.observation.trail, self.principals, overflowed, self.overflow_of, self.now)
        return tuple(self._described(demand) if demand.at == self.now else demand for demand in trail)

    def _described(self, demand: Demand) -> Demand:
        """Add to a load what was booked, and whether anything was free."""
        known = self.prospects.bookings_of(demand.location)
        booked = round(expected((each for each in known if not each.said_by), self.now), 1)
        said = round(expected((each for each in known if each.said_by), self.now), 1)
        overflow = self.overflows[self.overflow_of[demand.location] or ""]
        return replace(
            demand, booked=booked, said=said, full=self.principals[demand.location].free <= 0 and overflow.free <= 0
        )

    def uncounted(self, location: str = "") -> list[Uncounted]:
        """Return the always-on nodes that offer nothing, of one location or of all."""
        return [each for each in self._homes.uncounted if location in {"", each.worker.location}]

    def cut_off(self, name: str) -> float:
        """Return how many HD connections a principal location carried before it lost nodes, and does not yet carry again."""
        home = self.homes.get(name)
        if home is None or not home.awaits(self.now):
            return 0.0
        trail = self.prospects.trails.get(name)
        present = trail[-1].used if trail else self.principals[name].used
        return max(0.0, home.carried - present)

    def unsettled(self, location: str) -> Home | None:
        """Return a home that overflows into this location and lost something lately; what stands in for it stays."""
        homes = (self.homes.get(name) for name in self.prospects.sources_of(location))
        return next((home for home in homes if home and home.is_unsettled(self.now)), None)

    def threshold(self, location: str) -> int:
        """Return a location's threshold: with this many free HD connections or fewer, it needs a node."""
        return threshold(self.policy, self.reading, location)

    def memory(self, node: Node) -> Memory:
        """Return what is remembered of a node, which may be nothing."""
        return self.memories.get(node.name) or Memory(node=node.name)

    def is_unread(self, node: Node) -> bool:
        """Say whether the node's memory cannot be read, so that it is left as it is."""
        return node.name in self._unread

    @cached_property
    def out_of_sight(self) -> tuple[Worker, ...]:
        """Nodes in maintenance mode in Headroom's name that are not, or no longer, overflow nodes with a tagged instance."""
        if self.observation.unreachable:
            return ()
        ours = {node.name for node in self.fleet.nodes}
        return tuple(
            worker for worker in self.reading.workers if worker.closed_by_us and worker.name not in ours | self._unread
        )

    def starting(self, location: str) -> Worth:
        """Return how sure to be before a node is started here."""
        lifetime = minimum_lifetime(self.policy, self.reading)
        return of_starting(self.policy, self._usual_hd(location), self.leads.boot_time(location), lifetime)

    def opening(self, location: str) -> Worth:
        """Return how sure to be before a node is opened here."""
        return of_opening(self.policy, self._usual_hd(location))

    def _usual_hd(self, location: str) -> float:
        here = self.nodes[location]
        return sum(node.hd for node in here) / len(here) if here else float(self.policy.expected_hd)

    def expected_room(self, node: Node) -> int:
        """Return the HD connections to count on of a node that is coming: fewer where its start takes too long."""
        return self.leads.expected_room(node, self.starting(node.location).sure)

    def is_coming(self, node: Node) -> bool:
        """Say whether a node counts as capacity already although it cannot take a call yet."""
        memory = self.memory(node)
        claim = self.claims.get(node.name)
        match node.state:
            case NodeState.STARTING:
                given_up = memory.given_up_at is not None and memory.given_up_at >= node.instance.launched_at
                return not given_up and self.expected_room(node) > 0
            case NodeState.STOPPED:
                return claim is not None and is_on_its_way(memory, self.now)
            case NodeState.OPENING:
                return not self.hangs(node)
            case NodeState.CLOSED:
                return claim is not None and memory.wanted is Wanted.OPEN
            case _:
                return False

    def is_leaving(self, node: Node) -> bool:
        """Say whether a node that serves is about to be closed: what is free there is no longer counted on."""
        claim = self.claims.get(node.name)
        taken = claim is not None and claim.action in {Action.STOP, Action.CLOSE}
        return taken and node.state is NodeState.SERVING and self.memory(node).wanted is not Wanted.OPEN

    def is_taken_for_open(self, node: Node) -> bool:
        """Say whether a node may take calls while Pexip cannot be read: it is on or about to be, and was not closed."""
        return self.is_coming(node) or node.state in {NodeState.SERVING, NodeState.STARTING, NodeState.LATE}

    def hung_since(self, node: Node) -> datetime | None:
        """Return when a node was started that Pexip has never heard from, if it has had time enough; else None."""
        memory, since = self.memory(node), node.instance.launched_at
        least = max(2 * self.policy.boot_limit, minimum_lifetime(self.policy, self.reading))
        hangs = node.state is NodeState.LATE and node.instance.power is Power.RUNNING and self.now - since >= least
        ours = is_started_by_headroom(node.instance, memory) and not is_heard(node.worker, node.instance, memory)
        return since if hangs and ours else None

    def hangs(self, node: Node) -> bool:
        """Say whether a node was opened in its configuration longer than the boot limit ago, but not yet in its status."""
        since = max(self.memory(node).opened_at or node.instance.launched_at, node.instance.launched_at)
        return node.state is NodeState.OPENING and self.now - since > self.policy.boot_limit

    def is_reserve(self, node: Node) -> bool:
        """Say whether a stopped or booting node is to come up closed."""
        return node.state in {NodeState.STOPPED, NodeState.STARTING} and self.memory(node).wanted is Wanted.CLOSED

    def wanted_more_lately(self, location: str) -> bool:
        """Say whether more was needed here lately. Closing then waits, so that nodes do not open and close in turns."""
        return any(
            memory.wanted is Wanted.OPEN
            and memory.wanted_at is not None
            and self.now - memory.wanted_at < self.policy.calm_before_closing
            for memory in map(self.memory, self.nodes[location])
        )

    @cached_property
    def on_by_zone(self) -> Counter[str]:
        """How many overflow nodes are on in each zone."""
        return Counter(node.instance.zone for node in self.fleet.nodes if node.state in ON)

    @property
    def on(self) -> int:
        """Overflow nodes that are on, or as good as on: a start that is late may still come, and counts against MaxNodes."""
        starting = {name for name, claim in self.claims.items() if claim.action.starts}
        return sum(
            node.state in ON
            or self.is_coming(node)
            or (node.name in starting and self.memory(node).wanted is not Wanted.OFF)
            for node in self.fleet.nodes
        )
