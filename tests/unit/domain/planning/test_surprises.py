"""What today's load says of the next minutes, and when it says nothing: it was held back, or cut off."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.demand.forecasting import Outlook, Window
from headroom.domain.demand.habits import HORIZONS, PHASES, Slopes
from headroom.domain.demand.lately import Demand
from headroom.domain.fleet.fleet import Power
from headroom.domain.planning.needs import Need
from headroom.domain.planning.planning import plan
from tests.support.builders import NOW, node, observe, promised
from tests.unit.domain.planning.test_homes import POLICY, at_home, seen

MINUTE = timedelta(minutes=1)
GOES_ON: Any = ((Slopes(1.0, 0.0),) * PHASES,) * len(HORIZONS)


def rushes(*heights: float) -> Outlook:
    """Past days on which half of the rush had come five minutes before now, and the other half comes within ten minutes."""
    windows = tuple(
        Window(
            day=NOW.date() - timedelta(days=7 + number),
            weight=1.0,
            loads=tuple(20 + height * min(1.0, max(0.0, (minute - 10) / 10)) for minute in range(105)),
            lately=(30.0, 30.0),
        )
        for number, height in enumerate(heights)
    )
    return Outlook(location="Stockholm", begins=NOW - 15 * MINUTE, windows=windows, habits=GOES_ON)


def trail_of(*loads: tuple[int, float, bool]) -> tuple[Demand, ...]:
    """Loads so many minutes ago, and whether nothing was free then."""
    return tuple(
        Demand(at=NOW - ago * MINUTE, location="Stockholm", used=used, lately=30.0, full=full)
        for ago, used, full in loads
    )


def need(*, trail: tuple[Demand, ...], habits: Any = GOES_ON, used: int) -> Need:
    observation = observe(*(node(number) for number in range(1, 7)), node(8, Power.RUNNING, used=15), free=80 - used)
    past = replace(rushes(56, 60, 64), habits=habits)
    [found] = plan(replace(observation, outlooks=(past,), trail=trail), promised(), POLICY, NOW).needs
    return found


def test_a_rush_that_is_behind_the_usual_is_expected_to_stay_behind() -> None:
    calm = trail_of((5, 85, False), (3, 85, False), (1, 85, False))
    assert need(trail=calm, used=70).hd < need(trail=calm, used=70, habits=()).hd


def test_a_load_that_cannot_rise_as_nothing_is_free_is_no_calm_day() -> None:
    full = trail_of((5, 95, False), (3, 95, True), (1, 95, True))
    assert need(trail=full, used=80) == need(trail=full, used=80, habits=())


def test_calls_that_a_lost_home_has_cut_off_are_no_calm_day() -> None:
    def asked(habits: Any) -> Need:
        whole = replace(seen(at_home(1, used=30), at_home(2, used=30)), trail=trail_of((5, 60, False)))
        before = plan(whole, promised(), POLICY, NOW)
        lost = seen(at_home(1, used=30), at_home(2, used=30, alarm="connectivity lost"), after=before, minutes=1)
        past = replace(rushes(56, 60, 64), habits=habits)
        [found] = plan(replace(lost, outlooks=(past,)), promised(), POLICY, NOW + MINUTE).needs
        return found

    assert asked(GOES_ON) == asked(())


def test_a_home_that_stays_lost_makes_no_day_quiet() -> None:
    """Twenty minutes on, what is smoothed has fallen with the load; the day is as busy as it was."""

    def asked(lately: float) -> Need:
        whole = seen(at_home(1, used=30), at_home(2, used=30))
        before = plan(whole, promised(), POLICY, NOW)
        lost = seen(at_home(1, used=30), at_home(2, alarm="connectivity lost"), after=before, minutes=1)
        trail = tuple(replace(demand, lately=lately) for demand in lost.trail)
        [found] = plan(
            replace(lost, outlooks=(rushes(56, 60, 64),), trail=trail), promised(), POLICY, NOW + MINUTE
        ).needs
        return found

    assert asked(2.0).hd == asked(30.0).hd


@pytest.mark.parametrize("habits", [GOES_ON[:2], tuple(each[:15] for each in GOES_ON), ((),) * len(HORIZONS)])
def test_what_another_version_has_learned_in_another_shape_is_left_aside(habits: Any) -> None:
    calm = trail_of((5, 85, False), (3, 85, False), (1, 85, False))
    assert need(trail=calm, used=70, habits=habits) == need(trail=calm, used=70, habits=())
