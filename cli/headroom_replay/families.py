"""Families of loads that no planner was tuned to: what a site is like is drawn from ranges by a seed, and so are its days."""

import random
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import accumulate
from math import ceil
from zoneinfo import ZoneInfo

from headroom.domain.demand.forecasting import Booking
from headroom_replay.load import LENGTHS, lognormal, lost
from headroom_replay.work import MINUTE, PRINCIPAL, SECOND, Failing, Platform, Work, samples_of
from headroom_replay.world import Call

HISTORY, PLAYED = 40, 10  # workdays
FIRST = date(2026, 1, 5)  # a Monday
HALF_HOURS = tuple(time(7 + n // 2, 30 * (n % 2)) for n in range(24))  # from seven to seven
BASE = (
    2,
    4,
    12,
    18,
    40,
    26,
    30,
    20,
    24,
    14,
    12,
    10,
    24,
    18,
    26,
    16,
    20,
    12,
    12,
    6,
    4,
    2,
    1,
    1,
)  # how much begins in each
UNKNOWN_SIZE = 5.0  # HD connections: what Headroom expects of a meeting of which nothing is known
NODE_HD = 15
SPARE = 1.3  # more overflow capacity than the highest peak needs, so that a call turned away came too early for it
MEAN_MEETING = 8.0  # people
FAILING = 0.05  # the largest share of starts that EC2 refuses, of those that are slow, and of those that hang
OVERFLOWS = (0.2, 0.45)  # share of the calls that the always-on nodes alone would turn away
type Joins = Callable[[random.Random], float]  # minutes after a meeting's start


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a site is like."""

    people: float  # that begin a call or join a meeting, on a usual day
    in_meetings: float  # share of them
    booked: float  # share of the meetings
    knows_sizes: bool
    no_shows: float
    attendance: tuple[float, float]  # share of the invited who come: mean and spread
    joins: Joins
    on_the_hour: float  # how much more begins on the hour than on the half-hour
    mean_call: float  # seconds
    curve: tuple[float, ...]  # how much begins in each half-hour
    by_weekday: tuple[float, ...]
    busy: float  # how far days differ
    growth: float = 0.0  # a week
    surges: float = 0.0  # a day
    together: bool = False  # lessons: all meetings of a half-hour begin and end together, and each day is alike
    breaks: bool = False  # a week in which few come, and some holidays
    second: float = 0.0  # share of the callers in a second principal location, which overflows into the same one
    begins: date = FIRST
    zone: str = "Europe/Stockholm"


def _joining(dice: random.Random) -> Joins:
    """Draw how people join: around the start with latecomers, on a straight ramp, or in a burst before it."""
    kind = dice.choice(("around", "ramp", "burst"))
    middle, spread, late = dice.uniform(-1, 1), dice.uniform(0.5, 2.5), dice.uniform(0, 0.15)
    early, long = dice.uniform(1, 5), dice.uniform(1, 8)

    def around(each: random.Random) -> float:
        return each.expovariate(1 / 8) if each.random() < late else each.gauss(middle, spread)

    def ramp(each: random.Random) -> float:
        return each.uniform(-early, long)

    def burst(each: random.Random) -> float:
        return each.expovariate(1 / 5) if each.random() < late else each.uniform(-early, 0)

    return {"around": around, "ramp": ramp, "burst": burst}[kind]


def _usual(dice: random.Random) -> Traits:
    """Draw a site of which nothing is given."""
    return Traits(
        people=dice.uniform(600, 1800),
        in_meetings=dice.uniform(0.5, 0.95),
        booked=dice.choice((0.0, dice.uniform(0.3, 1.0), 1.0)),
        knows_sizes=dice.choice((True, False)),
        no_shows=dice.uniform(0, 0.2),
        attendance=(dice.uniform(0.6, 1.0), dice.uniform(0.1, 0.3)),
        joins=_joining(dice),
        on_the_hour=dice.uniform(1, 3),
        mean_call=dice.uniform(600, 2700),
        curve=tuple(max(0.2, each * dice.lognormvariate(0, 0.3)) for each in BASE),
        by_weekday=tuple(dice.uniform(0.75, 1.2) for _ in range(5)),
        busy=dice.uniform(0.04, 0.15),
    )


FAMILIES: dict[str, Callable[[random.Random], Traits]] = {
    "calls": lambda dice: replace(_usual(dice), in_meetings=0.0, booked=0.0),
    "meetings, booked": lambda dice: replace(_usual(dice), booked=dice.uniform(0.7, 1.0)),
    "meetings, some booked": lambda dice: replace(_usual(dice), booked=dice.uniform(0.2, 0.6)),
    "meetings, no calendar": lambda dice: replace(_usual(dice), booked=0.0, in_meetings=dice.uniform(0.6, 0.95)),
    "lessons": lambda dice: replace(
        _usual(dice), together=True, booked=dice.choice((0.0, 1.0)), in_meetings=0.9, busy=0.04, no_shows=0.05
    ),
    "surges": lambda dice: replace(_usual(dice), surges=dice.uniform(0.2, 1.0), in_meetings=dice.uniform(0, 0.5)),
    "a site that grows": lambda dice: replace(_usual(dice), growth=0.03),
    "holidays and breaks": lambda dice: replace(_usual(dice), breaks=True),
    "two locations": lambda dice: replace(_usual(dice), second=dice.uniform(0.25, 0.5)),
    # The 29th of March is in its last weeks
    "clocks that change": lambda dice: replace(_usual(dice), begins=date(2026, 1, 26)),
}


def cases_of_families(days: int = PLAYED) -> list[Callable[..., Work]]:
    """Return one maker of work a family, of at most `PLAYED` days; it takes `seed`."""
    return [partial(of_family, name, played=min(days, PLAYED)) for name in FAMILIES]


def of_family(name: str, *, seed: int, played: int = PLAYED) -> Work:
    """Draw a site of a family, its days of history and those that are played."""
    dice = random.Random(f"{name} {seed}")
    traits = FAMILIES[name](dice)
    calendar = (traits.begins + timedelta(days=n) for n in range(2 * (HISTORY + PLAYED)))
    days = [day for day in calendar if day.weekday() < len(traits.by_weekday)][: HISTORY + played]
    off = _off(dice, days) if traits.breaks else {}
    drawn = [_day(traits, day, seed, name, off.get(day, 1.0), (day - days[0]).days / 7) for day in days]
    shown, places = drawn[HISTORY:], [PRINCIPAL, SECOND][: 1 + (traits.second > 0)]
    peak = sum(max(_peak([call for call in calls if call.location == place]) for calls, _ in shown) for place in places)
    always_on = _always_on([calls for calls, _ in shown], dice.uniform(*OVERFLOWS))
    nodes = ceil(SPARE * (peak - always_on) / NODE_HD) + 2
    return Work(
        name=name,
        zone=traits.zone,
        platform=Platform(always_on=always_on, nodes=nodes, node_hd=NODE_HD, second=round(traits.second * always_on)),
        calls=tuple(call for calls, _ in shown for call in calls),
        bookings=tuple(booking for _, bookings in shown for booking in bookings),
        history=tuple(
            sample
            for calls, bookings in drawn[:HISTORY]
            for place in places
            for sample in samples_of(calls, _share(bookings, traits, place), place, traits.zone)
        ),
        failing=Failing(refused=dice.uniform(0, FAILING), slow=dice.uniform(0, FAILING), hung=dice.uniform(0, FAILING)),
    )


def _share(bookings: list[Booking], traits: Traits, place: str) -> list[Booking]:
    """Return the part of each meeting that comes from one location, as Headroom expects it."""
    part = traits.second if place == SECOND else 1 - traits.second
    return [booking.share(part) for booking in bookings]


def _off(dice: random.Random, days: list[date]) -> dict[date, float]:
    """Draw a week and three days in which few come, one of them while it is played."""
    week = dice.randrange(1, HISTORY // 5) * 5
    found = dict.fromkeys(days[week : week + 5], 0.15)
    return found | {
        days[dice.randrange(HISTORY)]: 0.1,
        days[dice.randrange(HISTORY)]: 0.2,
        days[HISTORY + dice.randrange(len(days) - HISTORY)]: 0.1,
    }


def _always_on(days: list[list[Call]], overflows: float) -> int:
    """Return how many HD connections turn away that share of the calls, where there is nothing else."""
    offered = sum(map(len, days))
    return bisect_left(range(1000), -overflows, key=lambda hd: -sum(lost(calls, hd) for calls in days) / offered)


def _peak(calls: list[Call]) -> int:
    changes = sorted([(call.at, 1) for call in calls] + [(call.at + call.seconds, -1) for call in calls])
    return max(accumulate(change for _, change in changes))


def _day(
    traits: Traits, day: date, seed: int, name: str, share: float, weeks: float
) -> tuple[list[Call], list[Booking]]:
    dice = random.Random(f"{name} {seed} {day}")
    level = (
        traits.by_weekday[day.weekday()] * dice.lognormvariate(0, traits.busy) * share * (1 + traits.growth) ** weeks
    )
    whole, here = sum(traits.curve), ZoneInfo(traits.zone)
    calls: list[Call] = []
    bookings: list[Booking] = []
    for slot, weight in zip(HALF_HOURS, traits.curve, strict=True):
        begins, wanted = datetime.combine(day, slot, here), level * traits.people * weight / whole
        hour = traits.on_the_hour / (1 + traits.on_the_hour) * 2 if slot.minute == 0 else 2 / (1 + traits.on_the_hour)
        calls += _unplanned(
            dice, begins.timestamp(), (1 - traits.in_meetings) * wanted, traits.mean_call, f"{day} {slot}"
        )
        left = traits.in_meetings * wanted * hour
        number, length = 0, dice.choices([each for each, _ in LENGTHS], [part for _, part in LENGTHS])[0]
        while left > 0 and dice.random() < left / (MEAN_MEETING / 2):
            size = min(max(2, round(dice.lognormvariate(1.9, 0.7))), 60)
            left, number = left - size, number + 1
            minutes = (
                length
                if traits.together
                else dice.choices([each for each, _ in LENGTHS], [part for _, part in LENGTHS])[0]
            )
            ends = begins + timedelta(minutes=minutes)
            if dice.random() < traits.booked:
                bookings.append(Booking(begins=begins, ends=ends, hd=size if traits.knows_sizes else UNKNOWN_SIZE))
            if dice.random() >= traits.no_shows:
                calls += _attended(traits, dice, begins, ends, size, f"{day} {slot} {number}")
    for _ in range(_poisson(dice, traits.surges)):
        at = datetime.combine(day, time(9), here).timestamp() + dice.uniform(0, 8 * 3600)
        calls += _surge(dice, at, dice.uniform(0.01, 0.04) * traits.people * level, f"{day} surge {at:.0f}")
    if traits.second:
        calls = [replace(call, location=SECOND) if dice.random() < traits.second else call for call in calls]
    return sorted(calls, key=lambda call: call.at), bookings


def _poisson(dice: random.Random, mean: float) -> int:
    count, at = 0, dice.expovariate(1)
    while at < mean:
        count, at = count + 1, at + dice.expovariate(1)
    return count


def _unplanned(dice: random.Random, begins: float, wanted: float, mean: float, name: str) -> Iterator[Call]:
    for number in range(_poisson(dice, wanted)):
        at = begins + dice.uniform(0, 30 * MINUTE)
        yield Call(at=at, conference=f"{name} ad hoc {number // 2}", location=PRINCIPAL, seconds=lognormal(dice, mean))


def _attended(
    traits: Traits, dice: random.Random, begins: datetime, ends: datetime, size: int, name: str
) -> Iterator[Call]:
    for _ in range(max(1, round(size * dice.gauss(*traits.attendance)))):
        joins = begins.timestamp() + MINUTE * traits.joins(dice)
        leaves = max(joins + MINUTE, ends.timestamp() + dice.gauss(-60, 90))
        yield Call(at=joins, conference=name, location=PRINCIPAL, seconds=leaves - joins)


def _surge(dice: random.Random, at: float, people: float, name: str) -> Iterator[Call]:
    for number in range(round(people)):
        joins = at + dice.expovariate(1 / 240)
        yield Call(at=joins, conference=f"{name} {number // 4}", location=PRINCIPAL, seconds=lognormal(dice, 1200))
