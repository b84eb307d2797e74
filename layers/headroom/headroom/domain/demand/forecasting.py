"""Say how much the load may rise soon: from days like this one, from bookings, and from the last few minutes.

`learn` adds a day's samples to a profile, once a night. `outlook` cuts the hour and a half around now out of it, once a
quarter of an hour. `Foresight` answers a plan: how far the load of a location may rise within a while (`Rise`), and how
many of those who are there will leave. All loads are HD connections in use by the calls of one principal location,
wherever their media is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import accumulate, zip_longest
from math import ceil, exp, sqrt, sumprod
from operator import add
from statistics import median
from zoneinfo import ZoneInfo

from headroom.domain.demand.calibration import (
    BELIEVED,
    DAYS_COUNTED,
    Count,
    Held,
    Trust,
    counts_of,
    errors_of,
    held_of,
    of_last_week,
    trust_of,
)
from headroom.domain.demand.errors import AS_NORMAL_ERRORS, Errors
from headroom.domain.demand.habits import PHASES, RECENT, Habits, habits_of, slopes_at
from headroom.domain.demand.lately import around_a_quarter
from headroom.domain.demand.told import Rise
from headroom.domain.demand.turned_away import Sample, with_turned_away

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)  # how long an outlook is used
DAY_MINUTES = 1440
DAYS_KEPT = 56  # eight weeks: older habits are forgotten
BEFORE, AFTER = 15, 75  # minutes that an outlook spans around its quarter of an hour
BRIDGED = 5  # minutes without a sample that are taken to be like the last one
HALF_LIFE = 56.0  # days after which a past day counts half
OTHER_WEEKDAY = 0.5  # what a day of another weekday counts, beside 1 for the same
ALIKE = (0.6, 1.6)  # another weekday counts only if its load is between these multiples of this weekday's
ODD = 0.4  # a day with less than this share of its weekday's usual load was a holiday
NEW_GROUND = 15.0  # HD connections added to both before their ratio is taken, so that loads near zero do not dominate
STRETCH = (0.3, 1.5)  # how far a day that is busier or calmer than a past day may stretch its rises
MEAN_CALL = timedelta(minutes=45)
PRIOR_DAYS = 3.0  # weight of the noise of independent calls, in past days
JOINING = (-2.0, 3.5)  # minutes around a meeting's start in which people join; rather too early than too late
COMING_LATE = (-2.0, 15.0)  # how slowly those are taken for come whom people announced: an event may begin late
LEAVING = (-3.0, 1.0)  # minutes around its end in which they leave
SOON, JUST_OVER = timedelta(minutes=40), timedelta(minutes=10)  # how far away a meeting may be to matter to a plan
FARTHEST = 30.0  # HD connections, or a third of the load: a larger surprise is more likely an odd reading
ATTENDANCE_SPREAD = 0.3  # standard deviation of a meeting's attendance, as a share of what is booked
UNSHOWN = 0.45  # share of its variance that is added to what past days show


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A meeting known beforehand: `hd` HD connections expected from `begins` to `ends`.

    `location` is the principal location they come from; empty spreads them over all by their capacity. It may stand for
    several `meetings` at the same time, whose attendance varies less together than that of one as large. `said_by` names the
    person who announced it, by number: it counts as it was said, beside what is learned of meetings.
    """

    begins: datetime
    ends: datetime
    hd: float
    location: str = ""
    meetings: int = 1
    said_by: str = ""

    def at(self, moment: datetime) -> float:
        """HD connections expected at that moment: people join within minutes of the start and leave around the end."""
        joined = _share((moment - self.begins) / MINUTE, JOINING)
        left = _share((moment - self.ends) / MINUTE, LEAVING)
        return self.hd * max(0.0, joined - left)

    def share(self, part: float) -> "Booking":
        """Return the part of it that one of several locations contributes."""
        return replace(self, hd=self.hd * part)


def _share(minutes: float, over: tuple[float, float]) -> float:
    begins, ends = over
    return 0.0 if minutes <= begins else 1.0 if minutes >= ends else (minutes - begins) / (ends - begins)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDay:
    """One local day: the load at each of its 1,440 minutes, None where it is not known, and what was booked."""

    day: date
    used: tuple[float | None, ...]
    booked: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        """A measure of how busy it was."""
        return sum(filter(None, self.used))  # one more of thousands of plans and days: in C


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a location's days: the newest first, in the local time of `zone`.

    `attendance` is the share of booked HD connections that came to be used; `habits` say how surprises continue, and
    `counts` how the forecasts of the last weeks turned out.
    """

    location: str
    zone: str
    days: tuple[PastDay, ...] = ()
    attendance: float = 1.0
    habits: Habits = ()
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of one past day, beside the same minutes of today: the load beyond what was booked, by the minute.

    `lately` is that day's smoothed load at the beginning and at the end of the quarter of an hour.
    """

    day: date
    weight: float
    loads: tuple[float, ...]
    lately: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What past days did around now in one location; `begins` is the moment of the first load of each window.

    `phase` is that moment's minute of the half-hour, by the location's clock. `errors`, `trust` and `held` say how the
    forecasts of the last weeks turned out.
    """

    location: str
    begins: datetime
    windows: tuple[Window, ...] = ()
    attendance: float = 1.0
    habits: Habits = ()
    phase: int = 0
    errors: Errors = AS_NORMAL_ERRORS
    trust: Trust = BELIEVED
    held: tuple[Held, ...] = ()


# Learning, once a night


def learn(profile: Profile, samples: Iterable[Sample], day: date) -> Profile:
    """Return the profile with one more day, made from that day's samples of its location, in any order.

    Samples of other days and locations are left out; a day without any adds nothing. Where nothing was free, those who
    are estimated to have been turned away count as if they had come.
    """
    here = ZoneInfo(profile.zone)
    used: list[float | None] = [None] * DAY_MINUTES
    booked: list[float | None] = [None] * DAY_MINUTES
    ordered = sorted((each for each in samples if each.location == profile.location), key=lambda each: each.at)
    for sample, turned_away in with_turned_away(ordered):
        local = sample.at.astimezone(here)
        if local.date() == day and not sample.said:  # people had announced it: no day is like it
            minute = 60 * local.hour + local.minute
            used[minute] = max(sample.used + turned_away, used[minute] or 0.0)
            booked[minute] = max(sample.booked, booked[minute] or 0.0)
    if all(load is None for load in used):
        return profile
    announced = tuple(load or 0.0 for load in _filled(booked))
    new = PastDay(day=day, used=_filled(used), booked=announced if any(announced) else ())
    days = sorted([new, *(past for past in profile.days if past.day != day)], key=lambda past: past.day, reverse=True)
    kept = tuple(days[:DAYS_KEPT])
    here_today = [each for each in ordered if each.at.astimezone(here).date() == day]
    counted = () if _is_odd(new, kept) else counts_of(here_today, day)
    counts = (*counted, *(count for count in profile.counts if count.day != day))
    return Profile(
        location=profile.location,
        zone=profile.zone,
        days=kept,
        attendance=_attendance(kept),
        counts=tuple(count for count in counts if (day - count.day).days < DAYS_COUNTED),
    )


def _is_odd(new: PastDay, days: Sequence[PastDay]) -> bool:
    """Say whether a day was a holiday by its load: it says nothing of how good forecasts are on ordinary days."""
    same = [past.total for past in days if past.day.weekday() == new.day.weekday() and past.day != new.day]
    return bool(same) and new.total < ODD * median(same)


def with_habits(profile: Profile) -> Profile:
    """Return the profile with what its days say of how surprises continue; once a night, as it takes a while."""
    return replace(profile, habits=habits_of(_unannounced(past, profile.attendance) for past in profile.days))


def _unannounced(past: PastDay, attendance: float) -> list[float]:
    """Return what came beyond what was booked, at every minute; one that is not known repeats the last, as a gap is no rush."""
    found, last = [], 0.0
    for load, announced in zip_longest(past.used, past.booked, fillvalue=0.0):
        last = last if load is None else load - attendance * announced
        found.append(last)
    return found


def _filled(loads: Sequence[float | None]) -> tuple[float | None, ...]:
    """Let a minute without a sample repeat the one before; after `BRIDGED` minutes the load is None."""
    filled: list[float | None] = []
    last, missing = None, 0
    for load in loads:
        missing = 0 if load is not None else missing + 1
        last = load if load is not None else last if missing <= BRIDGED else None
        filled.append(last)
    return tuple(filled)


def _attendance(days: Sequence[PastDay]) -> float:
    """Fit how much the load rises for each HD connection booked, over quarters of an hour."""
    both = squares = 0.0
    for past in days:
        if past.booked:
            for minute in range(0, DAY_MINUTES - 15, 5):
                before, after = past.used[minute], past.used[minute + 15]
                if before is not None and after is not None:
                    announced = past.booked[minute + 15] - past.booked[minute]
                    both += announced * (after - before)
                    squares += announced * announced
    return min(2.0, max(0.0, both / squares)) if squares else 1.0


# Looking ahead, once a tick


def quarter_of(now: datetime) -> datetime:
    """Return the beginning of the quarter of an hour for which an outlook is cut."""
    return now - timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)


def outlook(profile: Profile, now: datetime) -> Outlook:
    """Cut the hour and a half around now out of a profile, with each past day's weight; valid for a quarter of an hour."""
    begins = quarter_of(now) - BEFORE * MINUTE
    local = begins.astimezone(ZoneInfo(profile.zone))
    first, today = 60 * local.hour + local.minute, now.astimezone(ZoneInfo(profile.zone)).date()
    windows = tuple(
        Window(day=past.day, weight=round(weight, 4), loads=loads, lately=around_a_quarter(past.used, first + BEFORE))
        for past, weight in _weighted(profile.days, today)
        if (loads := _cut(past, first, profile.attendance))
    )
    return Outlook(
        location=profile.location,
        begins=begins,
        windows=windows,
        attendance=profile.attendance,
        habits=profile.habits,
        phase=first % PHASES,
        errors=errors_of(profile.counts, today),
        trust=trust_of(profile.counts, today),
        held=tuple(held_of(of_last_week(profile.counts, today))),
    )


def _cut(past: PastDay, first: int, attendance: float) -> tuple[float, ...]:
    """Return the loads from minute `first` on, less what was booked; empty if one of them is not known.

    After midnight they continue with the beginning of the same day, as nights are alike.
    """
    used = _stretch_of(past.used, first)
    booked = _stretch_of(past.booked, first) if past.booked else (0.0,) * len(used)
    known = [load for load in used if load is not None]
    if len(known) < len(used):
        return ()
    if not past.booked:
        return tuple(known)
    return tuple(round(load - attendance * announced, 1) for load, announced in zip(known, booked, strict=True))


def _stretch_of[T](minutes: tuple[T, ...], first: int) -> tuple[T, ...]:
    last = first + BEFORE + 15 + AFTER
    return minutes[first:last] + minutes[: max(0, last - DAY_MINUTES)]


def _weighted(days: Sequence[PastDay], today: date) -> list[tuple[PastDay, float]]:
    """Weigh past days by weekday and age; days unlike this weekday, for example holidays, have no weight."""
    days = [past for past in days if past.day < today]
    same = [past.total for past in days if past.day.weekday() == today.weekday()]
    usual = median(same) if same else median([past.total for past in days]) if days else 0.0
    weighted = []
    for past in days:
        weight = float(0.5 ** ((today - past.day).days / HALF_LIFE))
        if past.day.weekday() == today.weekday():
            weight *= past.total >= ODD * usual
        else:
            weight *= OTHER_WEEKDAY * (ALIKE[0] * usual <= past.total <= ALIKE[1] * usual)
        if weight:
            weighted.append((past, weight))
    return weighted


@dataclass(slots=True)
class _Past:
    """How a past day would continue from now on: its highest rise by each minute, its recent one, and its load, stretched."""

    weight: float
    highest: list[float]
    recent: float
    level: float


class Foresight:
    """How the load of one location may continue from `level`, its present value, over the next minutes."""

    def __init__(
        self,
        outlook: Outlook | None,
        level: float,
        bookings: Sequence[Booking],
        now: datetime,
        furthest: timedelta,
        *,
        lately: float | None = None,
        recent: float | None = None,
    ) -> None:
        """Let each past day continue as it did at this time, scaled to how busy today is, with today's bookings added.

        `lately` is today's smoothed load, `recent` how much more came unannounced in the last `RECENT` minutes.
        """
        self.level = max(level, 0.0)
        self.lately, self.recent = lately, recent
        self.minutes = max(1, ceil(furthest / MINUTE))
        self.trust, self.errors = (outlook.trust, outlook.errors) if outlook else (BELIEVED, AS_NORMAL_ERRORS)
        self.attendance = self.trust.bookings * (outlook.attendance if outlook else 1.0)
        self.announced = [0.0] * (self.minutes + 1)  # booked HD connections at each minute, less those of now
        self.leaving = [0.0] * (self.minutes + 1)
        self.said = [0.0] * (self.minutes + 1)  # the part of it that people have announced by number
        self.surprise = [0.0] * (self.minutes + 1)  # the variance of what is announced
        self.in_meetings = 0.0
        self._within: dict[int, Rise] = {}  # by minutes ahead: several rules ask the same
        for booking in bookings:
            self._announce(booking, now)
        self.past: list[_Past] = []
        self.habits, self.phase = (outlook.habits, outlook.phase) if outlook else ((), 0)
        start = (now - outlook.begins) / MINUTE if outlook else -1.0
        if outlook and 0 <= start < BEFORE + 15 + AFTER - self.minutes - 1:
            self.phase = (outlook.phase + int(start)) % PHASES
            self.past = [self._follow(window, start) for window in outlook.windows]

    def _announce(self, booking: Booking, now: datetime) -> None:
        begins, ends = (booking.begins - now) / MINUTE, (booking.ends - now) / MINUTE
        if begins + JOINING[0] >= self.minutes or ends + LEAVING[1] <= 0:
            return
        hd = booking.hd * (1.0 if booking.said_by else self.attendance)
        come = COMING_LATE if booking.said_by else JOINING
        joined, left = _share(-begins, come), _share(-ends, LEAVING)
        self.in_meetings += hd * max(0.0, joined - left)
        if begins + come[1] <= 0 and ends + LEAVING[0] >= self.minutes:
            return
        for step in range(1, self.minutes + 1):
            more, fewer = max(0.0, _share(step - begins, JOINING) - joined), _share(step - ends, LEAVING) - left
            self.announced[step] += hd * (more - fewer)
            self.leaving[step] += hd * fewer
            if booking.said_by:
                self.said[step] += hd * (more - fewer)
                continue
            self.surprise[step] += (ATTENDANCE_SPREAD * hd * more) ** 2 / booking.meetings

    def _follow(self, window: Window, start: float) -> _Past:
        whole, part = int(start), start % 1
        loads = window.loads[whole : whole + self.minutes + 2]
        was, before = loads[0] + part * (loads[1] - loads[0]), window.loads[max(0, whole - RECENT)]
        stretch = self._stretch(window, (start - BEFORE) / 15)
        believed = self.trust.profile * stretch
        nearer, farther, now = believed * (1 - part), believed * part, believed * was
        rises = [
            announced + nearer * earlier + farther * later - now
            for announced, earlier, later in zip(self.announced[1:], loads[1:-1], loads[2:], strict=True)
        ]
        return _Past(window.weight, list(accumulate(rises, max)), stretch * (loads[0] - before), stretch * was)

    def _stretch(self, window: Window, part: float) -> float:
        """Say how much more comes than on a past day. Half of a day's lead or lag is chance: hence the root."""
        if window.lately is None or self.lately is None:
            return 1.0
        begin, end = window.lately
        was = begin + part * (end - begin)
        ratio = (max(0.0, self.lately) + NEW_GROUND) / (max(0.0, was) + NEW_GROUND)
        return min(STRETCH[1], max(STRETCH[0], sqrt(ratio)))

    @property
    def informed(self) -> bool:
        """Whether anything but the present load is known."""
        return bool(self.past) or any(self.announced) or self.in_meetings > 0

    def within(self, ahead: timedelta) -> Rise:
        """Return how far the load may rise at any time within `ahead`.

        With few past days, the noise of independent calls and of attendance weighs more.
        """
        last = min(self.minutes, max(1, ceil(ahead / MINUTE)))
        if last not in self._within:
            self._within[last] = self._rise_within(last, ahead)
        return self._within[last]

    def _rise_within(self, last: int, ahead: timedelta) -> Rise:
        announced, said = max(self.announced[1 : last + 1]), max(self.said[1 : last + 1])
        chance = 2 * self.level * (ahead / MEAN_CALL)
        if not self.past:
            return Rise(
                mean=announced,
                announced=announced,
                said=said,
                booked_deviation=sqrt(self.surprise[last]),
                chance_deviation=sqrt(chance),
                errors=self.errors,
            )
        weights = [past.weight for past in self.past]
        rises = self._rises(last, ahead)
        whole = sum(weights)
        mean = sumprod(weights, rises) / whole
        days = whole * whole / sumprod(weights, weights)
        seen = sumprod(weights, [(each - mean) ** 2 for each in rises]) / whole * days / max(days - 1, 1.0)
        return Rise(
            mean=mean,
            days=days,
            announced=announced,
            said=said,
            booked_deviation=sqrt(UNSHOWN * self.surprise[last]),
            days_deviation=sqrt(days * seen / (days + PRIOR_DAYS)),
            chance_deviation=sqrt(PRIOR_DAYS * chance / (days + PRIOR_DAYS)),
            errors=self.errors,
        )

    def _rises(self, last: int, ahead: timedelta) -> list[float]:
        """Return how far the load rises if it goes on as on each past day, corrected by what today differs in from that day."""
        rises = [past.highest[last - 1] for past in self.past]
        if self.recent is None or not self.habits:
            return rises
        slopes, most = slopes_at(self.habits, self.phase, ahead / MINUTE), max(FARTHEST, self.level / 3)
        today = slopes.recent * self.recent + slopes.level * max(0.0, self.level - self.in_meetings)
        corrections = [today - slopes.recent * past.recent - slopes.level * past.level for past in self.past]
        if max(corrections) > most or min(corrections) < -most:
            corrections = [max(-most, min(most, each)) for each in corrections]
        return list(map(add, rises, corrections))

    def leavers(self, ahead: timedelta) -> float:
        """Return the share of the calls in progress that may be expected to end within `ahead`."""
        if not self.level:
            return 0.0
        last = min(self.minutes, max(1, ceil(ahead / MINUTE)))
        others = max(0.0, self.level - self.in_meetings) * (1 - exp(-ahead / MEAN_CALL))
        return min(1.0, (self.leaving[last] + others) / self.level)


def usual_peak(
    outlook: Outlook | None, bookings: Sequence[Booking], now: datetime, ahead: timedelta, weekday: int
) -> float | None:
    """Return the most that the same weekdays of past weeks had in use within `ahead`, with today's bookings; None if unknown.

    It needs no present load. Where no such day is known, any other past day stands in.
    """
    start = int((now - outlook.begins) / MINUTE) if outlook else -1
    last = start + max(1, ceil(ahead / MINUTE))
    if outlook is None or start < 0 or last >= BEFORE + 15 + AFTER or not outlook.windows:
        return None
    meetings, said = ([each for each in bookings if bool(each.said_by) is by_people] for by_people in (False, True))
    moments = [now + step * MINUTE for step in range(last - start + 1)]
    booked = [outlook.attendance * expected(meetings, at) + expected(said, at) for at in moments]
    alike = [window for window in outlook.windows if window.day.weekday() == weekday] or outlook.windows
    return max(
        load + announced
        for window in alike
        for load, announced in zip(window.loads[start : last + 1], booked, strict=True)
    )


def rise(
    outlook: Outlook | None,
    level: float,
    bookings: Sequence[Booking],
    now: datetime,
    ahead: timedelta,
    lately: float | None = None,
) -> Rise:
    """Return how far the load may rise above `level`, its present value, at any time within `ahead`."""
    return Foresight(outlook, level, bookings, now, ahead, lately=lately).within(ahead)


def expected(bookings: Iterable[Booking], moment: datetime) -> float:
    """HD connections that meetings are booked to have in use at a moment."""
    return sum((booking.at(moment) for booking in bookings), 0.0)


def near(bookings: Iterable[Booking], now: datetime) -> tuple[Booking, ...]:
    """Return the meetings that matter to a plan: those in progress, just over, or about to begin."""
    return tuple(booking for booking in bookings if booking.begins <= now + SOON and booking.ends > now - JUST_OVER)
