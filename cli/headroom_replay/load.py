"""Load to play: a synthetic but lifelike weekday of meetings, or calls drawn from a trace of arrival counts."""

import csv
import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from headroom_replay.world import Call

# People expected at each slot of a busy weekday, by meetings that begin then: the nine o'clock rush stands out.
MEETINGS = {
    "07:00": 6, "07:30": 10, "08:00": 22, "08:30": 30, "09:00": 150, "09:30": 42, "10:00": 38, "10:30": 30,
    "11:00": 70, "11:30": 30, "12:00": 14, "12:30": 16, "13:00": 90, "13:30": 40, "14:00": 85, "14:30": 35,
    "15:00": 70, "15:30": 25, "16:00": 35, "16:30": 12, "17:00": 6,
}  # fmt: skip
LENGTHS = ((30, 0.45), (45, 0.10), (60, 0.38), (90, 0.07))  # minutes, share of meetings
NO_SHOWS = 0.1
FOUR_WEEKS = 28
AD_HOC_PER_MINUTE = 0.25
MEAN_CALL, MEAN_AD_HOC = 45 * 60.0, 14 * 60.0  # seconds


class TraceError(Exception):
    """The trace cannot be played; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A meeting that was booked, whether or not anybody comes: its room, when it is, how many are invited."""

    room: str
    begins: float
    ends: float
    size: int


def meetings_day(
    day: date, zone: ZoneInfo, location: str, seed: int, scale: float = 1.0
) -> tuple[list[Call], list[Booked]]:
    """Return a weekday's calls, meetings on the hour and half-hour and ad-hoc calls between, and the bookings of those."""
    dice = random.Random(f"{seed} {day}")
    calls: list[Call] = []
    booked: list[Booked] = []
    for slot, people in MEETINGS.items():
        begin = datetime.combine(day, time.fromisoformat(slot), zone).timestamp()
        left, number = people * scale * dice.uniform(0.9, 1.1), 0
        while left > 0:
            size = min(max(2, round(dice.lognormvariate(1.6, 0.6))), 28)
            left -= size
            number += 1
            name, minutes = f"meeting {slot} #{number}", LENGTHS[0][0]
            if dice.random() >= NO_SHOWS:
                [minutes] = dice.choices([length for length, _ in LENGTHS], [share for _, share in LENGTHS])
                calls += _meeting(dice, begin, minutes, name, location, size)
            booked.append(Booked(name, begin, begin + 60 * minutes, size))
    calls += _ad_hoc(dice, day, zone, location, scale)
    return sorted(calls, key=lambda call: call.at), booked


def _meeting(dice: random.Random, begin: float, minutes: int, name: str, location: str, size: int) -> Iterator[Call]:
    end = begin + 60 * minutes + dice.gauss(-60, 120)
    for _ in range(size):
        joins = begin + 60 * dice.triangular(-2, 6, 0.5)
        leaves = max(joins + 60, end + dice.gauss(0, 40))
        yield Call(at=joins, conference=name, location=location, seconds=leaves - joins)


def _ad_hoc(dice: random.Random, day: date, zone: ZoneInfo, location: str, scale: float) -> Iterator[Call]:
    at = datetime.combine(day, time(7), zone).timestamp()
    until, number = at + 11 * 3600, 0
    while True:
        at += dice.expovariate(AD_HOC_PER_MINUTE * scale / 60)
        if at > until:
            return
        number += 1
        for _ in range(dice.choice((1, 2, 2, 3))):
            seconds = lognormal(dice, MEAN_AD_HOC)
            yield Call(at=at + dice.uniform(0, 60), conference=f"ad hoc {number}", location=location, seconds=seconds)


def lognormal(dice: random.Random, mean: float) -> float:
    """A duration with that mean and a coefficient of variation of 1."""
    return max(30.0, mean * dice.lognormvariate(-0.3466, 0.8326))


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrivals counted over equal steps."""

    name: str
    step: timedelta
    counts: dict[date, list[tuple[datetime, int]]]

    @property
    def days(self) -> list[date]:
        """Days with any arrivals."""
        return sorted(day for day, counts in self.counts.items() if any(count for _, count in counts))


def last_days(days: Iterable[date], number: int | None, what: object) -> list[date]:
    """Return the last days of a load; 0 is all, None is four weeks or what there is. Raise TraceError if there are fewer."""
    found = sorted(set(days))
    if number and len(found) < number:
        raise TraceError(f"{what} has {len(found)} days with calls, but {number} were asked for.")
    return found[-(FOUR_WEEKS if number is None else number) :]


def read_trace(path: Path) -> Trace:
    """Read a file of `timestamp,arrivals`; raise TraceError if it is not one."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(datetime.fromisoformat(row["timestamp"]), int(row["arrivals"])) for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise TraceError(f"There is no file {path}.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError(f"{path} is not a trace of «timestamp,arrivals» rows: {error!r}.") from error
    if len(rows) < 2:  # noqa: PLR2004 - a step needs two
        raise TraceError(f"{path} has no rows.")
    counts: dict[date, list[tuple[datetime, int]]] = {}
    for at, count in rows:
        counts.setdefault(at.date(), []).append((at, count))
    return Trace(name=path.stem, step=rows[1][0] - rows[0][0], counts=counts)


def trace_day(trace: Trace, day: date, zone: ZoneInfo, location: str, seed: int, always_on: int) -> list[Call]:
    """Return one day's calls, scaled as the whole trace is; raise TraceError for a day it does not have."""
    if day not in trace.counts:
        raise TraceError(f"{trace.name} has no {day}; it runs from {min(trace.counts)} to {max(trace.counts)}.")
    return calls_of_day(trace, day, zone, location, seed, scale_of(trace, seed, always_on))


def scale_of(trace: Trace, seed: int, always_on: int, rejected: float = 0.40) -> float:
    """Return the factor at which the always-on nodes alone would turn away that share of the trace's calls."""
    days = trace.days
    chosen = days[:: max(1, len(days) // 12)]

    def draw(scale: float) -> list[list[Call]]:
        return [calls_of_day(trace, day, ZoneInfo("UTC"), "", seed, scale) for day in chosen]

    return scale_to(draw, always_on, rejected)


def scale_to(draw: Callable[[float], list[list[Call]]], servers: int, rejected: float) -> float:
    """Return the factor at which `servers` HD connections turn away the share `rejected` of the drawn calls."""
    low, high = 0.001, 16.0
    for _ in range(12):
        middle = (low * high) ** 0.5
        offered = draw(middle)
        share = sum(lost(calls, servers) for calls in offered) / max(1, sum(map(len, offered)))
        low, high = (middle, high) if share < rejected else (low, middle)
    return low


def calls_of_day(trace: Trace, day: date, zone: ZoneInfo, location: str, seed: int, scale: float) -> list[Call]:
    """Draw one day's calls: each count times `scale`, uniformly over its step, with lognormal lengths."""
    dice = random.Random(f"{seed} {day}")
    calls: list[Call] = []
    for at, count in trace.counts[day]:
        begin = at.replace(tzinfo=zone).timestamp()
        wanted = count * scale
        number = int(wanted) + (dice.random() < wanted % 1)
        for _ in range(number):
            moment = begin + dice.uniform(0, trace.step.total_seconds())
            name = f"call {len(calls) + 1}"
            seconds = lognormal(dice, MEAN_CALL)
            calls.append(Call(at=moment, conference=name, location=location, seconds=seconds))
    return sorted(calls, key=lambda call: call.at)


def lost(calls: Sequence[Call], servers: int) -> int:
    """Return how many calls that many HD connections turn away."""
    ends: list[float] = []
    turned_away = 0
    for call in calls:
        while ends and ends[0] <= call.at:
            heapq.heappop(ends)
        if len(ends) < servers:
            heapq.heappush(ends, call.at + call.seconds)
        else:
            turned_away += 1
    return turned_away
