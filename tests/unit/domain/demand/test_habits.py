"""What today's surprises say of the next minutes: learned from past days."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.domain.demand.habits import DAYS, FEWEST, HORIZONS, PHASES, habits_of, slopes_at

DAY = 1440
FIRST, LAST = 8 * 60, 18 * 60  # a meeting begins on every half-hour between


def day_of(people: float, *, early: float = 0.0, takes: int = 10) -> list[float]:
    """A day on which that many join in `takes` minutes after each half-hour, or that much earlier, and leave before the next."""
    load = [20.0] * DAY
    for start in range(FIRST, LAST, PHASES):
        for minute in range(-5, 24):
            load[start + minute] += people * min(1.0, max(0.0, (minute + early) / takes))
    return load


def test_a_rush_that_is_larger_than_usual_so_far_goes_on_to_be() -> None:
    dice = random.Random(1)
    habits = habits_of([day_of(dice.uniform(20, 80)) for _ in range(DAYS)])
    # Four of ten minutes have passed: for each person too many by now, one and a half are still to come.
    slopes = slopes_at(habits, 4, 7)
    assert 4 * (slopes.recent + slopes.level) == pytest.approx(6, abs=1), (
        "all of them have come within the last five minutes"
    )


def test_a_rush_that_is_only_early_ends_early() -> None:
    dice = random.Random(2)
    habits = habits_of([day_of(60, early=dice.uniform(-4, 4)) for _ in range(DAYS)])
    slopes = slopes_at(habits, 2, HORIZONS[-1])
    assert slopes.recent + slopes.level < -0.5, "who has come already will not come again"


def test_surprises_of_calls_that_come_by_chance_fade() -> None:
    dice = random.Random(3)
    days = [[40 + dice.gauss(0, 3) for _ in range(DAY)] for _ in range(DAYS)]
    slopes = slopes_at(habits_of(days), 10, 4)
    assert slopes.recent + slopes.level == pytest.approx(-1, abs=0.25)


def test_too_few_days_say_nothing() -> None:
    assert habits_of([day_of(50)] * (FEWEST - 1)) == ()
    assert habits_of([]) == ()
    assert habits_of([[0.0] * DAY] * DAYS) == ()
    assert slopes_at((), 4, 7).recent == slopes_at((), 4, 7).level == 0


def test_a_holiday_says_nothing_of_other_days() -> None:
    dice = random.Random(4)
    days = [day_of(dice.uniform(20, 80)) for _ in range(FEWEST + 3)]
    assert habits_of([*days, [1.0] * DAY]) == habits_of(days)


def test_what_lies_between_two_horizons_is_interpolated() -> None:
    dice = random.Random(5)
    habits = habits_of([day_of(dice.uniform(20, 80)) for _ in range(DAYS)])
    near, far = (slopes_at(habits, 4, minutes).recent for minutes in HORIZONS[1:3])
    assert min(near, far) < slopes_at(habits, 4, (HORIZONS[1] + HORIZONS[2]) / 2).recent < max(near, far)
    assert slopes_at(habits, 4, 0.5) == habits[0][4]
    assert slopes_at(habits, 4, 99) == habits[-1][4]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1e4), min_size=60, max_size=60), min_size=FEWEST, max_size=8))
def test_whatever_happened_the_slopes_are_numbers(days: list[list[float]]) -> None:
    habits = habits_of(days)
    for phase in range(PHASES):
        slopes = slopes_at(habits, phase, 7)
        assert max(abs(slopes.recent), abs(slopes.level)) < 1e6
