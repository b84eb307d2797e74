"""Everything one plan is made from: what is there and remembered, and what follows for what a rule may ask."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from headroom.domain.demand.forecasting import Demand, by_location, expected
from headroom.domain.fleet.fleet import ON, Fleet, Node, NodeState, Observation
from headroom.domain.fleet.lifecycle import Commitments, Memory, Wanted
from headroom.domain.fleet.limits import threshold
from headroom.domain.fleet.load import follow, overflow_loads, principal_loads
from headroom.domain.planning.held import Held
from headroom.domain.planning.leads import Leads
from headroom.domain.planning.permits import Permits
from headroom.domain.planning.prospects import Prospects
from headroom.domain.policy import Policy


class Situation:
    """What is there: `nodes`, `principals`, `overflows`.

    With it what may be done (`may`), how long it takes (`leads`), what is promised (`held`) and how the load may go on
    (`prospects`).
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
        self.memories = {memory.node: memory for memory in commitments.memories}
        self.claims = {
            memory.node: memory.claim
            for memory in commitments.memories
            if memory.claim is not None and memory.is_at_work(now)
        }
        self.states = {node.name: node.state for node in fleet.nodes}
        self.nodes: dict[str, list[Node]] = {}  # by overflow location
        for node in fleet.nodes:
            self.nodes.setdefault(node.location, []).append(node)
        self.may = Permits(observation, commitments, policy, now)
        self.leads = Leads(self.nodes, self.memories, policy, now)
        holds = sorted((hold for hold in commitments.holds if hold.covers(now)), key=lambda hold: hold.id)
        self.held = Held(holds, self.nodes)
        self.principals = principal_loads(self.reading)
        self.overflows = overflow_loads(fleet.nodes, [node for node in fleet.nodes if self.is_coming(node)])
        self.overflow_of = {place.name: place.overflow_location for place in self.reading.locations}
        self.prospects = Prospects(
            by_location(observation.outlooks),
            observation.bookings,
            self.principals,
            self.overflows,
            self.overflow_of,
            self.leads,
            now,
        )
        self.trail = self._followed()
        trails: dict[str, list[Demand]] = {}  # of each location, the oldest first
        for demand in self.trail:
            trails.setdefault(demand.location, []).append(demand)
        self.prospects.trails = trails

    def _followed(self) -> tuple[Demand, ...]:
        """Return how the load went lately, up to now."""
        overflowed = {name: load.used + load.carried for name, load in self.overflows.items()}
        trail = follow(self.observation.trail, self.principals, overflowed, self.overflow_of, self.now)
        return tuple(self._described(demand) if demand.at == self.now else demand for demand in trail)

    def _described(self, demand: Demand) -> Demand:
        """Add to a load what was booked, and whether anything was free."""
        booked = round(expected(self.prospects.bookings_of(demand.location), self.now), 1)
        overflow = self.overflows[self.overflow_of[demand.location] or ""]
        return replace(demand, booked=booked, full=self.principals[demand.location].free <= 0 and overflow.free <= 0)

    def threshold(self, location: str) -> int:
        """Return how few HD connections may be free in a location."""
        return threshold(self.policy, self.reading, location)

    def memory(self, node: Node) -> Memory:
        """Return what is remembered of a node, which may be nothing."""
        return self.memories.get(node.name) or Memory(node=node.name)

    def is_coming(self, node: Node) -> bool:
        """Say whether a node counts as capacity already although it cannot take a call yet."""
        memory = self.memory(node)
        claim = self.claims.get(node.name)
        starting = claim is not None and claim.action.starts and memory.wanted is not Wanted.OFF
        match node.state:
            case NodeState.STARTING:
                given_up = memory.given_up_at is not None and memory.given_up_at >= node.instance.launched_at
                return not given_up and not self.leads.is_overdue(node)
            case NodeState.STOPPED:
                return starting
            case NodeState.OPENING:
                return not self.hangs(node)
            case NodeState.CLOSED:
                return claim is not None and memory.wanted is Wanted.OPEN
            case _:
                return False

    def hangs(self, node: Node) -> bool:
        """Say whether it is open in its configuration, and so long not in its status that it may never be."""
        since = max(self.memory(node).opened_at or node.instance.launched_at, node.instance.launched_at)
        return node.state is NodeState.OPENING and self.now - since > self.policy.boot_limit

    def is_reserve(self, node: Node) -> bool:
        """Say whether a node boots and shall come up closed."""
        return node.state in {NodeState.STOPPED, NodeState.STARTING} and self.memory(node).wanted is Wanted.CLOSED

    def wanted_more_lately(self, location: str) -> bool:
        """Say whether more was needed here a moment ago: closing waits, or a rush would open and close by turns."""
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
        """Overflow nodes that are on, or as good as on."""
        return sum(node.state in ON or self.is_coming(node) for node in self.fleet.nodes)
