"""What a month costs, from what the shipped functions and workflows use in played hours."""

from collections.abc import Callable

from headroom_lab.cost import bill
from headroom_lab.cost.counting import BUSY, QUIET, SMALL, Metered, play


def test_a_small_site_costs_five_dollars_a_month_at_the_most(figure: Callable[[str], None]) -> None:
    hours = play(SMALL)
    rows = bill.month(hours)
    figure(
        f"a small site, {SMALL.size}: ${bill.due(rows):.2f} a month, ${sum(row.at_list for row in rows):.2f} at list prices"
    )
    assert bill.due(rows) <= bill.MOST
    assert hours.used[BUSY]["transitions"] > 100, "nodes started and stopped in the busy hour"
    assert hours.used[QUIET]["invocations"] >= 3 * 60
    assert {row.title for row in rows if row.used == 0} == set(), "everything that is billed was used"


def test_a_function_that_sleeps_is_billed_for_it() -> None:
    with Metered(SMALL) as stage:
        stage.after(0, lambda: stage.call("notify", {}))
        stage.minutes(1)
        awake = stage.used["gb_seconds"]
        stage.hazards.delayed = 1.0  # each of its requests takes seconds
        stage.after(0, lambda: stage.call("notify", {}))
        stage.minutes(5)
    assert 0 < awake < 1
    assert stage.used["gb_seconds"] > 5 * awake
