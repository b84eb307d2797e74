"""The small world behind the simulated platform: locations, nodes, calls, and what happens to them over time.

It is moved by `advance(now)` alone, so that it runs behind a server on the lab's clock or through a whole day at once.
Times are epoch seconds. Headroom's own record is compared with its journal.
"""

import heapq
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from headroom_replay.switches import Switches

TOKENS_PER_HD = 19
VERSION = "37 (80989.0.0)"
SAMPLE = 60.0  # seconds between two lines on how things stand
STRAY_MARGIN, STRAY_AFTER, STRAY_STAYS = 10.0, 110.0, 360.0  # seconds: between the two looks of a retirement
STRAY_WAITS = 90.0  # beyond a node's lifetime, until its retirement has begun
SHORTEST_BILL = 60.0  # EC2 bills by the second, a minute at least


@dataclass(slots=True)
class Call:
    """One call that somebody makes: into which conference, from which location, for how long."""

    at: float
    conference: str
    location: str
    seconds: float
    id: str = ""
    node: "Node | None" = None
    signalling: str = ""


@dataclass(slots=True)
class Delayed[T]:
    """A value that takes a while to be seen: `now` as it was set, `seen(at)` as others see it."""

    now: T
    before: T
    changed_at: float = float("-inf")

    def change(self, value: T, at: float) -> None:
        """Set it."""
        if value != self.now:
            self.before, self.now, self.changed_at = self.now, value, at

    def seen(self, at: float, delay: float) -> T:
        """Return the value as an observer sees it who learns of changes `delay` seconds late."""
        return self.now if at - self.changed_at >= delay else self.before


@dataclass(slots=True)
class Node:
    """A Conferencing Node; an overflow node has an instance that can be off."""

    id: int
    name: str
    address: str
    location: str
    hd: int
    overflow: bool = False
    instance: str = ""
    static_nat_address: str | None = None
    closed: Delayed[bool] = field(default_factory=lambda: Delayed(False, False))
    closed_reason: str = ""
    reason_before: str = ""  # what its status shows until the changed flag does
    launched_at: float | None = None  # None while it is off
    boots_at: float = 0
    ready_at: float = float("-inf")
    last_boot: float | None = None
    never_boots: bool = False
    tagged: bool = True  # its instance carries the pexip-cloud tag
    deployed: bool = True  # it was given its configuration
    unreachable: bool = False
    out_of_step: bool = False  # its status says that it does not follow the Management Node
    shows_capacity: bool = True
    emptied_at: float = float("-inf")
    upgrade_status: str = "IDLE"
    version: str = ""  # empty while it is the Management Node's
    calls: dict[str, Call] = field(default_factory=dict)
    conferences: Counter[str] = field(default_factory=Counter)

    @property
    def on(self) -> bool:
        """Powered on."""
        return not self.overflow or self.launched_at is not None

    def ready(self, at: float) -> bool:
        """Up and in step, so that calls can be placed on it."""
        return self.on and self.deployed and at >= self.ready_at and not self.never_boots


@dataclass(slots=True)
class Location:
    """A system location."""

    id: int
    name: str
    overflow1: str | None = None
    overflow2: str | None = None


@dataclass(slots=True)
class Tally:
    """What the world counted."""

    offered: int = 0
    rejected: int = 0
    cut: int = 0
    node_seconds: float = 0
    starts: int = 0
    stops: int = 0
    stopped_closed_and_empty: int = 0


class World:
    """Everything, at one moment."""

    def __init__(
        self,
        locations: Iterable[Location],
        nodes: Iterable[Node],
        *,
        now: float,
        switches: Switches | None = None,
        seed: int = 1,
        strays: int = 0,
        journal: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self.locations = {location.name: location for location in locations}
        self.nodes = {node.name: node for node in nodes}
        self.switches = switches or Switches()
        self.now = now
        self.seed = seed
        self.random = random.Random(f"{seed}")
        self.tally = Tally()
        self.history: list[dict[str, Any]] = []  # finished and refused calls
        self.node_events: list[dict[str, Any]] = []  # starts and stops, as Pexip's history page shows them
        self.started: dict[str, float] = {}  # conference → when its first call joined
        self.settings: dict[str, Any] = {
            "bursting_enabled": False,
            "bursting_threshold": 5,
            "bursting_min_lifetime": 50,
            "cloud_provider": "AWS",
        }
        self.rooms: list[str] = []  # configured Virtual Meeting Rooms, by name
        self.scheduled: dict[int, dict[str, Any]] = {}  # meetings booked through Exchange, as they were posted
        self.room_joins: list[dict[str, Any]] = []  # room systems that One-Touch Join will have dial
        self.strays = strays
        self.alarms: list[dict[str, Any]] = []
        self.upgrading = False  # the Management Node changes its software
        self.version = VERSION
        self.denied: set[str] = set()  # nodes whose calls the status does not show, although Pexip reaches them
        self.registered: dict[str, str] = {}  # by alias: the address of the node where a device has registered
        self.clock_skew = 0.0  # seconds by which the nodes' clocks are wrong
        self._journal = journal
        self._arrivals: list[tuple[float, int, Call]] = []
        self._departures: list[tuple[float, int, Call]] = []
        self._number = 0
        self._sampled_at = now - now % SAMPLE
        self._pools: dict[str, list[Node]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """All but the journal's writer, which belongs to a process."""
        return {name: value for name, value in self.__dict__.items() if name != "_journal"}

    def write_to(self, journal: Callable[[dict[str, Any]], None]) -> None:
        """Write the journal there from now on."""
        self._journal = journal

    # Load

    @property
    def busy(self) -> bool:
        """Calls are in progress."""
        return bool(self._departures)

    def expect(self, calls: Iterable[Call]) -> None:
        """Have these calls made at their times."""
        for call in calls:
            self._number += 1
            heapq.heappush(self._arrivals, (call.at, self._number, call))

    def advance(self, now: float) -> None:
        """Let everything happen that happens until then, in order."""
        while True:
            arrival = self._arrivals[0][0] if self._arrivals else float("inf")
            departure = self._departures[0][0] if self._departures else float("inf")
            at = min(arrival, departure, self._sampled_at + SAMPLE)
            if at > now:
                break
            if at == self._sampled_at + SAMPLE:
                self._sample(at)
                continue
            self.now = max(self.now, at)
            if departure <= arrival:
                self._leave(heapq.heappop(self._departures)[2])
            else:
                self._arrive(heapq.heappop(self._arrivals)[2])
        self.now = max(self.now, now)
        self._let_strays_dial()

    def _let_strays_dial(self) -> None:
        """Someone dials a node that has had its lifetime and is closed and empty for a while, as if to test its controller."""
        if not self.strays or not self.switches.closed_takes_direct_calls:
            return
        for node in self.nodes.values():
            quiet_since = max(
                node.emptied_at, node.closed.changed_at + self.switches.configuration_delay + STRAY_MARGIN
            )
            spent = node.launched_at is not None and self.now - node.launched_at >= self._minimum_lifetime + STRAY_WAITS
            quiet = node.closed.now and node.ready(self.now) and not node.calls
            if spent and quiet and self.now - quiet_since >= STRAY_AFTER:
                self.strays -= 1
                self.dial(node, STRAY_STAYS)
                return

    def dial(self, node: Node, seconds: float) -> None:
        """Someone dials a node's own address."""
        self.tally.offered += 1
        self.note("direct call", node=node.name)
        self._join(Call(self.now, "direct call", node.location, seconds), node, node.address)

    def signal_through(self, node: Node, media: Node, seconds: float) -> None:
        """Someone dials a node's own address, and another node takes the media."""
        self.tally.offered += 1
        self.note("direct call", node=node.name)
        self._join(Call(self.now, "direct call", media.location, seconds), media, node.address)

    def join_late(self, node: Node, seconds: float) -> None:
        """A caller lands on a node whose closing the node that took the call has not heard of yet."""
        self.tally.offered += 1
        call = Call(self.now, "late caller", node.location, seconds)
        self._join(call, node, self._signalling(call.location))

    def signalled(self, node: Node) -> list[Call]:
        """Return the calls with their signalling on a node, wherever their media are."""
        calls = (call for other in self.nodes.values() for call in other.calls.values())
        return [call for call in calls if call.signalling == node.address]

    @property
    def _minimum_lifetime(self) -> float:
        return 60.0 * float(self.settings["bursting_min_lifetime"])

    def _sample(self, at: float) -> None:
        """Note how things stand, once a minute."""
        self.now = self._sampled_at = at
        nodes = self.nodes.values()
        self.note(
            "sample",
            used=sum(map(self.used, nodes)),
            capacity=sum(self.capacity(name) for name in self.locations),
            offered=self.tally.offered,
            node_seconds=self.node_seconds(),
        )

    def _arrive(self, call: Call) -> None:
        self.tally.offered += 1
        node = self.place(call)
        if node is None:
            self.tally.rejected += 1
            self.note("rejected", location=call.location, conference=call.conference)
            if self.switches.refused_calls_in_history:
                self._remember(call, self.switches.refused_reason, self.now)
            return
        self._join(call, node, self._signalling(call.location))

    def _join(self, call: Call, node: Node, signalling: str) -> None:
        call.id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        call.node, call.signalling = node, signalling
        node.calls[call.id] = call
        node.conferences[call.conference] += 1
        self.started.setdefault(call.conference, self.now)
        self._number += 1
        heapq.heappush(self._departures, (call.at + call.seconds, self._number, call))

    def _leave(self, call: Call) -> None:
        node = call.node
        if node is None or node.calls.pop(call.id, None) is None:
            return  # it was cut
        node.conferences[call.conference] -= 1
        if not node.conferences[call.conference]:
            del node.conferences[call.conference]
        if not node.calls:
            node.emptied_at = self.now
        self._remember(call, "Call disconnected", self.now)

    def _remember(self, call: Call, reason: str, at: float) -> None:
        self.history.append(
            {
                "conference": call.conference,
                "location": call.location,
                "start": call.at,
                "end": at,
                "reason": reason,
                "node": call.node.address if call.node else "",
            }
        )

    def _signalling(self, location: str) -> str:
        return next(
            (node.address for node in self.nodes.values() if node.location == location and not node.overflow),
            "",
        )

    def place(self, call: Call) -> Node | None:
        """Return the node that takes a call: its own location's first, then the overflow locations'; None if all are full."""
        here = self.locations[call.location]
        for name in (here.name, here.overflow1, here.overflow2):
            if name is None:
                continue
            pool = [node for node in self.pool(name) if self.takes(node, call.conference)]
            holding = [node for node in self.pool(name) if call.conference in node.conferences]
            if len(holding) >= self.switches.media_nodes_per_location:
                pool = [node for node in pool if node in holding]
            if not pool:
                continue
            if self.switches.least_loaded:
                return min(pool, key=lambda node: (self.used(node) / node.hd, node.id))
            return min(pool, key=lambda node: node.id)
        return None

    def pool(self, location: str) -> list[Node]:
        """The nodes of a location."""
        if location not in self._pools:
            self._pools[location] = [node for node in self.nodes.values() if node.location == location]
        return self._pools[location]

    def forget_pools(self) -> None:
        """Nodes were added or removed."""
        self._pools.clear()

    def takes(self, node: Node, conference: str) -> bool:
        """Say whether a node would take another call of this conference."""
        if not node.ready(self.now):
            return False
        knows = conference in node.conferences
        if self.refuses(node) and not (knows and self.switches.closed_keeps_its_conferences):
            return False
        return self.used(node) + 1 + (0 if knows else self.switches.backplane_hd) <= node.hd

    def used(self, node: Node) -> int:
        """HD connections in use on a node."""
        return len(node.calls) + self.switches.backplane_hd * len(node.conferences)

    def free(self, location: str) -> int:
        """HD connections that a location could still host, by its open and ready nodes."""
        return sum(
            node.hd - self.used(node) for node in self.pool(location) if node.ready(self.now) and not node.closed.now
        )

    def capacity(self, location: str) -> int:
        """HD connections of a location's open and ready nodes."""
        return sum(node.hd for node in self.pool(location) if node.ready(self.now) and not node.closed.now)

    # Nodes

    def power_on(self, node: Node, launched_at: float) -> None:
        """The node's instance was started; it boots."""
        node.launched_at = launched_at
        self._boot(node, launched_at)
        self.tally.starts += 1
        self.note("powered on", node=node.name, launched_at=launched_at, ready_at=node.ready_at)

    def _boot(self, node: Node, at: float) -> None:
        dice = random.Random(f"{self.seed} {node.name} {at:.0f}")
        longest = self.switches.boot_mean + 4 * self.switches.boot_jitter
        takes = min(
            max(dice.gauss(self.switches.boot_mean, self.switches.boot_jitter), self.switches.os_boot + 30),
            longest,
        )
        node.boots_at = at + min(dice.gauss(self.switches.os_boot, 5), takes - 10)
        node.ready_at = at + takes

    def configure(self, node: Node) -> None:
        """The node is given its configuration, and boots with it."""
        node.deployed = True
        self._boot(node, self.now)
        self.note("deployed", node=node.name)

    def move(self, node: Node, location: str) -> None:
        """A person moves a node to another location: it restarts, and its calls end (Terraform's provider says so)."""
        node.location = location
        self.forget_pools()
        if node.on:
            self._cut(node)
            self._boot(node, self.now)
        self.note("moved", node=node.name, location=location)

    def _cut(self, node: Node) -> None:
        for call in list(node.calls.values()):
            self.tally.cut += 1
            self.note("cut", node=node.name, conference=call.conference)
            self._remember(call, "Media node lost", self.now)
        node.calls.clear()
        node.conferences.clear()

    def power_off(self, node: Node, at: float | None = None) -> None:
        """The node's instance stops; whatever is on it is cut."""
        if node.launched_at is None:
            return
        at = self.now if at is None else at
        carried = len(node.calls)
        closed = self.refuses(node)
        self.tally.stops += 1
        self.tally.stopped_closed_and_empty += closed and not carried
        self.note(
            "powered off",
            node=node.name,
            launched_at=node.launched_at,
            closed=closed,
            calls=carried,
            was_ready=node.ready(self.now),
        )
        self._cut(node)
        self.tally.node_seconds += max(at - node.launched_at, SHORTEST_BILL)
        node.last_boot = node.boots_at if self.now >= node.boots_at else node.last_boot
        node.launched_at = None

    def node_seconds(self) -> float:
        """Seconds that overflow nodes were on, including those that are."""
        running = sum(self.now - node.launched_at for node in self.nodes.values() if node.launched_at is not None)
        return self.tally.node_seconds + running

    def refuses(self, node: Node) -> bool:
        """Whether the nodes that place calls know that this one is closed."""
        delay = self.switches.configuration_delay if node.closed.now else self.switches.opening_delay
        return node.closed.seen(self.now, delay)

    def set_closed(self, node: Node, closed: bool, reason: str) -> None:
        """Maintenance mode on or off; every other node learns of it after the configuration delay."""
        node.closed.change(closed, self.now)
        node.reason_before, node.closed_reason = node.closed_reason, reason
        self.note("closed" if closed else "opened", node=node.name, calls=len(node.calls), reason=reason)

    def rename(self, node: Node, name: str) -> None:
        """A person gives a node another name; its ids and its address stay."""
        del self.nodes[node.name]
        self.note("renamed", node=node.name, name=name)
        node.name = name
        self.nodes[name] = node

    def tell(self, node: Node, event_type: str, state: str, details: str, context: str = "") -> None:
        """Add to Pexip's own history of its nodes."""
        self.node_events.append(
            {
                "node": node,
                "event_type": event_type,
                "state": state,
                "details": details,
                "context": context,
                "at": self.now,
            }
        )

    def note(self, what: str, **facts: Any) -> None:
        """Write one line of the journal."""
        self._journal({"at": self.now, "what": what, **facts})
