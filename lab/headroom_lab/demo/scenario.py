"""The morning that is played: who meets when, on which platform."""

from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from headroom_lab.load import meetings_day, read_trace, trace_day
from headroom_lab.pexip.bursting import Bursting
from headroom_lab.pexip.power import OwnInstances
from headroom_lab.pexip.switches import Switches
from headroom_lab.pexip.world import Call, Location, Node, World

ZONE = ZoneInfo("Europe/Stockholm")
BUNDLED_DAY = date(2026, 3, 2)  # a Monday
PRINCIPAL, OVERFLOW = "Stockholm", "AWS burst"
ALWAYS_ON = (("conf-1", 40), ("conf-2", 40))
BURST_NODES, BURST_HD = 12, 15
NAT_NODE = "burst-07"  # its public address changes at every start
HOSTNAME = "manager.example.com"
SEED = 7
STEP = 5.0  # seconds between two looks of the comparison's world


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A morning: its calls, its platform's size, its settings."""

    day: date
    title: str
    begins: time
    ends: time
    calls: tuple[Call, ...]
    threshold: int = 12  # 15 % of always-on, as Pexip's guide advises
    minimum_lifetime: int = 50  # minutes, Pexip's default
    prewarm_count: int = 11  # one node is left as a replacement

    def at(self, moment: time) -> float:
        """Return the epoch second of a local time that day."""
        return datetime.combine(self.day, moment, ZONE).timestamp()


def bundled(begins: time, ends: time) -> Scenario:
    """The synthetic morning that ships with Headroom."""
    calls = meetings_day(BUNDLED_DAY, ZONE, PRINCIPAL, SEED)
    return Scenario(day=BUNDLED_DAY, title="a busy Monday of meetings", begins=begins, ends=ends, calls=tuple(calls))


def from_trace(path: Path, day: date, begins: time, ends: time) -> Scenario:
    """A day of a trace."""
    trace = read_trace(path)
    always_on = sum(hd for _, hd in ALWAYS_ON)
    calls = trace_day(trace, day, ZONE, PRINCIPAL, SEED, always_on)
    return Scenario(day=day, title=f"{day} of {path.name}", begins=begins, ends=ends, calls=tuple(calls))


def platform_of(addresses: dict[str, str] | None = None) -> tuple[list[Location], list[Node]]:
    """Return the locations and nodes; `addresses` gives the overflow nodes those of their instances."""
    locations = [Location(id=1, name=PRINCIPAL, overflow1=OVERFLOW), Location(id=2, name=OVERFLOW)]
    nodes = [
        Node(id=number, name=name, address=f"10.1.0.{number}", location=PRINCIPAL, hd=hd)
        for number, (name, hd) in enumerate(ALWAYS_ON, 1)
    ]
    for number in range(1, BURST_NODES + 1):
        name = f"burst-{number:02}"
        address = (addresses or {}).get(name, f"10.20.1.{number}")
        node = Node(id=10 + number, name=name, address=address, location=OVERFLOW, hd=BURST_HD, overflow=True)
        if name == NAT_NODE:
            node.static_nat_address = "192.0.2.77"
        nodes.append(node)
    return locations, nodes


def in_progress(scenario: Scenario) -> list[Call]:
    """Return the calls from the beginning on, and those that are in progress then as if they joined at it."""
    begin, end = scenario.at(scenario.begins), scenario.at(scenario.ends)
    room = sum(hd for _, hd in ALWAYS_ON) - scenario.threshold - 1
    earlier = [call for call in scenario.calls if call.at < begin < call.at + call.seconds][:room]
    joined = [Call(begin, call.conference, call.location, call.at + call.seconds - begin) for call in earlier]
    return joined + [
        Call(call.at, call.conference, call.location, call.seconds) for call in scenario.calls if begin <= call.at < end
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a controller achieved."""

    offered: int
    rejected: int
    cut: int
    node_hours: float
    starts: int


def with_pexips_own_rule(scenario: Scenario) -> Outcome:
    """Play the same morning in the same world under Pexip's own bursting, without servers."""
    locations, nodes = platform_of()
    begin, end = scenario.at(scenario.begins), scenario.at(scenario.ends)
    world = World(locations, nodes, now=begin, switches=Switches(), seed=SEED)
    world.settings |= {
        "bursting_enabled": True,
        "bursting_threshold": scenario.threshold,
        "bursting_min_lifetime": scenario.minimum_lifetime,
    }
    power = OwnInstances(world)
    rule = Bursting(world, start=power.start, stop=power.stop)
    world.expect(in_progress(scenario))
    while world.now < end:
        world.advance(world.now + STEP)
        rule.step()
    tally = world.tally
    return Outcome(tally.offered, tally.rejected, tally.cut, world.node_seconds() / 3600, tally.starts)
