"""How sure a forecast must be follows from what a call turned away may cost, beside a node-hour that nobody needed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.demand.forecasting import Booking
from headroom.domain.fleet.fleet import Power
from headroom.domain.planning.needs import Need
from headroom.domain.planning.planning import plan
from headroom.domain.planning.worth import of_opening, of_starting
from headroom.domain.policy import Policy
from tests.support.builders import NOW, node, observe, promised
from tests.unit.domain.planning.test_homes import POLICY
from tests.unit.domain.planning.test_surprises import rushes, trail_of

BOOT, LIFETIME = timedelta(minutes=5), timedelta(minutes=5)
COSTS = st.floats(0, 2000)


def test_with_a_new_stack_s_settings_a_forecast_is_about_99_percent_sure() -> None:
    starting, opening = of_starting(Policy(), 15, BOOT, LIFETIME), of_opening(Policy(), 15)
    assert starting.sure == pytest.approx(0.992, abs=0.001)
    assert opening.sure == pytest.approx(0.992, abs=0.001)
    assert starting.sentence == "99.2 % sure: one too few costs 3 node-hours, one too many 0.024"


def test_a_small_node_is_dearer_than_a_large_one_and_a_long_minimum_lifetime_dearer_than_a_short_one() -> None:
    usual = of_starting(Policy(), 15, BOOT, LIFETIME).sure
    assert of_starting(Policy(), 5, BOOT, LIFETIME).sure < usual < of_starting(Policy(), 40, BOOT, LIFETIME).sure
    assert of_starting(Policy(), 15, BOOT, timedelta(minutes=50)).sure < usual


def test_the_former_parameter_still_says_how_sure() -> None:
    told = of_starting(Policy(confidence=0.95), 15, BOOT, LIFETIME)
    assert (told.sure, told.sentence) == (0.95, "95 % sure")


@given(COSTS, st.floats(0, 500), st.floats(0, 10_000))
def test_whatever_a_call_may_cost_a_forecast_is_neither_careless_nor_certain(
    cost: float, hd: float, boot: float
) -> None:
    policy = Policy(call_turned_away_cost=cost)
    for worth in (of_opening(policy, hd), of_starting(policy, hd, timedelta(seconds=boot), LIFETIME)):
        assert 0.5 <= worth.sure <= 0.9999


def needed(cost: float, heights: list[float], used: int, trail: list[int], booked: float) -> Need:
    fleet = (*(node(number) for number in range(1, 7)), node(8, Power.RUNNING, used=5))
    meeting = Booking(begins=NOW + timedelta(minutes=4), ends=NOW + timedelta(hours=1), hd=booked, location="Stockholm")
    observation = replace(
        observe(*fleet, free=80 - used),
        outlooks=(rushes(*heights),) if heights else (),
        trail=trail_of(*((len(trail) - ago, load, False) for ago, load in enumerate(trail))),
        bookings=(meeting,) if booked else (),
    )
    [found] = plan(observation, promised(), replace(POLICY, call_turned_away_cost=cost), NOW).needs
    return found


@given(
    COSTS,
    COSTS,
    st.lists(st.floats(0, 200), max_size=5),
    st.integers(0, 80),
    st.lists(st.integers(0, 90), max_size=6),
    st.floats(0, 150),
)
def test_the_need_never_falls_when_a_call_turned_away_costs_more(
    one: float, other: float, heights: list[float], used: int, trail: list[int], booked: float
) -> None:
    less, more = (needed(cost, heights, used, trail, booked) for cost in sorted((one, other)))
    assert less.hd <= more.hd
    assert less.open_hd <= more.open_hd
    assert less.keep_hd <= more.keep_hd
