"""How today's surprises continue at a site: learned once a night from how those of past days continued.

A day may stand above its usual load, or may have risen more than usual in the last minutes. Does that go on, or was the rush
only early? A regression answers it for each minute of a half-hour, as meetings begin on the hour and on the half-hour: before a
rush a high load says much, in its middle a steep rise says more, and at its end neither does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sumprod
from operator import sub
from statistics import fmean, median

PHASES = 30  # minutes of a half-hour
HORIZONS = (2, 4, 7, 11, 15)  # minutes ahead that are learned; those between are interpolated
RECENT = 5  # minutes over which a rise is called recent
DAYS = 20  # newest days that are learned from
FEWEST = 5  # days needed
CAUTION = 0.1  # share by which a slope is drawn towards zero
ODD = 0.4  # a day with less than this share of the usual load was a holiday, and says nothing of other days


@dataclass(frozen=True, slots=True)
class Slopes:
    """How many HD connections more follow, for each by which the recent rise, and the load, exceed the usual."""

    recent: float
    level: float


type Habits = tuple[tuple[Slopes, ...], ...]  # by horizon, then by minute of the half-hour
NO_SLOPES = Slopes(0.0, 0.0)


def habits_of(days: Iterable[Sequence[float]]) -> Habits:
    """Learn from days, the newest first, each with the unannounced load at every minute; empty if there are too few."""
    newest = [day for day, _ in zip(days, range(DAYS), strict=False)]
    usual = median(map(sum, newest)) if newest else 0.0
    ordinary = [day for day in newest if sum(day) >= ODD * usual]
    if len(ordinary) < FEWEST or usual <= 0:
        return ()
    recent = _by_phase(_beyond_the_usual([_recent_rises(day) for day in ordinary]))
    level = _by_phase(_beyond_the_usual(ordinary))
    return tuple(
        tuple(map(_slopes, recent, level, _by_phase(_beyond_the_usual(follows)))) for follows in _rises(ordinary)
    )


def _by_phase(days: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return what each minute of the half-hour has, over all days and half-hours."""
    return [[each for day in days for each in day[phase::PHASES]] for phase in range(PHASES)]


def _recent_rises(day: Sequence[float]) -> list[float]:
    return [0.0] * RECENT + [later - earlier for earlier, later in zip(day, day[RECENT:], strict=False)]


def _rises(days: Sequence[Sequence[float]]) -> list[list[list[float]]]:
    """Return for each horizon and day how far the load rises within it, from every minute on."""
    found: list[list[list[float]]] = []
    highest = [[0.0] * len(day) for day in days]
    for minutes in range(1, HORIZONS[-1] + 1):
        for number, day in enumerate(days):
            ahead = [*day[minutes:], *([day[-1]] * minutes)]
            risen = list(map(sub, ahead, day))
            highest[number] = risen if minutes == 1 else list(map(max, risen, highest[number]))
        if minutes in HORIZONS:
            found.append([list(rises) for rises in highest])
    return found


def _beyond_the_usual(days: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return each day less the mean of all, minute by minute."""
    usual = [fmean(minute) for minute in zip(*days, strict=True)]
    return [[load - mean for load, mean in zip(day, usual, strict=True)] for day in days]


def _slopes(recent: Sequence[float], level: Sequence[float], follows: Sequence[float]) -> Slopes:
    """Fit both slopes at once by least squares."""
    both, after_recent, after_level = sumprod(recent, level), sumprod(recent, follows), sumprod(level, follows)
    firm = 1.0 + CAUTION
    recents, levels = firm * sumprod(recent, recent) + len(recent), firm * sumprod(level, level) + len(level)
    whole = recents * levels - both * both
    return Slopes(
        recent=round((after_recent * levels - after_level * both) / whole, 3),
        level=round((after_level * recents - after_recent * both) / whole, 3),
    )


def slopes_at(habits: Habits, phase: int, minutes: float) -> Slopes:
    """Return the slopes for so many minutes ahead, at a minute of the half-hour.

    None where nothing is learned, or another version has learned it for other minutes.
    """
    if [len(each) for each in habits] != [PHASES] * len(HORIZONS):
        return NO_SLOPES
    if minutes <= HORIZONS[0]:
        return habits[0][phase]
    for (nearer, here), (farther, there) in pairwise(zip(HORIZONS, habits, strict=True)):
        if minutes <= farther:
            part = (minutes - nearer) / (farther - nearer)
            one, other = here[phase], there[phase]
            return Slopes(one.recent + part * (other.recent - one.recent), one.level + part * (other.level - one.level))
    return habits[-1][phase]
