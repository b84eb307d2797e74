"""Families of loads: a site is drawn by a seed, and a seed brings it back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from headroom_replay.families import FAILING, FAMILIES, HISTORY, PLAYED, SPARE, of_family
from headroom_replay.oracle import schedule
from headroom_replay.run import play
from headroom_replay.work import SECOND

SOME = ("meetings, some booked", "holidays and breaks")


@pytest.mark.parametrize("name", SOME)
def test_a_seed_brings_a_site_back(name: str) -> None:
    work = of_family(name, seed=3)
    assert work == of_family(name, seed=3)
    assert work.calls != of_family(name, seed=4).calls
    here = ZoneInfo(work.zone)
    days = {datetime.fromtimestamp(call.at, here).date() for call in work.calls}
    assert len(days) in {PLAYED, PLAYED - 1}, "on a holiday nobody may come"
    assert max(sample.at for sample in work.history) <= datetime.fromtimestamp(work.begins, UTC)
    assert len({sample.at.astimezone(here).date() for sample in work.history if sample.used}) >= HISTORY - 3


def test_nobody_need_be_turned_away_for_lack_of_nodes() -> None:
    work = of_family("meetings, no calendar", seed=5)
    everything = work.platform.always_on + work.platform.nodes * work.platform.node_hd
    changes = sorted([(call.at, 1) for call in work.calls] + [(call.at + call.seconds, -1) for call in work.calls])
    used = most = 0
    for _, change in changes:
        used += change
        most = max(most, used)
    assert most < everything < SPARE * most + 3 * work.platform.node_hd
    assert work.bookings == ()


def test_two_locations_share_the_callers_and_the_overflow_location() -> None:
    work = of_family("two locations", seed=5)
    homes = work.platform.homes
    assert sum(homes.values()) == work.platform.always_on
    assert {call.location for call in work.calls} == set(homes) == {sample.location for sample in work.history}
    second = sum(call.location == SECOND for call in work.calls) / len(work.calls)
    assert second == pytest.approx(homes[SECOND] / work.platform.always_on, abs=0.05)


def test_how_many_starts_fail_is_drawn_for_each_site() -> None:
    drawn = [of_family("calls", seed=seed, played=1).failing for seed in range(1, 6)]
    assert len({each.hung for each in drawn}) == 5
    assert all(0 <= share <= FAILING for each in drawn for share in (each.refused, each.slow, each.hung))


def test_both_locations_are_planned_for_and_nobody_is_cut() -> None:
    work = of_family("two locations", seed=5, played=1)
    best = schedule(work, 5)
    found = play(work, "headroom", 5, best)
    assert best.rejected <= 2
    assert found.cut == 0
    assert found.rejected < 0.02 * found.offered
    assert found.score > play(work, "native+0850", 5, best).score


def test_there_are_families_of_every_kind() -> None:
    assert {
        "two locations",
        "calls",
        "lessons",
        "surges",
        "a site that grows",
        "holidays and breaks",
        "clocks that change",
    } <= set(FAMILIES)
