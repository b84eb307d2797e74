"""How often forecasts hold after some weeks: a site is forecast and learned day after day, and nothing is started."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.table import Table

from headroom.domain.demand.calibration import Count, Held, held_of
from headroom.domain.demand.forecasting import (
    BEFORE,
    MINUTE,
    Booking,
    Foresight,
    Outlook,
    Profile,
    learn,
    near,
    outlook,
    quarter_of,
    with_habits,
)
from headroom.domain.demand.habits import RECENT
from headroom.domain.demand.lately import smoothed
from headroom.domain.demand.told import Told
from headroom.domain.demand.turned_away import Sample
from headroom_replay.families import of_family
from headroom_replay.production import profiles_of
from headroom_replay.work import samples_of

LEARNED, JUDGED = 40, 10  # workdays: eight weeks, and two
AHEAD, FURTHEST = 6, 14 * MINUTE  # minutes of a boot and a tick; with what a plan looks at beyond
EVERY, HOURS = 2, range(6, 21)  # minutes from one forecast to the next; hours of the day in which they are made
HABITS_EVERY = 5  # days: learning them takes as long as all the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What the forecasts of a family's site said, and how often they held, over the days after eight weeks."""

    family: str
    seed: int
    held: Held


def covered(family: str, seed: int, sure: float = 0.99) -> Covered:
    """Forecast eight weeks of a site that a seed draws, then judge the forecasts of two more."""
    work = of_family(family, seed=seed, played=LEARNED + JUDGED)
    here, profile = ZoneInfo(work.zone), profiles_of(work)[0]
    bookings = sorted(work.bookings, key=lambda each: each.begins)
    counts: list[Count] = []
    samples = samples_of(work.calls, work.bookings, profile.location, work.zone)
    for number, (day, of_day) in enumerate(groupby(samples, key=lambda sample: sample.at.astimezone(here).date())):
        told = list(_told(list(of_day), profile, bookings, sure))
        habits = profile.habits
        profile = learn(profile, told, day)
        counts += (count for count in profile.counts if count.day == day)
        profile = with_habits(profile) if number % HABITS_EVERY == 0 else replace(profile, habits=habits)
    judged = sorted({count.day for count in counts})[-JUDGED:]
    return Covered(family=family, seed=seed, held=next(held_of([each for each in counts if each.day in judged])))


def _told(samples: Sequence[Sample], profile: Profile, bookings: Sequence[Booking], sure: float) -> Iterator[Sample]:
    """Yield the samples of a day with what a forecast says at each of them."""
    here, cut, lately = ZoneInfo(profile.zone), None, samples[0].used
    for number, sample in enumerate(samples):
        lately = smoothed(lately, sample.used, MINUTE)
        local = sample.at.astimezone(here)
        if number < RECENT or number % EVERY or local.hour not in HOURS:
            yield sample
            continue
        if cut is None or quarter_of(sample.at) != cut.begins + BEFORE * MINUTE:
            cut = outlook(profile, sample.at)
        yield replace(sample, told=_said(sample, samples[number - RECENT], lately, cut, bookings, sure))


def _said(now: Sample, before: Sample, lately: float, cut: Outlook, bookings: Sequence[Booking], sure: float) -> Told:
    recent = now.used - before.used - cut.attendance * (now.booked - before.booked)
    foresight = Foresight(cut, now.used, near(bookings, now.at), now.at, FURTHEST, lately=lately, recent=recent)
    rise = foresight.within(AHEAD * MINUTE)
    most = rise.at_most(sure)
    return Told(
        source="bookings" if rise.announced > most / 2 else "profile",
        minutes=AHEAD,
        mean=rise.mean,
        deviation=rise.deviation,
        most=most,
        sure=sure,
        booked=rise.announced,
        believed=(foresight.trust.bookings, foresight.trust.profile),
    )


def coverage_table(found: Sequence[Covered]) -> Table:
    """Return one line a site."""
    table = Table(title=f"Forecasts after {LEARNED} workdays, judged over {JUDGED} more", box=SIMPLE_HEAD)
    for title in ("family", "draw", "said", "held", "forecasts", "missing a forecast", "in vain a forecast"):
        table.add_column(title, justify="left" if title == "family" else "right")
    for each in found:
        held = each.held
        shares = (f"{100 * held.sure:.1f} %", f"{100 * held.held:.2f} %", f"{held.told:,}")
        table.add_row(
            each.family, str(each.seed), *shares, f"{held.short / held.told:.3f}", f"{held.spare / held.told:.2f}"
        )
    return table
