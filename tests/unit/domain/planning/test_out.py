"""A node that a person has taken out is closed, emptied and stopped whatever is needed, and stays off until it is put back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Instance, Power, Worker
from headroom.domain.fleet.lifecycle import Action, Commitments, Hold, Memory, Pause, Record, Unread
from headroom.domain.planning.giving import Supply
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.planning.promises import BadRequestError, Request, promise
from headroom.usecases.prewarm import terms_of
from tests.support.builders import CONTROL, NOW, claimed, closed, node, observe

MINUTE = timedelta(minutes=1)
Pair = tuple[Worker, Instance]


def out(*names: str, minutes: float = 1, **more: Any) -> Commitments:
    begins = NOW - minutes * MINUTE
    holds = tuple(
        Hold(
            id=f"out-{name}",
            begins=begins,
            ready_by=begins,
            until=NOW + timedelta(days=3650),
            reason="its disk is swapped",
            by="Anna",
            out=(name,),
        )
        for name in names
    )
    return Commitments(holds=holds, **more)


def planned(*nodes: Pair, free: int, commitments: Commitments) -> Plan:
    return plan(observe(*nodes, free=free), commitments, CONTROL, NOW)


def changes(made: Plan) -> dict[str, Action]:
    return {change.node: change.action for change in made.changes}


def why(made: Plan, name: str) -> str:
    return next(left.reason for left in made.left if left.node == name)


def test_a_node_that_is_out_is_never_started_and_others_are_in_its_place() -> None:
    assert changes(planned(node(1), node(2), free=0, commitments=out("burst-1"))) == {"burst-2": Action.START}
    made = planned(node(1), free=0, commitments=out("burst-1"))
    assert made.changes == ()
    assert [issue.kind for issue in made.issues][-1] == "not enough nodes"


def test_one_that_is_closed_and_out_is_not_opened_whatever_is_needed() -> None:
    made = planned(closed(1), node(2), free=0, commitments=out("burst-1"))
    assert changes(made) == {"burst-1": Action.STOP, "burst-2": Action.START}


def test_an_open_one_is_closed_whose_capacity_nobody_needs() -> None:
    made = planned(node(1, Power.RUNNING, used=3), free=60, commitments=out("burst-1"))
    assert changes(made) == {"burst-1": Action.CLOSE}
    assert made.changes[0].reason == "Taken out by Anna: its disk is swapped"
    assert (made.overflows[0].hd, made.overflows[0].carried) == (0, 3)


def test_an_open_one_whose_capacity_is_needed_stays_open_until_others_take_its_place_but_not_for_ever() -> None:
    serving = node(1, Power.RUNNING, used=3)
    made = planned(serving, node(2), free=0, commitments=out("burst-1"))
    assert changes(made) == {"burst-2": Action.START}
    assert "it stays open until others take its place" in why(made, "burst-1")
    replaced = planned(serving, node(2, Power.RUNNING), free=0, commitments=out("burst-1"))
    assert changes(replaced) == {"burst-1": Action.CLOSE}
    late = planned(serving, node(2), free=0, commitments=out("burst-1", minutes=20))
    assert changes(late)["burst-1"] is Action.CLOSE


def test_one_that_still_carries_calls_is_not_stopped() -> None:
    made = planned(closed(1, used=2), free=60, commitments=out("burst-1"))
    assert made.changes == ()
    assert "it is closed, and still carries conferences: 1" in why(made, "burst-1")


def test_one_that_boots_comes_up_closed_and_counts_for_nothing() -> None:
    booting = node(1, Power.PENDING, launched_at=NOW - MINUTE)
    made = planned(booting, node(2), free=0, commitments=out("burst-1"))
    assert changes(made) == {"burst-1": Action.CLOSE, "burst-2": Action.START}
    assert made.overflows[0].coming == 0


def test_a_workflow_that_is_at_work_on_it_is_not_disturbed() -> None:
    memory = claimed(1, Action.OPEN)
    made = planned(closed(1), free=60, commitments=out("burst-1", memories=(memory,)))
    assert made.changes == ()
    assert "is at work on it" in why(made, "burst-1")


def test_a_pause_neither_opens_it_nor_stops_it() -> None:
    made = planned(closed(1), closed(2), free=60, commitments=out("burst-1", pause=Pause(reason="a drill")))
    assert changes(made) == {"burst-2": Action.OPEN}


def test_no_drill_starts_it_and_it_keeps_no_other_from_its_drill() -> None:
    quiet = NOW.replace(hour=3)
    old = tuple(Memory(node=f"burst-{n}", up_at=NOW - timedelta(days=20 + n)) for n in (1, 2))
    observed = observe(node(1), node(2), free=80)
    seen = replace(observed, reading=replace(observed.reading, read_at=quiet))
    made = plan(seen, out("burst-1", minutes=600, memories=old), CONTROL, quiet)
    assert changes(made) == {"burst-2": Action.START_CLOSED}


def test_no_promise_can_be_made_of_it() -> None:
    commitments = out("burst-1")
    made = planned(node(1), node(2), free=60, commitments=commitments)
    supply = Supply.of(made.nodes, commitments, CONTROL)
    terms = terms_of(CONTROL, observe(node(1), node(2), free=60).reading, made, commitments)
    with pytest.raises(BadRequestError, match="burst-1 was taken out by Anna"):
        promise(Request(nodes=("burst-1",)), supply, terms, name="x", now=NOW)
    assert promise(Request(count=2), supply, terms, name="x", now=NOW).hold.counts == {"AWS burst": 1}


def test_it_says_of_itself_what_it_is() -> None:
    assert [hold.what for hold in out("burst-1").holds] == ["burst-1 taken out"]


def test_one_whose_record_cannot_be_read_is_left_as_it_is() -> None:
    unread = Unread(what=Record.NODE, name="burst-1", why="no JSON")
    made = planned(node(1, Power.RUNNING), free=60, commitments=out("burst-1", unread=(unread,)))
    assert made.changes == ()
    assert "cannot be read, so it is left as it is" in why(made, "burst-1")


def test_one_that_is_closed_but_has_not_come_up_is_waited_for() -> None:
    late = closed(1, launched_at=NOW - 20 * MINUTE, boot_time=NOW - timedelta(days=1))
    made = planned(late, free=60, commitments=out("burst-1"))
    assert Action.STOP not in changes(made).values()
    assert why(made, "burst-1")


def test_one_that_was_stopped_while_it_was_closed_is_opened_when_it_is_put_back() -> None:
    off = closed(1, power=Power.STOPPED)
    assert planned(off, free=60, commitments=out("burst-1")).changes == ()
    assert changes(planned(off, free=60, commitments=Commitments())) == {"burst-1": Action.OPEN}


def test_one_that_hangs_at_its_start_is_taken_back_as_any_other() -> None:
    started = NOW - 120 * MINUTE
    hangs = closed(1, launched_at=started, boot_time=NOW - timedelta(days=1), contacted_at=NOW - timedelta(days=1))
    memory = Memory(node="burst-1", start_asked_at=started)
    alone = changes(planned(hangs, free=60, commitments=Commitments(memories=(memory,))))
    assert alone == {"burst-1": Action.STOP}
    assert changes(planned(hangs, free=60, commitments=out("burst-1", memories=(memory,)))) == alone


def promised_until(hold: Hold, commitments: Commitments) -> Commitments:
    return replace(commitments, holds=(*commitments.holds, hold))


def test_one_that_a_promise_names_stays_until_that_promise_ends() -> None:
    named = Hold(
        id="all-hands", begins=NOW, ready_by=NOW, until=NOW + 60 * MINUTE, reason="r", by="b", nodes=("burst-1",)
    )
    made = planned(node(1, Power.RUNNING), free=60, commitments=promised_until(named, out("burst-1")))
    assert made.changes == ()
    assert "it is held: r; `headroom release all-hands` ends that promise" in why(made, "burst-1")


def test_one_that_is_closed_is_not_asked_to_stop_while_a_promised_number_cannot_do_without_it() -> None:
    """The safety rules would refuse the stop, every minute anew."""
    number = Hold(
        id="p", begins=NOW, ready_by=NOW, until=NOW + 60 * MINUTE, reason="r", by="b", counts={"AWS burst": 2}
    )
    nodes = (closed(1), node(2, Power.RUNNING))
    made = planned(*nodes, free=60, commitments=promised_until(number, out("burst-1")))
    assert changes(made).get("burst-1") is None
    assert "it is held: r" in why(made, "burst-1")
    enough = planned(*nodes, node(3, Power.RUNNING), free=60, commitments=promised_until(number, out("burst-1")))
    assert changes(enough)["burst-1"] is Action.STOP
