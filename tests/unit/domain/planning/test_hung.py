"""A start that hangs: taken back when that is safe, tried again with growing pauses, and at last a person's."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Instance, Power, Worker
from headroom.domain.fleet.lifecycle import Action, Memory
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from tests.support.builders import CONTROL, LONG_AGO, NOW, claimed, closed, hold, node, observe, promised

MINUTE = timedelta(minutes=1)
LAUNCHED = NOW - 50 * MINUTE
OURS = Memory(
    node="burst-1", start_asked_at=LAUNCHED, given_up_at=NOW - 35 * MINUTE, closed_at=NOW - 34 * MINUTE, version=1
)


def hung(at: datetime = LAUNCHED, **more: Any) -> tuple[Worker, Instance]:
    """A node that was started, was given up and closed, and that Pexip has never heard from."""
    return closed(1, launched_at=at, **({"boot_time": LONG_AGO - timedelta(days=1)} | more))


def decide(
    *nodes: tuple[Worker, Instance], memory: Memory = OURS, free: int = 40, holds: Any = (), **more: Any
) -> Plan:
    return plan(observe(*nodes, free=free, **more), promised(*holds, memories=(memory,)), CONTROL, NOW)


def actions(made: Plan) -> dict[str, Action]:
    return {change.node: change.action for change in made.changes}


def test_a_start_that_hangs_is_stopped_after_its_lifetime_and_twice_the_boot_limit() -> None:
    [change] = decide(hung()).changes
    assert (change.action, change.node) == (Action.STOP, "burst-1")
    assert change.reason == (
        "It was started at 07:10 UTC, and Pexip has never heard from it; it is stopped, and tried again later"
    )
    young = hung(LAUNCHED + MINUTE / 60)
    assert decide(young, memory=replace(OURS, start_asked_at=LAUNCHED)).changes == ()
    patient = replace(CONTROL, boot_limit=26 * MINUTE)
    assert plan(observe(hung()), promised(memories=(OURS,)), patient, NOW).changes == ()
    assert actions(decide(hung(), node(2), free=0)) == {"burst-1": Action.STOP, "burst-2": Action.START}


@pytest.mark.parametrize(
    ("minutes", "is_tried"), [(0, True), (4, True), (5, False), (59, False), (60, True), (65, False)]
)
def test_a_hung_start_that_may_not_be_stopped_is_tried_once_an_hour_as_what_it_has_sent_stays_sent(
    minutes: int, is_tried: bool
) -> None:
    refused = replace(OURS, refused_since=NOW - minutes * MINUTE, refused_why="It has sent 1.1 MB a minute")
    assert bool(decide(hung(), memory=refused).changes) is is_tried


@pytest.mark.parametrize(
    ("nodes", "memory"),
    [
        pytest.param([hung(boot_time=LAUNCHED, sync_status="FAILED")], OURS, id="it has come up"),
        pytest.param([hung()], replace(OURS, up_at=LAUNCHED), id="a reading had shown it up"),
        pytest.param([hung()], replace(OURS, start_asked_at=None), id="Headroom did not start it"),
        pytest.param([hung()], replace(OURS, start_asked_at=LAUNCHED - 10 * MINUTE), id="Headroom started it before"),
        pytest.param([hung()], replace(OURS, start_asked_at=LAUNCHED + 2 * MINUTE), id="it was on when Headroom asked"),
        pytest.param([hung()], replace(OURS, closed_at=NOW - 3 * MINUTE), id="EC2 could not say in time what it sends"),
        pytest.param([hung(maintenance_mode_reason="repair")], OURS, id="a person has closed it"),
        pytest.param([hung(power=Power.PENDING)], OURS, id="EC2 still starts it"),
        pytest.param(
            [hung()], replace(claimed(1, Action.CLOSE), start_asked_at=LAUNCHED), id="a workflow is at work on it"
        ),
    ],
)
def test_what_does_not_hang_for_certain_stays_on(nodes: list[tuple[Worker, Instance]], memory: Memory) -> None:
    assert Action.STOP not in actions(decide(*nodes, memory=memory)).values()


def test_one_that_is_still_open_is_closed_first() -> None:
    made = decide(node(1, Power.RUNNING, launched_at=LAUNCHED, boot_time=LONG_AGO - timedelta(days=1)), memory=OURS)
    assert actions(made) == {"burst-1": Action.CLOSE}
    lost = replace(OURS, given_up_at=None)  # its workflow had died
    made = decide(node(1, Power.RUNNING, launched_at=LAUNCHED, boot_time=LONG_AGO - timedelta(days=1)), memory=lost)
    assert actions(made) == {"burst-1": Action.CLOSE}


@pytest.mark.parametrize(("hung_before", "pause"), [(0, 5), (1, 20), (2, 80)])
def test_each_try_waits_four_times_as_long(hung_before: int, pause: int) -> None:
    def starts(ago: float) -> bool:
        failed = Memory(node="burst-1", hung=hung_before, failed_at=NOW - ago * MINUTE)
        return actions(decide(node(1), memory=failed, free=0)) == {"burst-1": Action.START}

    assert starts(pause)
    assert not starts(pause - 0.1)


def test_after_three_such_starts_it_is_a_persons_and_an_issue_says_what_ec2_says() -> None:
    given_up = Memory(
        node="burst-1", hung=3, failed_at=NOW - timedelta(days=2), hung_why="its instance status check is impaired"
    )
    made = decide(node(1), memory=given_up, free=0)
    assert made.changes == ()
    [issue] = [issue for issue in made.issues if issue.kind is Trouble.HANGS]
    assert issue.what == (
        "burst-1 has hung at its last 3 starts, so Headroom starts it no more: its instance status check is impaired"
    )
    assert issue.advice.endswith("When it is mended, start it with `headroom start burst-1`.")
    silent = decide(node(1), memory=replace(given_up, hung_why=""), free=0)
    assert any(issue.what.endswith("no more: EC2 was not asked why") for issue in silent.issues)
    assert not any(issue.kind is Trouble.HANGS for issue in decide(node(1), memory=replace(given_up, hung=2)).issues)


def test_a_person_who_asks_for_it_by_name_has_it_tried_again_and_the_schedule_does_not() -> None:
    given_up = Memory(node="burst-1", hung=3, failed_at=NOW - 10 * MINUTE)
    asked = hold(nodes=("burst-1",), by="anna")
    assert actions(decide(node(1), memory=given_up, holds=(asked,))) == {"burst-1": Action.START}
    assert decide(node(1), memory=replace(given_up, failed_at=NOW), holds=(asked,)).changes == ()
    assert decide(node(1), memory=given_up, holds=(hold(nodes=("burst-1",)),)).changes == ()
    assert decide(node(1), memory=given_up, holds=(hold(nodes=("burst-2",), by="anna"),)).changes == ()
