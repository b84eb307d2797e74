"""The loads that policies are measured on, each on a platform of its own size."""

import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

from headroom_replay.load import Trace, TraceError, read_trace
from headroom_replay.work import Platform, Work, of_counts, of_meetings

FOR_CALLS, FOR_MEETINGS = Platform(always_on=80, nodes=13), Platform(always_on=80, nodes=16)
# A smaller site in another zone. Use `headroom replay` for traces of your own.
SIZES = {"technion_bank_calls_6min": (Platform(always_on=40, nodes=9), "Asia/Jerusalem")}

STEP = timedelta(minutes=5)
WEEKS, FIRST = 14, date(2026, 1, 5)  # a Monday
BY_HOUR = {
    7: 2,
    8: 9,
    9: 30,
    10: 22,
    11: 24,
    12: 12,
    13: 22,
    14: 24,
    15: 20,
    16: 14,
    17: 6,
    18: 2,
    19: 0,
}  # arrivals a step
BY_WEEKDAY = (1.15, 1.05, 1.0, 1.0, 0.75)
HOLIDAYS = frozenset({date(2026, 2, 16), date(2026, 4, 3)})
BUSY, QUIET = 0.12, 0.15  # how far days differ; the share of a workday that a holiday has


def synthetic() -> Trace:
    """Fourteen weeks of workdays with a nine o'clock rush, a lunch, days that differ, and two holidays."""
    counts: dict[date, list[tuple[datetime, int]]] = {}
    for number in range(7 * WEEKS):
        day = FIRST + timedelta(days=number)
        if day.weekday() < len(BY_WEEKDAY):
            dice = random.Random(f"synthetic {day}")
            level = BY_WEEKDAY[day.weekday()] * dice.lognormvariate(0, BUSY) * (QUIET if day in HOLIDAYS else 1)
            counts[day] = [(at, dice.binomialvariate(1000, level * wanted / 1000)) for at, wanted in _curve(day)]
    return Trace(name="synthetic", step=STEP, counts=counts)


def _curve(day: date) -> list[tuple[datetime, float]]:
    points: list[tuple[datetime, float]] = []
    for (hour, height), (_, following) in pairwise(BY_HOUR.items()):
        begins = datetime.combine(day, time(hour))
        steps = int(timedelta(hours=1) / STEP)
        points += [(begins + step * STEP, height + (following - height) * step / steps) for step in range(steps)]
    return points


def cases_of(traces: Path | None, days: int) -> list[Callable[..., Work]]:
    """Return one maker of work a case: the calls of each trace, and meetings over its daily curve; it takes `seed`.

    Raise TraceError where a directory has no trace.
    """
    found = [read_trace(path) for path in sorted(traces.glob("*.csv"))] if traces else [synthetic()]
    if not found:
        raise TraceError(f"There is no trace in {traces}: give a directory with .csv files of timestamp,arrivals.")
    cases: list[Callable[..., Work]] = []
    for trace in found:
        size, zone = SIZES.get(trace.name, (FOR_CALLS, "UTC"))
        cases.append(partial(of_counts, trace, size, days=days, zone=zone))
        cases.append(partial(of_meetings, trace, FOR_MEETINGS, days=days, zone=zone))
    return cases
