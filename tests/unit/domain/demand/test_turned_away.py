"""The estimate of calls turned away, held against what really was."""

from datetime import UTC, datetime, timedelta

import pytest

from headroom.domain.demand.turned_away import Sample, estimate, likely
from headroom_replay import controllers
from headroom_replay.site import Site
from headroom_replay.suite import cases_of
from headroom_replay.work import OVERFLOW, PRINCIPAL

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def estimated(*loads: int, capacity: int) -> float:
    samples = (
        Sample(at=NINE + number * MINUTE, location="Oslo", used=float(load), full=load >= capacity)
        for number, load in enumerate(loads)
    )
    return sum(each.calls for each in estimate(samples))


def test_nobody_is_turned_away_while_anything_is_free() -> None:
    assert estimated(0, 5, 10, 15, 19, 12, capacity=20) == 0


def test_a_rise_that_meets_full_nodes_is_taken_to_go_on_as_long_as_it_had_lasted() -> None:
    assert estimated(0, 5, 10, 15, 20, *[20] * 60, capacity=20) == pytest.approx(4 * 5)


def test_a_load_that_stood_at_its_limit_all_along_says_nothing() -> None:
    assert estimated(*[20] * 30, capacity=20) == 0


def test_a_gap_between_two_samples_is_no_rise() -> None:
    before, after = (
        Sample(at=at, location="Oslo", used=used, full=used >= 20)
        for at, used in ((NINE, 0.0), (NINE + 30 * MINUTE, 20.0))
    )
    assert list(estimate([before, after])) == []


def trail(*loads: int, capacity: int = 20) -> list[Sample]:
    return [
        Sample(at=NINE + number * MINUTE, location="Oslo", used=float(load), full=load >= capacity)
        for number, load in enumerate(loads)
    ]


def test_what_was_likely_turned_away_lately_grows_while_nothing_is_free() -> None:
    assert likely("Oslo", trail(0, 5, 10, 15, 20)).calls == pytest.approx(5)
    found = likely("Oslo", trail(0, 5, 10, 15, 20, 20, 20))
    assert found.calls == pytest.approx(15)
    assert found.full_since == NINE + 4 * MINUTE


def test_what_was_turned_away_lately_is_still_told_when_something_is_free_again() -> None:
    found = likely("Oslo", trail(0, 5, 10, 15, 20, 20, 12))
    assert found.full_since is None
    assert found.calls == pytest.approx(10)


@pytest.mark.parametrize("number", range(2), ids=["calls", "meetings"])
def test_under_pexips_own_rule_the_estimate_is_within_a_factor_of_two_of_the_truth(number: int) -> None:
    work = cases_of(None, 10)[number](seed=1)
    site, samples = Site(work, 1), []
    rule = controllers.native_0850(site)

    def step() -> None:
        rule()
        free = site.world.free(PRINCIPAL) + site.world.free(OVERFLOW)
        at = datetime.fromtimestamp(site.now, UTC)
        samples.append(Sample(at=at, location=PRINCIPAL, used=float(site.used()), full=free <= 0))

    site.run(step)
    guess, truth = sum(each.calls for each in estimate(samples)), site.world.tally.rejected
    assert truth > 0
    assert truth / 2 < guess < 2 * truth
