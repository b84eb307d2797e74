"""Families of loads: a site is drawn by a seed, and a seed brings it back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from headroom_replay.families import FAMILIES, HISTORY, PLAYED, SPARE, of_family

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


def test_there_are_families_of_every_kind() -> None:
    assert {"calls", "lessons", "surges", "a site that grows", "holidays and breaks", "clocks that change"} <= set(
        FAMILIES
    )
