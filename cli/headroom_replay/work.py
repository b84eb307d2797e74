"""What is replayed: calls, the bookings that announce some of them, the size of the platform, and the days before."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from headroom.domain.demand.forecasting import DAYS_KEPT, Booking
from headroom.domain.demand.turned_away import Sample
from headroom_replay.load import LENGTHS, MEAN_AD_HOC, Trace, calls_of_day, last_days, lognormal, scale_to
from headroom_replay.world import Call

PRINCIPAL, SECOND, OVERFLOW = "principal", "second", "overflow"
MINUTE = 60.0
CALL_REJECTIONS, MEETING_REJECTIONS = 0.40, 0.27  # what the always-on nodes alone turn away, of calls, of meetings
NOBODY = 1e-9
HOUR, HALF_HOUR = 1.4, 0.6  # meetings that begin on the hour, and on the half-hour, beside an even spread
IN_MEETINGS, BOOKED, NO_SHOWS = 0.75, 0.9, 0.1  # of all people; of all meetings; of those, which never happen
JOINS, ATTENDANCE = (-2.0, 6.0, 0.5), (0.9, 0.25)  # minutes around the start; share of those invited: mean and spread
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """How large the platform is: HD connections that are always on, and overflow nodes.

    `fill_up` has calls fill one node before the next, instead of the least loaded. `second` of the always-on HD connections
    are in another principal location, which overflows into the same one.
    """

    always_on: int = 80
    nodes: int = 13
    node_hd: int = 15
    fill_up: bool = False
    second: int = 0

    @property
    def threshold(self) -> int:
        """15 % of a location's always-on capacity, in the middle of what Pexip's guide advises."""
        return round(0.15 * self.always_on / len(self.homes))

    @property
    def homes(self) -> dict[str, int]:
        """The always-on HD connections of each principal location."""
        return {PRINCIPAL: self.always_on - self.second} | ({SECOND: self.second} if self.second else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """Shares of all starts: EC2 refuses them, they come up 25 minutes late, or they never come up."""

    refused: float = 0.01
    slow: float = 0.01
    hung: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The calls of some days in order, what was booked, and one sample a minute of the days before."""

    name: str
    zone: str
    platform: Platform
    calls: tuple[Call, ...]
    bookings: tuple[Booking, ...]
    history: tuple[Sample, ...]
    failing: Failing = Failing()

    @property
    def begins(self) -> float:
        """Epoch second of the local midnight before the first call."""
        return _midnight(self.calls[0].at, self.zone)

    @property
    def ends(self) -> float:
        """Epoch second of the local midnight after the last call began."""
        return _midnight(self.calls[-1].at, self.zone, days=1)

    @property
    def days(self) -> int:
        """Days that have any call."""
        return len({_midnight(call.at, self.zone) for call in self.calls})


def _midnight(at: float, zone: str, days: int = 0) -> float:
    here = ZoneInfo(zone)
    return datetime.combine(datetime.fromtimestamp(at, here).date() + days * DAY, time(), here).timestamp()


def of_counts(
    trace: Trace, platform: Platform, *, seed: int, days: int | None, zone: str = "UTC", until: date | None = None
) -> Work:
    """Return the last days of a count series, with those before as history; its calls have no bookings."""
    chosen = last_days((day for day in trace.days if until is None or day <= until), days, trace.name)
    scale = _scale(
        lambda by: [calls_of_day(trace, day, ZoneInfo(zone), PRINCIPAL, seed, by) for day in chosen],
        platform,
        CALL_REJECTIONS,
    )
    calls = [call for day in chosen for call in calls_of_day(trace, day, ZoneInfo(zone), PRINCIPAL, seed, scale)]
    earlier = [day for day in trace.days if day < chosen[0]][-DAYS_KEPT:]
    past = (calls_of_day(trace, day, ZoneInfo(zone), PRINCIPAL, seed, scale) for day in earlier)
    return Work(
        name=trace.name,
        zone=zone,
        platform=platform,
        calls=tuple(calls),
        bookings=(),
        history=tuple(sample for day in past for sample in samples_of(day, (), zone=zone)),
    )


def _booked(bookings: Sequence[Booking], begins: float, minutes: int) -> list[float]:
    """HD connections announced, by the minute."""
    announced = [0.0] * minutes
    for booking in bookings:
        first = max(0, int((booking.begins.timestamp() - begins) / MINUTE) - 3)
        last = min(minutes, int((booking.ends.timestamp() - begins) / MINUTE) + 3)
        for minute in range(first, last):
            announced[minute] += booking.at(datetime.fromtimestamp(begins + MINUTE * minute, UTC))
    return announced


def of_meetings(
    trace: Trace, platform: Platform, *, seed: int, days: int | None, zone: str = "UTC", until: date | None = None
) -> Work:
    """Return meetings over the daily curve of a count series: most are booked, and the planner is told of those."""
    here = ZoneInfo(zone)
    chosen = last_days((day for day in trace.days if until is None or day <= until), days, trace.name)
    scale = _scale(
        lambda by: [meetings_of_day(trace, day, here, seed, by)[0] for day in chosen], platform, MEETING_REJECTIONS
    )
    drawn = [meetings_of_day(trace, day, here, seed, scale) for day in chosen]
    earlier = [day for day in trace.days if day < chosen[0]][-DAYS_KEPT:]
    past = (meetings_of_day(trace, day, here, seed, scale) for day in earlier)
    return Work(
        name=f"meetings over {trace.name}",
        zone=zone,
        platform=platform,
        calls=tuple(call for calls, _ in drawn for call in calls),
        bookings=tuple(booking for _, bookings in drawn for booking in bookings),
        history=tuple(sample for calls, bookings in past for sample in samples_of(calls, bookings, zone=zone)),
    )


def meetings_of_day(
    trace: Trace, day: date, zone: ZoneInfo, seed: int, scale: float
) -> tuple[list[Call], list[Booking]]:
    """Draw one day's calls and bookings: people in each half-hour are the trace's arrivals times `scale`."""
    dice = random.Random(f"meetings {seed} {day}")
    people: dict[datetime, float] = {}
    for at, count in trace.counts[day]:
        slot = at.replace(minute=30 * (at.minute // 30), second=0)
        people[slot] = people.get(slot, 0.0) + count * scale
    calls: list[Call] = []
    bookings: list[Booking] = []
    for slot, wanted in people.items():
        begins = slot.replace(tzinfo=zone)
        left = IN_MEETINGS * wanted * (HALF_HOUR if slot.minute else HOUR)
        while left > 0 and dice.random() < left / 2:
            size = min(max(2, round(dice.lognormvariate(1.6, 0.6))), 40)
            left -= size
            [minutes] = dice.choices([length for length, _ in LENGTHS], [share for _, share in LENGTHS])
            ends = begins + timedelta(minutes=minutes)
            if dice.random() < BOOKED:
                bookings.append(Booking(begins=begins, ends=ends, hd=size))
            if dice.random() >= NO_SHOWS:
                calls += _attended(dice, begins, ends, size, f"{day} meeting {len(calls)}")
        calls += _unplanned(dice, begins.timestamp(), (1 - IN_MEETINGS) * wanted, f"{slot} ad hoc")
    return sorted(calls, key=lambda call: call.at), bookings


def _attended(dice: random.Random, begins: datetime, ends: datetime, size: int, name: str) -> Iterator[Call]:
    for _ in range(max(1, round(size * dice.gauss(*ATTENDANCE)))):
        joins = begins.timestamp() + MINUTE * dice.triangular(*JOINS)
        leaves = max(joins + MINUTE, ends.timestamp() + dice.gauss(-60, 90))
        yield Call(at=joins, conference=name, location=PRINCIPAL, seconds=leaves - joins)


def _unplanned(dice: random.Random, begins: float, wanted: float, name: str) -> Iterator[Call]:
    for number in range(int(wanted) + (dice.random() < wanted % 1)):
        at = begins + dice.uniform(0, 30 * MINUTE)
        yield Call(at=at, conference=f"{name} {number // 2}", location=PRINCIPAL, seconds=lognormal(dice, MEAN_AD_HOC))


def _scale(draw: Callable[[float], list[list[Call]]], platform: Platform, rejected: float) -> float:
    """Return the scale at which the always-on nodes turn away that share, lowered until all nodes together take every call."""
    everything = platform.always_on + platform.nodes * platform.node_hd
    return min(scale_to(draw, platform.always_on, rejected), scale_to(draw, everything, NOBODY))


def samples_of(
    calls: Sequence[Call], bookings: Iterable[Booking], location: str = PRINCIPAL, zone: str = "UTC"
) -> Iterator[Sample]:
    """Yield how many of a location's calls are in progress at each minute of their days, if none is turned away."""
    if not calls:
        return
    begins = _midnight(calls[0].at, zone)
    ends = max(_midnight(calls[-1].at, zone, days=1), *(call.at + call.seconds for call in calls))
    minutes = int((ends - begins) / MINUTE) + 2
    change = [0] * (minutes + 1)
    for call in (call for call in calls if call.location == location):
        change[int((call.at - begins) // MINUTE) + 1] += 1
        change[int((call.at + call.seconds - begins) // MINUTE) + 1] -= 1
    booked = _booked(list(bookings), begins, minutes)
    used = 0
    for minute in range(minutes):
        used += change[minute]
        at = datetime.fromtimestamp(begins + MINUTE * minute, UTC)
        yield Sample(at=at, location=location, used=used, booked=booked[minute])
