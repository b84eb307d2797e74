"""How well forecasts turned out: what each plan said of a location, beside what came; and what is learned from that.

A plan says how far a load may rise within a boot (`Told`). Once a night `counts_of` compares what was said with the samples of
the day, but for what people had announced. From the counts of eight weeks follow how wide forecasts must be to be as sure as
they say (`errors_of`), how much of what bookings, past days and the trend say is believed (`trust_of`), and how often they
held (`held_of`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, log

from headroom.domain.demand.errors import GRID, NORMAL, Errors
from headroom.domain.demand.told import Told
from headroom.domain.demand.turned_away import GAP, Sample

DAYS_COUNTED = 56
AS_NORMAL = 600.0  # forecasts that the assumption of a normal distribution counts as: about four days of them
SOURCES = {"bookings": "booked meetings", "profile": "past days", "trend": "trends"}
# Days to come exceed forecasts so much more often than the days that were counted: measured on lab loads
TO_COME = 1.25
HALF_LIFE = 28.0  # days after which what was counted counts half
WEEK = 7  # days
MISLEADS = 0.8  # what a source says is believed whole unless the last week calls for less than this share of it
LEAST = 0.25  # share of it that is always believed
SLIGHT = 2000.0  # squared HD connections: what was said in a week must be more than that to say much of a source
FEWEST_DAYS = 3.0  # days that the assumption that a source is right counts as


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How the forecasts of one day turned out, of those in which one source led.

    Of `told` forecasts, which said to be `sure` on average, `held` held. The load exceeded their means by `bias` on average.
    `short` is how many HD connections were missing in all, by minute; `spare` how many were ready in vain. `beyond` says how many
    exceeded the mean by more than each of `GRID`'s deviations. `booked` and `others` are for `trust_of`: the sum of squares of
    what that source said, and of its products with what came beyond the mean.
    """

    day: date
    source: str
    told: int
    sure: float
    held: int
    bias: float
    short: float
    spare: float
    windows: float
    beyond: tuple[int, ...]
    booked: tuple[float, float]
    others: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How often forecasts held: those in which one source led, or all (`source` is empty).

    `sure` is what they said on average, `held` what came true, both as a share of `told`. The load exceeded their means by
    `bias` HD connections on average; `short` HD connections were missing in all, `spare` were ready in vain, by the minute.
    """

    source: str
    told: int
    sure: float
    held: float
    bias: float
    short: float
    spare: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What share of what each source says is believed; 1 is all of it."""

    bookings: float = 1.0
    profile: float = 1.0
    trend: float = 1.0


BELIEVED = Trust()


def counts_of(samples: Sequence[Sample], day: date) -> Iterator[Count]:
    """Yield how the forecasts of one location's day turned out, by source; the samples are those of that day, in order."""
    by_source: dict[str, list[tuple[Told, float]]] = defaultdict(list)
    for number, sample in enumerate(samples):
        if sample.told is not None and sample.told.most >= 1 and not (sample.told.said or sample.said):
            risen = _risen(samples, number, sample.told)
            if risen is not None:
                by_source[sample.told.source].append((sample.told, risen))
    for source, found in sorted(by_source.items()):
        yield _count(day, source, found)


def _risen(samples: Sequence[Sample], number: int, told: Told) -> float | None:
    """Return how far the load rose within the time that was spoken of; None if that is not known."""
    begin = samples[number]
    until = begin.at + timedelta(minutes=told.minutes)
    before, most, was_full = begin, None, begin.full
    for sample in samples[number + 1 :]:
        if sample.at > until or sample.at - before.at > GAP:
            break
        before, was_full = sample, was_full or sample.full
        most = sample.used if most is None else max(most, sample.used)
    if most is None or until - before.at > GAP / 2:
        return None
    risen = most - begin.used
    return None if was_full and risen <= told.most else risen  # more might have come


def _count(day: date, source: str, found: Sequence[tuple[Told, float]]) -> Count:
    left = [(told, risen, risen - told.mean) for told, risen in found]
    scores = [error / max(told.deviation, 0.5) for told, _, error in left]
    number = len(found)
    return Count(
        day=day,
        source=source,
        told=number,
        sure=round(sum(told.sure for told, _ in found) / number, 4),
        held=sum(risen <= told.most for told, risen in found),
        bias=round(sum(error for _, _, error in left) / number, 2),
        short=round(sum(max(0.0, risen - told.most) for told, risen in found), 1),
        spare=round(sum(max(0.0, told.most - max(0.0, risen)) for told, risen in found), 1),
        windows=round(sum(1 / told.minutes for told, _ in found), 2),
        beyond=tuple(sum(score > grid for score in scores) for grid in GRID),
        booked=_fit((told.booked, told.believed[0], error) for told, _, error in left if _is_booked(told)),
        others=_fit(
            (told.mean - told.booked, told.believed[1], error) for told, _, error in left if not _is_booked(told)
        ),
    )


def _is_booked(told: Told) -> bool:
    """Say whether the larger part was booked: an error is that part's, not both parts'."""
    return abs(told.booked) > abs(told.mean - told.booked)


def _fit(parts: Iterable[tuple[float, float, float]]) -> tuple[float, float]:
    """Sum squares of what a source says, and its products with the error that believing it whole would have made."""
    squares = products = 0.0
    for said, believed, error in parts:
        whole = said / believed
        squares += whole * whole
        products += whole * (error + said - whole)
    return round(squares, 1), round(products, 1)


def errors_of(counts: Iterable[Count], today: date) -> Errors:
    """Return how errors are distributed, by the counts of past days; what is not known yet is taken for normal."""
    windows, beyond = AS_NORMAL, [AS_NORMAL * (1 - NORMAL.cdf(each)) for each in GRID]
    for count in counts:
        if len(count.beyond) != len(GRID) or count.told <= 0 or not 0 < (today - count.day).days <= DAYS_COUNTED:
            continue  # another version counted it, or its day is none that could have been counted
        weight = exp(-log(2) * (today - count.day).days / HALF_LIFE) * count.windows / count.told
        windows += weight * count.told
        beyond = [sofar + weight * more for sofar, more in zip(beyond, count.beyond, strict=True)]
    if windows <= AS_NORMAL:
        return Errors()
    return Errors(tuple(round(min(1.0, TO_COME * each / windows), 6) for each in beyond))


def trust_of(counts: Iterable[Count], today: date) -> Trust:
    """Return what share of what each source says is to be believed, by the counts of the last week.

    It is the share that would have fitted best; a source that fits within a fifth is believed whole.
    """
    lately = of_last_week(counts, today)
    trend = [count for count in lately if count.source == "trend"]
    others = [count for count in lately if count.source != "trend"]
    return Trust(
        bookings=_share([count.booked for count in others]),
        profile=_share([count.others for count in others]),
        trend=_share([count.others for count in trend]),
    )


def _share(fits: Sequence[tuple[float, float]]) -> float:
    squares, products = (sum(each) for each in zip(*fits, strict=True)) if fits else (0.0, 0.0)
    days = sum(1.0 for square, _ in fits if square > 0)
    if squares <= 0:
        return 1.0
    best = 1.0 + products / (squares + SLIGHT) * days / (days + FEWEST_DAYS)
    return 1.0 if best >= MISLEADS else round(max(LEAST, best), 3)


def of_last_week(counts: Iterable[Count], today: date) -> list[Count]:
    """Return the counts of the week before today."""
    return [count for count in counts if 0 < (today - count.day).days <= WEEK]


def held_of(counts: Sequence[Count]) -> Iterator[Held]:
    """Yield how often the forecasts of some days held: all of them first, then by source."""
    for source in ("", *sorted({count.source for count in counts})):
        here = [count for count in counts if source in {"", count.source}]
        told = sum(count.told for count in here)
        if told:
            yield Held(
                source=source,
                told=told,
                sure=round(sum(count.sure * count.told for count in here) / told, 4),
                held=round(sum(count.held for count in here) / told, 4),
                bias=round(sum(count.bias * count.told for count in here) / told, 2),
                short=round(sum(count.short for count in here), 1),
                spare=round(sum(count.spare for count in here), 1),
            )


def in_words(held: Sequence[Held]) -> str:
    """Say how often forecasts held, in an operator's words; empty where nothing was counted."""
    if not held:
        return ""
    every, *by_source = held
    each = ", ".join(f"{SOURCES.get(one.source, one.source)} {100 * one.held:.1f} %" for one in by_source)
    return f"said {100 * every.sure:.1f} %, was {100 * every.held:.1f} % of {every.told:,} forecasts ({each})"
