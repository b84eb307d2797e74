"""The world in which controllers are compared: the simulated platform without servers, and an EC2 that refuses starts."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from headroom_replay.switches import Switches
from headroom_replay.work import OVERFLOW, Failing, Work
from headroom_replay.world import Call, Location, Node, World

TICK = 60.0
SLOW_BOOT = 1500.0  # seconds
EVERY_NODE = 10_000  # no limit of nodes for one conference, so that a rejection always means that capacity was short
HOUR = 3600.0
SECOND_ID = 1000  # of the second principal location and its node
QUIET = HOUR  # with nothing on and no call within this, ticks are skipped


@dataclass(frozen=True, slots=True)
class Moment:
    """How things stand: epoch seconds, HD connections in use and serving, calls turned away so far, nodes on."""

    at: float
    used: int
    capacity: int
    rejected: int
    nodes: int


@dataclass(slots=True)
class Tally:
    """What is counted beside what the world counts."""

    refused_starts: int = 0
    slow_starts: int = 0
    hung_starts: int = 0
    without_headroom: dict[int, float] = field(default_factory=dict)  # seconds a day with no connection free
    course: list["Moment"] = field(default_factory=list)  # of the day that is watched


class Site:
    """One platform under one controller; a controller starts, stops, closes and opens through it."""

    def __init__(
        self,
        work: Work,
        seed: int,
        switches: Switches | None = None,
        *,
        failing: Failing | None = None,
        no_room: float = 0.0,
    ) -> None:
        self.failing = failing or work.failing
        self.no_room = no_room  # share of the hours in which EC2 refuses every start
        self.work = work
        self.seed = seed
        size = work.platform
        self.principals = [
            Node(
                id=1 if not n else SECOND_ID,
                name=f"always-on {place}",
                address=f"10.1.0.{n + 1}",
                location=place,
                hd=hd,
            )
            for n, (place, hd) in enumerate(size.homes.items())
        ]
        self.overflow = [
            Node(
                id=number + 1,
                name=f"burst-{number:02}",
                address=f"10.20.0.{number}",
                location=OVERFLOW,
                hd=size.node_hd,
                overflow=True,
                instance=f"i-{number:017x}",
            )
            for number in range(1, size.nodes + 1)
        ]
        self.world = World(
            [
                *(Location(id=node.id, name=node.location, overflow1=OVERFLOW) for node in self.principals),
                Location(id=2, name=OVERFLOW),
            ],
            [*self.principals, *self.overflow],
            now=work.begins,
            switches=replace(
                switches or Switches(),
                least_loaded=not size.fill_up,
                refused_calls_in_history=False,
                media_nodes_per_location=EVERY_NODE,
            ),
            seed=seed,
        )
        self.world.settings |= {"bursting_threshold": size.threshold}
        self.world.expect(Call(call.at, call.conference, call.location, call.seconds) for call in work.calls)
        self.tally = Tally()
        self._errands: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self.world.now

    def after(self, seconds: float, errand: Callable[[], None]) -> None:
        """Run `errand` after that many simulated seconds."""
        self._number += 1
        heapq.heappush(self._errands, (self.now + seconds, self._number, errand))

    def start(self, node: Node) -> bool:
        """Ask EC2 to start a node; say whether it does."""
        dice = random.Random(f"{self.seed} {node.name} {self.now:.0f}").random()
        has_room = random.Random(f"{self.seed} {self.now // HOUR}").random() >= self.no_room
        if dice < self.failing.refused or not has_room:
            self.tally.refused_starts += 1
            return False
        self.world.power_on(node, self.now)
        node.never_boots = False
        if dice >= 1 - self.failing.hung:  # until it is stopped
            self.tally.hung_starts += 1
            node.never_boots = True
        elif dice < self.failing.refused + self.failing.slow:
            self.tally.slow_starts += 1
            node.ready_at = self.now + SLOW_BOOT
            node.boots_at = node.ready_at - 1
        return True

    def ask_to_start(self, node: Node) -> None:
        """Ask EC2 to start a node, whatever it answers."""
        self.start(node)

    def moment(self) -> Moment:
        """How things stand now."""
        world = self.world
        capacity = sum(map(world.capacity, (*self.work.platform.homes, OVERFLOW)))
        return Moment(self.now, self.used(), capacity, world.tally.rejected, sum(node.on for node in self.overflow))

    def run(self, step: Callable[[], None], every: float = TICK, watch: tuple[float, float] | None = None) -> None:
        """Play the whole work, with the controller's step at every tick; record the course within `watch`."""
        world, arrivals = self.world, [call.at for call in self.work.calls]
        upcoming, tick = 0, world.now
        while tick < self.work.ends:
            while self._errands and self._errands[0][0] <= tick:
                at, _, errand = heapq.heappop(self._errands)
                world.advance(at)
                errand()
            world.advance(tick)
            step()
            if watch and watch[0] <= tick < watch[1]:
                self.tally.course.append(self.moment())
            if min(map(world.free, self.work.platform.homes)) + world.free(OVERFLOW) <= 0:
                day = int(world.now // 86400)
                self.tally.without_headroom[day] = self.tally.without_headroom.get(day, 0.0) + every
            tick += every
            while upcoming < len(arrivals) and arrivals[upcoming] < tick:
                upcoming += 1
            if not (self._errands or world.busy or any(node.on for node in self.overflow)):
                following = arrivals[upcoming] if upcoming < len(arrivals) else self.work.ends + QUIET
                tick += every * max(0.0, (following - QUIET - tick) // every)
        world.advance(self.work.ends)

    def used(self) -> int:
        """HD connections in use anywhere."""
        return sum(map(self.world.used, (*self.principals, *self.overflow)))
