"""What past days, bookings and the last minutes say about the next ones."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.demand.bookings import gathered
from headroom.domain.demand.forecasting import (
    DAY_MINUTES,
    DAYS_KEPT,
    MINUTE,
    Booking,
    Foresight,
    Outlook,
    PastDay,
    Profile,
    learn,
    outlook,
    rise,
    with_habits,
)
from headroom.domain.demand.turned_away import Sample
from tests.unit.domain.demand.test_habits import day_of

ZONE = "Europe/Stockholm"
MONDAY = date(2026, 3, 2)
BEFORE_NINE = datetime(2026, 3, 2, 8, 56, tzinfo=ZoneInfo(ZONE))
AHEAD = timedelta(minutes=7)


def rush(day: date, rise_at_nine: float) -> PastDay:
    """A day whose load is 20 until nine and that much more until ten."""
    return PastDay(day=day, used=tuple(20 + rise_at_nine * (540 <= minute < 600) for minute in range(DAY_MINUTES)))


def profile(*days: PastDay) -> Profile:
    return Profile(location="Stockholm", zone=ZONE, days=days)


def weeks_ago(count: int) -> date:
    return MONDAY - timedelta(weeks=count)


def test_the_rush_of_past_mondays_is_expected_this_monday() -> None:
    past = profile(*(rush(weeks_ago(week), 60) for week in range(1, 6)))
    foreseen = rise(outlook(past, BEFORE_NINE), 20, (), BEFORE_NINE, AHEAD)
    assert foreseen.mean == pytest.approx(60)
    assert foreseen.at_most(0.99) >= 60


def test_a_rush_further_away_than_a_boot_is_not_expected_yet() -> None:
    early = BEFORE_NINE - timedelta(minutes=6)
    past = profile(*(rush(weeks_ago(week), 60) for week in range(1, 6)))
    assert rise(outlook(past, early), 20, (), early, AHEAD).mean == pytest.approx(0)


def test_the_more_mondays_differ_the_more_is_kept_ready() -> None:
    alike = profile(*(rush(weeks_ago(week), 60) for week in range(1, 6)))
    unlike = profile(*(rush(weeks_ago(week), 60 + 20 * (-1) ** week) for week in range(1, 6)))
    sure, unsure = (
        rise(outlook(past, BEFORE_NINE), 20, (), BEFORE_NINE, AHEAD).at_most(0.99) for past in (alike, unlike)
    )
    assert unsure > sure


def test_a_holiday_among_the_mondays_is_no_monday() -> None:
    quiet = PastDay(day=weeks_ago(2), used=(0.0,) * DAY_MINUTES)
    mondays = [rush(weeks_ago(week), 60) for week in (1, 3, 4)]
    assert {window.day for window in outlook(profile(*mondays, quiet), BEFORE_NINE).windows} == {
        monday.day for monday in mondays
    }


def test_a_quiet_monday_rises_less_than_a_busy_one() -> None:
    past = outlook(profile(*(rush(weeks_ago(week), 60) for week in range(1, 6))), BEFORE_NINE)
    quiet, usual, busy = (rise(past, load, (), BEFORE_NINE, AHEAD, lately=load).mean for load in (2, 20, 60))
    assert usual == pytest.approx(60, abs=1)
    assert quiet < 0.75 * usual < 1.2 * usual < busy
    assert rise(past, 2, (), BEFORE_NINE, AHEAD).mean == pytest.approx(60), "nothing is known of the last hour"


def test_a_day_in_which_nothing_was_known_lately_is_taken_as_it_was() -> None:
    unknown = PastDay(day=weeks_ago(1), used=(None,) * 500 + (20.0,) * (DAY_MINUTES - 500))
    [window] = outlook(profile(unknown), BEFORE_NINE).windows
    assert window.lately == (20.0, 20.0)


def test_a_rush_that_began_larger_than_on_past_days_is_expected_to_end_larger() -> None:
    dice = random.Random(1)
    days = [day_of(dice.uniform(20, 80)) for _ in range(30)]
    mondays = [PastDay(day=weeks_ago(1) - timedelta(days=n), used=tuple(load)) for n, load in enumerate(days)]
    learned = with_habits(profile(*mondays))
    moment = BEFORE_NINE + timedelta(minutes=8)  # four minutes into the rush
    past, usual = outlook(learned, moment), 20 + 50 * 0.4
    small, large, unsaid = (
        Foresight(past, load, (), moment, AHEAD, recent=risen).within(AHEAD)
        for load, risen in ((20 + 30 * 0.4, 30 * 0.4), (20 + 75 * 0.4, 75 * 0.4), (usual, None))
    )
    assert small.mean == pytest.approx(18, abs=3)
    assert large.mean == pytest.approx(45, abs=4)
    assert large.deviation < unsaid.deviation / 2, "what was not known before the rush is known in its middle"


def test_a_reading_that_jumps_moves_the_forecast_by_so_much_at_most() -> None:
    dice = random.Random(1)
    days = [day_of(dice.uniform(20, 80)) for _ in range(30)]
    mondays = [PastDay(day=weeks_ago(1) - timedelta(days=n), used=tuple(load)) for n, load in enumerate(days)]
    moment = BEFORE_NINE + timedelta(minutes=8)
    past = outlook(with_habits(profile(*mondays)), moment)
    calm, odd, odder = (
        Foresight(past, 40, (), moment, AHEAD, recent=recent).within(AHEAD).mean for recent in (20.0, 400.0, -400.0)
    )
    assert odd <= calm + 2 * 30
    assert odder >= calm - 2 * 30


def test_a_gap_in_a_day_is_no_rush() -> None:
    dice = random.Random(6)
    days = [day_of(dice.uniform(20, 80)) for _ in range(8)]
    holes = [tuple(None if 700 <= n < 712 else load for n, load in enumerate(day)) for day in days]
    mondays = [
        [PastDay(day=weeks_ago(1) - timedelta(days=n), used=tuple(day)) for n, day in enumerate(each)]
        for each in (days, holes)
    ]
    whole, holed = (with_habits(profile(*each)).habits for each in mondays)
    assert whole
    for phase in range(30):
        assert holed[2][phase].level == pytest.approx(whole[2][phase].level, abs=0.2)


def test_the_half_hour_is_that_of_the_locations_own_clock() -> None:
    nepal = ZoneInfo("Asia/Kathmandu")  # a quarter to the hour elsewhere
    past = Profile(location="Kathmandu", zone="Asia/Kathmandu", days=(rush(weeks_ago(1), 60),))
    assert outlook(past, datetime(2026, 3, 2, 8, 50, tzinfo=nepal)).phase == 0
    assert outlook(past, datetime(2026, 3, 2, 9, 0, tzinfo=nepal)).phase == 15


def test_people_join_a_booked_meeting_around_its_start_and_leave_around_its_end() -> None:
    meeting = Booking(begins=BEFORE_NINE, ends=BEFORE_NINE + timedelta(hours=1), hd=20)
    expected = [meeting.at(BEFORE_NINE + timedelta(minutes=m)) for m in (-5, 0.75, 10, 70)]
    assert expected == [0, 10, 20, 0]


def test_a_booking_is_expected_without_any_history() -> None:
    meeting = Booking(begins=BEFORE_NINE + 2 * MINUTE, ends=BEFORE_NINE + timedelta(hours=1), hd=30)
    foreseen = rise(None, 5, [meeting], BEFORE_NINE, AHEAD)
    assert foreseen.mean == pytest.approx(30)
    assert foreseen.announced == pytest.approx(30)


def test_attendance_is_learned_from_what_was_booked_and_what_came() -> None:
    learned = profile()
    for week in (2, 1):
        day = weeks_ago(week)
        samples = [
            Sample(
                at=datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=ZoneInfo(ZONE)),
                location="Stockholm",
                used=10 + 30 * (540 <= minute < 600),
                booked=60.0 * (540 <= minute < 600),
            )
            for minute in range(DAY_MINUTES)
        ]
        learned = learn(learned, samples, day)
    assert learned.attendance == pytest.approx(0.5)
    announced = [Booking(begins=BEFORE_NINE + 2 * MINUTE, ends=BEFORE_NINE + timedelta(hours=1), hd=40)]
    assert rise(outlook(learned, BEFORE_NINE), 10, announced, BEFORE_NINE, AHEAD).mean == pytest.approx(20, abs=1)


def test_a_day_learned_twice_counts_once_and_old_days_are_forgotten() -> None:
    learned = profile()
    for number in range(DAYS_KEPT + 5):
        day = MONDAY + timedelta(days=number)
        sample = Sample(at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC), location="Stockholm", used=number)
        learned = learn(learn(learned, [sample], day), [sample], day)
    assert len(learned.days) == DAYS_KEPT
    assert learned.days[0].day == MONDAY + timedelta(days=DAYS_KEPT + 4)


def most_of(learned: Profile) -> float:
    return max(load for load in learned.days[0].used if load is not None)


def leap(full: bool) -> list[Sample]:
    """Eight more a minute until forty are in use, which may be all there are."""
    nine = datetime(2026, 2, 23, 9, tzinfo=ZoneInfo(ZONE))
    loads = [0, 8, 16, 24, 32, *[40] * 30]
    return [
        Sample(at=nine + minute * MINUTE, location="Stockholm", used=load, full=full and load == 40)
        for minute, load in enumerate(loads)
    ]


def test_where_a_rise_met_full_nodes_it_is_learned_as_if_it_had_gone_on() -> None:
    free, full = (most_of(learn(profile(), leap(full), date(2026, 2, 23))) for full in (False, True))
    assert free == 40
    assert full == pytest.approx(40 + 5 * 8)


def test_a_single_full_minute_of_a_steady_load_is_no_spike() -> None:
    nine = datetime(2026, 2, 23, 9, tzinfo=ZoneInfo(ZONE))
    samples = [
        Sample(at=nine + minute * MINUTE, location="Stockholm", used=110 + minute % 2, full=minute == 31)
        for minute in range(60)
    ]
    assert most_of(learn(profile(), samples, nine.date())) < 115


def test_the_samples_of_another_location_teach_nothing() -> None:
    at = datetime(2026, 2, 23, 9, tzinfo=ZoneInfo(ZONE))
    samples = [Sample(at=at, location=name, used=used) for name, used in (("Stockholm", 50), ("Oslo", 500))]
    assert most_of(learn(profile(), samples, at.date())) == 50


def all_day(day: date, *, without: range = range(0), used: float = 60, booked: float = 50) -> list[Sample]:
    """A day whose load and bookings stand still, sampled every minute but for those."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE))
    return [
        Sample(at=midnight + minute * MINUTE, location="Stockholm", used=used, booked=booked)
        for minute in range(DAY_MINUTES)
        if minute not in without
    ]


def learned_from(*missing: range) -> Profile:
    made = profile()
    for week, without in zip(range(len(missing), 0, -1), missing, strict=True):
        made = learn(made, all_day(weeks_ago(week), without=without), weeks_ago(week))
    return made


def test_a_minute_without_a_sample_is_like_the_one_before() -> None:
    nothing, minute = range(0), range(540, 541)
    whole, gaps = (
        rise(outlook(learned_from(*days), BEFORE_NINE), 60, (), BEFORE_NINE, AHEAD).at_most(0.99)
        for days in ((nothing,) * 5, (minute, nothing, minute, nothing, nothing))
    )
    assert gaps == pytest.approx(whole)


def test_hours_without_samples_are_no_rise_but_unknown() -> None:
    """The first day after a deployment, and an outage that ended at this time of day."""
    since_nine, until_nine = range(540), range(430, 540)
    known = outlook(learned_from(range(0), since_nine, until_nine), BEFORE_NINE)
    assert [window.day for window in known.windows] == [weeks_ago(3)]


def test_many_meetings_at_one_time_are_one_booking_that_varies_less_than_one_as_large() -> None:
    ends = BEFORE_NINE + timedelta(hours=1)
    one_by_one = [
        Booking(begins=BEFORE_NINE, ends=ends, hd=5, location=place) for place in ("", "Oslo") for _ in range(20)
    ]
    together = gathered(one_by_one)
    assert [(each.hd, each.meetings, each.location) for each in together] == [(100, 20, ""), (100, 20, "Oslo")]
    alone = [Booking(begins=BEFORE_NINE, ends=ends, hd=100)]
    sure, unsure, separate = (
        rise(None, 10, meetings, BEFORE_NINE, AHEAD).deviation for meetings in (together[:1], alone, one_by_one[:20])
    )
    assert sure == pytest.approx(separate)
    assert sure < unsure


def test_a_day_without_samples_teaches_nothing() -> None:
    assert learn(profile(), [], MONDAY) == profile()


def test_the_days_on_which_clocks_change_are_learned_and_forecast() -> None:
    for day in (date(2026, 3, 29), date(2026, 10, 25)):
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
        samples = [
            Sample(at=midnight + timedelta(minutes=minute), location="Stockholm", used=10) for minute in range(1400)
        ]
        learned = learn(profile(), samples, day)
        assert len(learned.days[0].used) == DAY_MINUTES
        for hours in range(23):
            moment = midnight + timedelta(days=7, hours=hours)
            assert rise(outlook(learned, moment), 10, (), moment, AHEAD).mean >= 0


@given(
    st.lists(st.floats(0, 500), min_size=0, max_size=6),
    st.floats(0, 300),
    st.integers(-3000, 3000),
    st.floats(0.5, 0.999),
)
def test_whatever_was_learned_a_rise_is_a_number_and_grows_with_confidence(
    heights: list[float], level: float, minutes: int, confidence: float
) -> None:
    past = outlook(profile(*(rush(weeks_ago(week), high) for week, high in enumerate(heights, 1))), BEFORE_NINE)
    foreseen = rise(past, level, (), BEFORE_NINE + timedelta(minutes=minutes), AHEAD)
    assert 0 <= foreseen.at_most(0.5) <= foreseen.at_most(confidence) < 1e6


def test_an_outlook_that_is_out_of_date_is_not_used() -> None:
    stale = outlook(profile(*(rush(weeks_ago(week), 60) for week in range(1, 6))), BEFORE_NINE)
    much_later = BEFORE_NINE + timedelta(hours=5)
    assert rise(stale, 20, (), much_later, AHEAD).days == 0
    assert rise(Outlook(location="Stockholm", begins=BEFORE_NINE), 20, (), BEFORE_NINE, AHEAD).days == 0


@pytest.mark.parametrize("hour", [0, 1, 3, 9, 23])
def test_what_a_past_day_had_lately_is_known_at_any_hour(hour: int) -> None:
    steady = PastDay(day=weeks_ago(1), used=(40.0,) * DAY_MINUTES)
    [window] = outlook(profile(steady), BEFORE_NINE.replace(hour=hour, minute=5)).windows
    assert window.lately == (40.0, 40.0)
