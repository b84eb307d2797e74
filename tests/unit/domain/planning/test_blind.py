"""While Pexip cannot be read: promises, bookings and past days still start nodes; nothing is closed, opened or stopped."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from headroom.domain.demand.forecasting import BEFORE, Booking, Outlook, Window, quarter_of, usual_peak
from headroom.domain.fleet.fleet import Instance, Power, Source, Worker
from headroom.domain.fleet.lifecycle import Action, Memory
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from tests.support.builders import CONTROL, LONG_AGO, NOW, closed, node, observe, promised

MINUTE = timedelta(minutes=1)
OFF = [node(number) for number in range(1, 9)]
MONDAY, FRIDAY = date(2026, 2, 23), date(2026, 2, 27)  # NOW is a Monday
BEGINS = quarter_of(NOW) - BEFORE * MINUTE


def day(which: date, load: float, weight: float = 1.0) -> Window:
    """A past day with the same load for all of the hour and a half, but a quarter more for one minute, soon from now."""
    loads = [load] * 105
    loads[BEFORE + 4] = load + 5
    return Window(day=which, weight=weight, loads=tuple(loads))


def decide(
    *days: Window,
    nodes: list[tuple[Worker, Instance]] = OFF,
    blind_for: float = 10,
    free: int = 70,
    policy: Any = CONTROL,
    memories: tuple[Memory, ...] = (),
    **more: Any,
) -> Plan:
    outlooks = (Outlook(location="Stockholm", begins=BEGINS, windows=days),) if days else ()
    seen = observe(
        *nodes, free=free, read_at=NOW - blind_for * MINUTE, outlooks=outlooks, **({"unreachable": "no answer"} | more)
    )
    return plan(seen, promised(memories=memories), policy, NOW)


def starts(made: Plan) -> int:
    assert {change.action for change in made.changes} <= {Action.START}
    return len(made.changes)


def test_what_the_same_weekday_needed_in_past_weeks_starts_nodes() -> None:
    made = decide(day(MONDAY, 90), day(MONDAY - timedelta(7), 60), day(FRIDAY, 300))
    assert starts(made) == 2, "95 in use, 80 at home, 6 more than the threshold: 21"
    assert made.reason.startswith(
        "Blind since 07:50 UTC. start burst-1, burst-2: Stockholm had up to 95 HD connections in use until 08:06 UTC on "
        "the same weekday of past weeks; 80 are there by the last reading"
    )
    [news] = [issue for issue in made.issues if issue.kind is Trouble.NO_NEWS]
    assert news.advice == (
        "Meanwhile Headroom closes and stops nothing. It starts nodes that are promised, and nodes for booked meetings and "
        "for what the same weekday of past weeks needed."
    )


@pytest.mark.parametrize(
    ("load", "count"),
    [pytest.param(69, 0, id="six stay free at home"), pytest.param(70, 1, id="five, the threshold, do")],
)
def test_it_asks_as_the_threshold_would(load: float, count: int) -> None:
    assert starts(decide(day(MONDAY, load))) == count


def test_another_weekday_stands_in_where_the_same_is_not_known() -> None:
    assert starts(decide(day(FRIDAY, 90))) == 2


def test_booked_meetings_start_nodes_with_and_without_past_days() -> None:
    rush = (Booking(location="Stockholm", begins=NOW + 2 * MINUTE, ends=NOW + 60 * MINUTE, hd=100),)
    made = decide(bookings=rush)
    assert starts(made) == 2
    assert "booked meetings in Stockholm bring 100 HD connections until 08:06 UTC" in made.reason
    assert starts(decide(day(MONDAY, 10), bookings=rush)) == 3, "110 in use"


def test_what_is_on_counts_even_where_pexip_has_not_shown_it_up_yet() -> None:
    started = [
        node(1, Power.RUNNING, launched_at=NOW - 30 * MINUTE, boot_time=LONG_AGO),
        node(2, Power.PENDING, launched_at=NOW - MINUTE, boot_time=LONG_AGO),
    ]
    assert starts(decide(day(MONDAY, 90), nodes=[*started, *OFF[2:]])) == 0
    assert starts(decide(day(MONDAY, 90), nodes=[node(1, Power.RUNNING, used=9), *OFF[1:]])) == 1
    assert starts(decide(day(MONDAY, 90), nodes=[closed(1), *OFF[1:]])) == 2, "nobody can open it"


def test_the_limits_hold() -> None:
    assert starts(decide(day(MONDAY, 200))) == 8
    assert starts(decide(day(MONDAY, 200), policy=replace(CONTROL, max_forecast_nodes=2))) == 2
    assert starts(decide(day(MONDAY, 200), policy=replace(CONTROL, max_nodes=1))) == 1
    assert starts(decide(day(MONDAY, 200), policy=replace(CONTROL, forecasting=False))) == 0


def test_a_home_that_was_lost_before_counts_for_nothing() -> None:
    seen = observe(*OFF, free=80, read_at=NOW - 10 * MINUTE, unreachable="no answer")
    home = replace(seen.reading.workers[0], alarm="connectivity lost")
    outlooks = (Outlook(location="Stockholm", begins=BEGINS, windows=(day(MONDAY, 30),)),)
    reading = replace(seen.reading, workers=(home, *seen.reading.workers[1:]))
    made = plan(replace(seen, reading=reading, outlooks=outlooks), promised(), CONTROL, NOW)
    assert starts(made) == 3, "35 in use, 6 more than the threshold"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"blind_for": 2}, id="a reading of two minutes is still new"),
        pytest.param({"silent": Source.EC2}, id="EC2 is not read, so nothing can be started"),
        pytest.param({"nodes": []}, id="no nodes"),
    ],
)
def test_it_does_not_fly_blind_where_it_is_not(more: dict[str, Any]) -> None:
    assert starts(decide(day(MONDAY, 200), **more)) == 0


def test_no_new_reading_is_as_blind_as_one_that_failed() -> None:
    made = decide(day(MONDAY, 90), unreachable="")
    assert starts(made) == 2
    assert made.reason.startswith("Blind since 07:50 UTC. ")


def test_nothing_is_known_beyond_what_an_outlook_spans() -> None:
    known = Outlook(location="Stockholm", begins=BEGINS, windows=(day(MONDAY, 90),))
    assert usual_peak(known, (), NOW, 3 * MINUTE, 0) == 90
    assert usual_peak(known, (), NOW, 4 * MINUTE, 0) == 95
    assert usual_peak(known, (), BEGINS, MINUTE, 0) == 90
    assert usual_peak(known, (), BEGINS - MINUTE, MINUTE, 0) is None
    assert usual_peak(known, (), NOW, 89 * MINUTE, 0) == 95
    assert usual_peak(known, (), NOW, 90 * MINUTE, 0) is None
    assert usual_peak(replace(known, windows=()), (), NOW, MINUTE, 0) is None
    assert usual_peak(None, (), NOW, MINUTE, 0) is None
