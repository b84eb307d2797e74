"""Forecasts are compared with what came, and become as sure as they say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.demand.calibration import (
    LEAST,
    Count,
    counts_of,
    errors_of,
    held_of,
    in_words,
    of_last_week,
    trust_of,
)
from headroom.domain.demand.errors import GRID, NARROWEST, NORMAL, WIDEST, Errors
from headroom.domain.demand.forecasting import Outlook, Profile, learn, outlook, rise
from headroom.domain.demand.told import Told
from headroom.domain.demand.turned_away import Sample

MINUTE = timedelta(minutes=1)
TODAY = date(2026, 3, 2)
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


def told(
    most: float, mean: float = 0.0, *, source: str = "profile", booked: float = 0.0, believed: float = 1.0
) -> Told:
    both = (believed, 1.0)
    return Told(source=source, minutes=6, mean=mean, deviation=4.0, most=most, sure=0.99, booked=booked, believed=both)


def minutes_of(*loads: float, said: Told | None = None, full: Sequence[int] = ()) -> list[Sample]:
    """One sample a minute; the first one says something of the others."""
    return [
        Sample(at=NINE + n * MINUTE, location="Oslo", used=load, full=n in full, told=None if n else said)
        for n, load in enumerate(loads)
    ]


def counted(samples: Sequence[Sample]) -> Count:
    [found] = counts_of(samples, TODAY)
    return found


def days(beyond: Sequence[int], *, number: int = 1000, over: int = 20, source: str = "profile") -> list[Count]:
    """So many days of forecasts, of which so many exceeded each of the grid's deviations."""
    return [
        Count(
            day=TODAY - timedelta(days=ago),
            source=source,
            told=number,
            sure=0.99,
            held=number - beyond[min(6, len(beyond) - 1)],
            bias=0.0,
            short=12.0,
            spare=80.0,
            windows=number / 6,
            beyond=tuple(beyond),
            booked=(0.0, 0.0),
            others=(0.0, 0.0),
        )
        for ago in range(1, over + 1)
    ]


def as_normal(share: float = 1.0) -> list[int]:
    """What a normal distribution exceeds, of a thousand; with `share` 0.5 its width is half of what was said."""
    return [round(1000 * (1 - NORMAL.cdf(each / share))) for each in GRID]


def test_a_forecast_that_held_is_counted_with_what_was_ready_in_vain() -> None:
    found = counted(minutes_of(50, 52, 58, 55, 54, 53, 52, 90, said=told(12, mean=5)))
    assert (found.told, found.held, found.bias, found.short, found.spare) == (1, 1, 3.0, 0.0, 4.0)
    assert found.beyond == tuple(int(each < 3 / 4) for each in GRID)


def test_a_forecast_that_the_load_exceeded_is_counted_with_what_was_missing() -> None:
    found = counted(minutes_of(50, 52, 58, 70, 54, 53, 52, said=told(12, mean=5)))
    assert (found.held, found.short, found.spare) == (0, 8.0, 0.0)


def test_what_is_not_known_to_the_end_is_not_counted() -> None:
    cut_short = minutes_of(50, 52, 58, said=told(12))
    with_a_gap = [
        each for n, each in enumerate(minutes_of(50, 52, 58, 55, 54, 53, 52, said=told(12))) if n not in {1, 2, 3, 4}
    ]
    says_nothing = minutes_of(50, 52, 58, 55, 54, 53, 52, said=told(0.4))
    for samples in (cut_short, with_a_gap, says_nothing, minutes_of(50, 52), []):
        assert list(counts_of(samples, TODAY)) == []


def test_a_load_that_could_not_rise_says_nothing_unless_it_rose_too_far_all_the_same() -> None:
    assert list(counts_of(minutes_of(50, 52, 58, 58, 58, 58, 58, said=told(12), full=(3, 4)), TODAY)) == []
    assert counted(minutes_of(50, 52, 70, 70, 70, 70, 70, said=told(12), full=(3, 4))).held == 0


def test_without_counts_errors_are_taken_for_normal() -> None:
    assert errors_of([], TODAY).deviations(0.99) == pytest.approx(2.326, abs=0.001)
    assert Errors((0.5, 0.1)).deviations(0.99) == pytest.approx(2.326, abs=0.001)  # by the grid of another version


def test_errors_that_are_wider_than_said_widen_a_forecast_and_narrower_ones_narrow_it() -> None:
    wide, usual, narrow = (errors_of(days(as_normal(share)), TODAY).deviations(0.99) for share in (1.4, 1.0, 0.8))
    assert narrow < usual < wide
    assert usual == pytest.approx(2.326, abs=0.1)
    assert wide == pytest.approx(1.4 * 2.326, abs=0.25)


def test_no_count_moves_a_forecast_beyond_its_limits() -> None:
    never, always = [0] * len(GRID), [1000] * len(GRID)
    assert errors_of(days(never), TODAY).deviations(0.99) >= NARROWEST * 2.326
    assert errors_of(days(always), TODAY).deviations(0.99) <= WIDEST * 2.327


def test_a_count_of_another_version_is_left_out() -> None:
    assert errors_of(days([400, 300, 200]), TODAY) == Errors()


@given(
    st.lists(st.lists(st.integers(0, 1000), min_size=len(GRID), max_size=len(GRID)), max_size=4),
    st.floats(0.01, 0.9999),
    st.floats(0.01, 0.9999),
)
def test_who_wants_to_be_surer_gets_no_less_whatever_was_counted(
    counts: list[list[int]], one: float, other: float
) -> None:
    errors = errors_of([count for each in counts for count in days(sorted(each, reverse=True), over=3)], TODAY)
    less, more = sorted((one, other))
    assert errors.deviations(less) <= errors.deviations(more) + 1e-9


def week(announced: float, came: float, *, believed: float = 1.0) -> list[Count]:
    """A week of forecasts of booked meetings, of which so many came."""
    said = told(80, mean=announced, source="bookings", booked=announced, believed=believed)
    one = counted(minutes_of(20, *([20 + came] * 6), said=said))
    return [
        Count(
            **{name: getattr(one, name) for name in Count.__slots__ if name != "day"}, day=TODAY - timedelta(days=ago)
        )
        for ago in range(1, 8)
    ]


def test_a_calendar_that_misleads_for_a_week_is_believed_less() -> None:
    assert trust_of(week(60, 58), TODAY).bookings == 1
    misled = trust_of(week(60, 20), TODAY).bookings
    assert 0.5 < misled < 0.6  # a week is not everything: seven days of ten
    assert trust_of(week(60, 0), TODAY).bookings >= LEAST
    assert trust_of(week(60, 20)[:1], TODAY).bookings > misled


def test_what_is_believed_less_stays_so_while_it_is_right_so_and_is_believed_again_when_it_comes() -> None:
    half = week(30, 30, believed=0.5)  # 60 are announced, half of it is believed, and half comes
    assert trust_of(half, TODAY).bookings < 0.7
    assert trust_of(week(30, 60, believed=0.5), TODAY).bookings == 1


def test_one_source_is_not_blamed_for_another() -> None:
    found = trust_of(week(60, 20), TODAY)
    assert (found.profile, found.trend) == (1, 1)


def test_past_days_are_not_blamed_for_meetings_that_nobody_comes_to() -> None:
    said = told(80, mean=50, source="bookings", booked=30)
    right, wrong = minutes_of(20, *([40] * 6), said=said), minutes_of(20, *([20] * 6), said=said)
    mostly_past = told(60, mean=35, booked=5)
    for samples, one in ((right, said), (wrong, said), (minutes_of(20, *([50] * 6), said=mostly_past), mostly_past)):
        count = counted(samples)
        assert (count.booked[0] > 0) is (one.booked > one.mean - one.booked)
        assert (count.others[0] > 0) is not (count.booked[0] > 0)


def test_a_few_forecasts_say_nothing_of_a_source() -> None:
    assert trust_of(week(10, 0), TODAY).bookings == 1
    assert trust_of(week(60, 0), TODAY).bookings < 1


def test_what_people_had_announced_is_no_error_of_a_source() -> None:
    announced = replace(told(90, mean=80), said=70.0)
    assert list(counts_of(minutes_of(20, *([25] * 6), said=announced), TODAY)) == []
    during = [replace(each, said=70.0) for each in minutes_of(20, *([25] * 6), said=told(12, mean=8))]
    assert list(counts_of(during, TODAY)) == []


def test_a_holiday_says_nothing_of_forecasts_on_ordinary_days() -> None:
    def day_of(ago: int, load: float, profile: Profile) -> Profile:
        midnight = datetime(2026, 3, 2, tzinfo=UTC) - timedelta(days=ago)
        samples = [
            Sample(at=midnight + n * MINUTE, location="Oslo", used=load, told=told(40, mean=30)) for n in range(600)
        ]
        return learn(profile, samples, midnight.date())

    profile = Profile(location="Oslo", zone="UTC")
    for ago in (28, 21, 14):
        profile = day_of(ago, 50, profile)
    ordinary = len(profile.counts)
    assert len(day_of(7, 50, profile).counts) == ordinary + 1
    assert len(day_of(7, 5, profile).counts) == ordinary


@pytest.mark.parametrize("days_off", [-400_000, -1, 0, 100])
def test_a_count_of_an_impossible_day_spoils_nothing(days_off: int) -> None:
    odd = [replace(count, day=TODAY + timedelta(days=days_off)) for count in days(as_normal(1.4), over=3)[:1]]
    assert (errors_of(odd, TODAY) == Errors()) is (days_off != -1)
    assert errors_of([*odd, *days(as_normal(), over=9)], TODAY).deviations(0.99) == pytest.approx(2.4, abs=0.2)


@pytest.mark.parametrize(
    "said", [replace(told(9), minutes=10**12), replace(told(9), believed=(0.0, 1.0)), replace(told(9), minutes=0)]
)
def test_what_no_plan_can_have_said_is_known_as_such(said: Told) -> None:
    assert told(9).is_possible
    assert not said.is_possible


def test_how_often_forecasts_held_is_said_of_all_and_by_source() -> None:
    counts = [*days(as_normal(), over=3), *days(as_normal(), number=500, over=2, source="trend")]
    every, past, trend = held_of(counts)
    assert (every.source, every.told, past.told, trend.told) == ("", 4000, 3000, 1000)
    words = "said 99.0 %, was 99.2 % of 4,000 forecasts (past days 99.4 %, trends 98.8 %)"
    assert in_words([every, past, trend]) == words
    assert in_words([]) == ""


def test_only_the_days_before_today_are_of_the_last_week() -> None:
    assert [count.day.day for count in of_last_week(days(as_normal(), over=9), TODAY)] == [1, 28, 27, 26, 25, 24, 23]


def test_a_night_counts_what_the_day_s_plans_said_and_the_next_day_s_forecast_is_wider() -> None:
    """A site whose rises are three times as wide as is said."""
    profile = Profile(location="Oslo", zone="UTC")
    for ago in range(20, 0, -1):
        midnight = datetime(2026, 3, 2, tzinfo=UTC) - timedelta(days=ago)
        samples = [
            Sample(
                at=midnight + n * MINUTE,
                location="Oslo",
                used=50 + 12 * (n % 200 == 0),
                told=told(9.3, mean=0),
            )
            for n in range(1440)
        ]
        profile = learn(profile, samples, midnight.date())
    assert {count.day for count in profile.counts} == {TODAY - timedelta(days=ago) for ago in range(1, 21)}
    wide = outlook(profile, NINE)
    plain = Outlook(location="Oslo", begins=wide.begins, windows=wide.windows)
    assert wide.held[0].held < 0.98
    ahead = 6 * MINUTE
    assert rise(wide, 50, (), NINE, ahead).at_most(0.99) > rise(plain, 50, (), NINE, ahead).at_most(0.99)
