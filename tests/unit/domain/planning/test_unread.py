"""What cannot be read of the ledger, and what Pexip does not tell: it neither stops a node nor keeps one from starting."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Observation, Power, match_up
from headroom.domain.fleet.lifecycle import SCHEDULE, Action, Commitments, Life, Pause, Record, Unread
from headroom.domain.fleet.reconciling import Found, reconcile
from headroom.domain.planning.giving import Supply, given
from headroom.domain.planning.issues import Issue, Trouble
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Mode
from headroom.domain.safety.permission import unsure
from tests.support.builders import CONTROL, NOW, closed, hold, node, observe, promised

UNREAD = Unread(what=Record.NODE, name="burst-1", why="'parked' is not a valid Wanted")
IDLE = 70  # HD connections free in the principal location


def planned(seen: Observation, **more: Any) -> Plan:
    return plan(seen, replace(promised(), unread=(UNREAD,), **more), CONTROL, NOW)


def actions(made: Plan) -> dict[str, Action]:
    return {change.node: change.action for change in made.changes}


def test_another_node_starts_in_its_place() -> None:
    assert actions(planned(observe(node(1), node(2), free=2))) == {"burst-2": Action.START}


@pytest.mark.parametrize("number", [1, 2])
def test_a_closed_node_is_opened_for_a_need_unless_its_memory_cannot_be_read(number: int) -> None:
    made = planned(observe(closed(number), free=2))
    assert actions(made) == ({} if number == 1 else {"burst-2": Action.OPEN})


@pytest.mark.parametrize("used", [0, 3])
def test_it_is_neither_closed_nor_stopped_and_says_why(used: int) -> None:
    for seen in (observe(node(1, Power.RUNNING, used=used), free=IDLE), observe(closed(1), free=IDLE)):
        made = planned(seen)
        assert actions(made) == {}
        [left] = made.left
        assert left.reason == "What is remembered of it cannot be read, so it is left as it is: see `headroom issues`"


def test_not_even_a_pause_or_a_stop_in_maintenance_mode_opens_it() -> None:
    assert actions(planned(observe(closed(1), free=IDLE), pause=Pause(reason="x"))) == {}
    off = observe(node(1, maintenance_mode_configured=True, maintenance_mode_reason="Headroom: idle"), free=IDLE)
    assert actions(planned(off)) == {}
    assert actions(plan(off, promised(), CONTROL, NOW)) == {"burst-1": Action.OPEN}


def test_one_that_is_no_overflow_node_any_more_is_left_too() -> None:
    worker, _ = closed(1)
    seen = observe(node(2), free=IDLE)
    seen = replace(
        seen, reading=replace(seen.reading, workers=(*seen.reading.workers, replace(worker, location="Attic")))
    )
    assert actions(planned(seen)) == {}
    assert actions(plan(seen, promised(), CONTROL, NOW)) == {"burst-1": Action.OPEN}


def test_the_issue_names_the_record_and_says_what_to_do() -> None:
    [issue] = [each for each in planned(observe(node(1), free=IDLE)).issues if each.kind is Trouble.UNREADABLE]
    assert issue.what == "The record of the node burst-1 cannot be read: 'parked' is not a valid Wanted"
    assert "`headroom start burst-1` or `headroom open burst-1`" in issue.advice


def test_of_a_node_whose_memory_cannot_be_read_only_its_lifetimes_are_made_good() -> None:
    observed = observe(closed(1), free=IDLE)
    fleet = match_up(observed, expected_hd={}, default_hd=10, boot_limit=CONTROL.boot_limit, now=NOW)
    [instance] = observed.instances
    life = Life(instance=instance.id, node="burst-1", launched_at=NOW - timedelta(days=1))
    known, unread = Commitments(lives=(life,)), Commitments(lives=(life,), unread=(UNREAD,))
    by_record = {each.found for each in reconcile(fleet.nodes, known, NOW, instances=[instance])}
    assert by_record > {Found.NO_INSTANCE, Found.NO_LIFETIME}
    left = {each.found for each in reconcile(fleet.nodes, unread, NOW, instances=[instance])}
    assert left == {Found.NO_INSTANCE, Found.NO_LIFETIME}


def incomplete(made: Plan) -> list[Issue]:
    return [issue for issue in made.issues if issue.kind is Trouble.INCOMPLETE]


def untold(*names: str, free: int = IDLE) -> Observation:
    seen = observe(closed(1), node(2), free=free)
    return replace(seen, reading=replace(seen.reading, untold=names))


@pytest.mark.parametrize("name", ["bursting_enabled", "upgrade_status"])
def test_while_pexip_does_not_tell_who_else_is_at_work_nothing_is_stopped_and_nodes_start(name: str) -> None:
    assert actions(plan(untold(), promised(), CONTROL, NOW)) == {"burst-1": Action.STOP}
    seen = untold(name)
    made = plan(seen, promised(), CONTROL, NOW)
    assert actions(made) == {}
    assert made.left[0].reason == unsure(seen.reading)
    assert [issue.what for issue in incomplete(made)] == [unsure(seen.reading)]
    assert actions(plan(untold(name, free=2), promised(), CONTROL, NOW)) == {"burst-1": Action.OPEN}


def test_in_assist_mode_a_node_starts_though_pexip_does_not_tell_whether_it_bursts() -> None:
    policy = replace(CONTROL, mode=Mode.ASSIST)
    seen = observe(node(1), free=2)
    assert actions(plan(seen, promised(), policy, NOW)) == {}, "Pexip tells that it does not"
    seen = replace(seen, reading=replace(seen.reading, untold=("bursting_enabled",)))
    assert actions(plan(seen, promised(), policy, NOW)) == {"burst-1": Action.START}


@pytest.mark.parametrize(("by", "nodes"), [("anna", ("burst-1",)), (SCHEDULE, ())])
def test_a_promise_counts_on_such_a_node_only_where_a_person_names_it(by: str, nodes: tuple[str, ...]) -> None:
    summary = planned(observe(node(1), node(2), free=IDLE)).nodes
    supply = Supply.of(summary, replace(promised(), unread=(UNREAD,)), CONTROL)
    wanted = hold(nodes=("burst-1",), by=by)
    assert given(wanted, supply, NOW).hold.nodes == nodes
    counted = given(replace(wanted, nodes=(), counts={"AWS burst": 2}), supply, NOW)
    assert counted.hold.counts == {"AWS burst": 1}
    assert "burst-1 is left as it is, as its record cannot be read" in counted.why


@pytest.mark.parametrize(
    ("name", "parameter", "policy"),
    [
        ("bursting_threshold", "Threshold", replace(CONTROL, threshold=None)),
        (
            "bursting_min_lifetime",
            "MinimumLifetimeMinutes",
            replace(CONTROL, minimum_lifetime=None, pexips_lifetime=True),
        ),
    ],
)
def test_a_setting_that_pexip_does_not_tell_is_an_issue_unless_the_operator_has_set_one(
    name: str, parameter: str, policy: Any
) -> None:
    assert incomplete(plan(untold(name), promised(), CONTROL, NOW)) == []
    [issue] = incomplete(plan(untold(name), promised(), policy, NOW))
    assert issue.what == f"Pexip does not tell its {name}"
    assert issue.advice.endswith(f"or deploy with {parameter}.")
