"""The morning that is played: who meets when, on which platform."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from headroom.domain.demand.bookings import Series
from headroom.domain.demand.forecasting import Booking
from headroom.domain.demand.turned_away import Sample
from headroom_lab.pexip.power import OwnInstances
from headroom_lab.pexip.resources import when
from headroom_replay.bursting import Bursting
from headroom_replay.load import Booked, calls_of_day, meetings_day, read_trace, scale_of, trace_day
from headroom_replay.oracle import schedule
from headroom_replay.switches import Switches
from headroom_replay.work import PRINCIPAL as ORACLES_PRINCIPAL
from headroom_replay.work import Platform, Work, samples_of
from headroom_replay.world import Call, Location, Node, World

ZONE = ZoneInfo("Europe/Stockholm")
BUNDLED_DAY = date(2026, 3, 2)  # a Monday
PRINCIPAL, OVERFLOW = "Stockholm", "AWS burst"
ALWAYS_ON = (("conf-1", 40), ("conf-2", 40))
BURST_NODES, BURST_HD = 12, 15
NAT_NODE = "burst-07"  # its public address changes at every start
HOSTNAME = "manager.example.com"
SEED = 7
PAST_DAYS, SATURDAY, SINCE, UNTIL = 40, 5, time(7), time(13)
STEP = 5.0  # seconds between two looks of the comparison's world


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A morning: its calls, its platform's size, its settings."""

    day: date
    title: str
    begins: time
    ends: time
    calls: tuple[Call, ...]
    booked: tuple[Booked, ...] = ()  # what Pexip knows of the day's meetings
    past: tuple[Sample, ...] = ()  # the load of the weeks before, as Headroom has seen it
    threshold: int = 12  # 15 % of always-on, as Pexip's guide advises
    minimum_lifetime: int = 50  # minutes, Pexip's default
    prewarm_count: int = 6  # promised at 08:50; the forecast asks for the rest

    def at(self, moment: time) -> float:
        """Return the epoch second of a local time that day."""
        return datetime.combine(self.day, moment, ZONE).timestamp()


def bundled(begins: time, ends: time) -> Scenario:
    """The synthetic morning that ships with Headroom, and the weeks before it."""
    calls, booked = meetings_day(BUNDLED_DAY, ZONE, PRINCIPAL, SEED)
    past = (meetings_day(day, ZONE, PRINCIPAL, SEED) for day in weekdays_before(BUNDLED_DAY))
    return Scenario(
        day=BUNDLED_DAY,
        title="a busy Monday of meetings",
        begins=begins,
        ends=ends,
        calls=tuple(calls),
        booked=tuple(booked),
        past=tuple(sample for calls, booked in past for sample in mornings_of(calls, booked)),
    )


def from_trace(path: Path, day: date, begins: time, ends: time) -> Scenario:
    """A day of a trace, and the weeks before it; its calls were not booked."""
    trace = read_trace(path)
    always_on = sum(hd for _, hd in ALWAYS_ON)
    calls = trace_day(trace, day, ZONE, PRINCIPAL, SEED, always_on)
    scale = scale_of(trace, SEED, always_on)
    earlier = [before for before in trace.days if before < day][-PAST_DAYS:]
    past = (calls_of_day(trace, before, ZONE, PRINCIPAL, SEED, scale) for before in earlier)
    return Scenario(
        day=day,
        title=f"{day} of {path.name}",
        begins=begins,
        ends=ends,
        calls=tuple(calls),
        past=tuple(sample for calls in past for sample in mornings_of(calls, ())),
    )


def weekdays_before(day: date) -> list[date]:
    """Return the weekdays of the weeks before."""
    earlier = (day - timedelta(days=number) for number in range(7 * PAST_DAYS // 5, 0, -1))
    return [before for before in earlier if before.weekday() < SATURDAY]


def mornings_of(calls: Sequence[Call], booked: Iterable[Booked]) -> Iterator[Sample]:
    """Yield a day's load by the minute, as far as the demo plays."""
    bookings = (
        Booking(begins=datetime.fromtimestamp(one.begins, UTC), ends=datetime.fromtimestamp(one.ends, UTC), hd=one.size)
        for one in booked
    )
    for sample in samples_of(calls, bookings, PRINCIPAL, str(ZONE)):
        if SINCE <= sample.at.astimezone(ZONE).time() < UNTIL:
            yield replace(sample, hd=sum(hd for _, hd in ALWAYS_ON))


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
    """Return the calls that begin in the morning; those in progress at its beginning join at that moment."""
    begin, end = scenario.at(scenario.begins), scenario.at(scenario.ends)
    room = sum(hd for _, hd in ALWAYS_ON) - scenario.threshold - 1
    earlier = [call for call in scenario.calls if call.at < begin < call.at + call.seconds][:room]
    joined = [Call(begin, call.conference, call.location, call.at + call.seconds - begin) for call in earlier]
    return joined + [
        Call(call.at, call.conference, call.location, call.seconds) for call in scenario.calls if begin <= call.at < end
    ]


def book(world: World, scenario: Scenario) -> None:
    """Put the day's meetings into Pexip, as VMR Scheduling for Exchange would."""
    world.rooms += [one.room for one in scenario.booked]
    for number, one in enumerate(scenario.booked, 1):
        world.scheduled[number] = {
            "conference": f"/api/admin/configuration/v1/conference/{number}/",
            "start_time": when(one.begins, fine=False),
            "end_time": when(one.ends, fine=False),
            "subject": one.room,
            "ews_item_id": f"item {number}",
            "ews_item_uid": f"uid {number}",
            "recurring_conference": f"/api/admin/configuration/v1/recurring_conference/{number}/",
            "scheduled_alias": None,
        }


def series_of(scenario: Scenario) -> Iterator[Series]:
    """Yield what Headroom has seen of these meetings: last week as many came as are invited now."""
    for number, one in enumerate(scenario.booked, 1):
        last_week = datetime.fromtimestamp(one.begins, UTC) - timedelta(weeks=1)
        yield Series(id=f"recurring_conference/{number}", begins=last_week, most=one.size)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a controller achieved."""

    offered: int
    rejected: int
    cut: int
    node_hours: float
    starts: int


def with_foresight(scenario: Scenario) -> Outcome:
    """Play the same morning to the oracle, which knows every call beforehand."""
    end = scenario.at(scenario.ends)
    calls = tuple(
        Call(call.at, call.conference, ORACLES_PRINCIPAL, min(call.seconds, end - call.at))
        for call in sorted(in_progress(scenario), key=lambda call: call.at)
    )
    size = Platform(always_on=sum(hd for _, hd in ALWAYS_ON), nodes=BURST_NODES, node_hd=BURST_HD)
    work = Work(name=scenario.title, zone=str(ZONE), platform=size, calls=calls, bookings=(), history=())
    best = schedule(work, SEED)
    return Outcome(len(calls), best.rejected, 0, best.node_hours, best.starts)


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
