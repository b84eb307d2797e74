"""A booting node counts by its chance of coming up: whole at first, less with every minute that it is overdue."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.fleet.fleet import Node, Power, match_up
from headroom.domain.fleet.lifecycle import Action, Memory
from headroom.domain.planning.leads import Leads
from headroom.domain.planning.planning import plan
from headroom.domain.policy import Policy
from tests.support.builders import CONTROL, LONG_AGO, NOW, node, observe, promised
from tests.unit.domain.planning.test_planning import actions

QUICK: tuple[float | None, ...] = (280.0, 300.0, 320.0) * 4
SURE = 0.995


def booting(minutes: float) -> Node:
    seen = observe(node(1, Power.RUNNING, launched_at=NOW - timedelta(minutes=minutes), boot_time=LONG_AGO))
    [found] = match_up(seen, expected_hd={}, default_hd=15, boot_limit=timedelta(hours=9), now=NOW).nodes
    return found


def leads(boots: tuple[float | None, ...]) -> Leads:
    return Leads({"AWS burst": ["burst-1"]}, {"burst-1": Memory(node="burst-1", boots=boots)}, Policy(), NOW)


def counts_for(minutes: float, boots: tuple[float | None, ...], sure: float = SURE) -> int:
    return leads(boots).expected_room(booting(minutes), sure)


def test_a_node_counts_whole_while_it_boots_as_usual() -> None:
    assert [counts_for(minutes, QUICK) for minutes in (0, 1, 3, 5)] == [15, 15, 15, 15]


def test_a_node_that_is_overdue_counts_less_with_every_minute() -> None:
    by_minute = [counts_for(minutes, QUICK) for minutes in (5, 6, 7, 8, 9)]
    assert by_minute == sorted(by_minute, reverse=True)
    assert by_minute[-1] == 0 < by_minute[2] < 15


def test_where_boots_vary_a_node_is_waited_for_longer() -> None:
    assert counts_for(8, QUICK) < counts_for(8, (240.0, 300.0, 420.0, 540.0) * 3)


def test_where_starts_fail_often_a_late_node_is_given_less_time() -> None:
    assert counts_for(6.5, (*QUICK, None, None, None, None, None, None)) < counts_for(6.5, QUICK)


def test_a_new_stack_waits_longer_than_one_that_has_measured_but_not_for_ever() -> None:
    assert counts_for(7, ()) > counts_for(7, QUICK)
    assert counts_for(14, ()) == 0


def test_who_must_be_surer_replaces_a_late_node_sooner() -> None:
    assert counts_for(6, QUICK, 0.9) == 15 > counts_for(6, QUICK, 0.9999)


def test_a_node_whose_capacity_is_missed_is_replaced_and_one_that_is_only_a_little_late_is_not() -> None:
    known = [Memory(node=f"burst-{number}", boots=QUICK) for number in (1, 2)]
    for minutes, wanted in ((5, {}), (9, {"burst-2": Action.START})):
        slow = node(1, Power.RUNNING, launched_at=NOW - timedelta(minutes=minutes), boot_time=LONG_AGO)
        decided = plan(observe(slow, node(2), free=2), promised(memories=tuple(known)), replace(CONTROL), NOW)
        assert actions(decided) == wanted


@given(
    st.floats(-5, 2000),
    st.floats(0, 600),
    st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=25),
)
def test_whatever_was_measured_the_chance_is_one_and_never_grows(
    minutes: float, more: float, boots: list[float | None]
) -> None:
    known = leads(tuple(boots))
    sooner, later = known.chance(booting(minutes)), known.chance(booting(minutes + more))
    assert 0 <= later <= sooner + 1e-9
    assert sooner <= 1 + 1e-9


@pytest.mark.parametrize("sure", [0.5, 0.99, 0.9999])
def test_a_node_that_was_just_started_is_counted_on_however_sure_one_must_be(sure: float) -> None:
    assert counts_for(0.5, (*QUICK, *[None] * 8), sure) == 15
