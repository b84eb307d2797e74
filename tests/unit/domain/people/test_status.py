"""What there is to see: levels in Pexip's words, since when a node is what it is, who is at work on it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from headroom.domain.fleet.fleet import Instance, NodeState, Power, Worker
from headroom.domain.fleet.lifecycle import Action, Memory
from headroom.domain.people.status import Level, Seen, Status, status_of
from headroom.domain.planning.issues import Issue, Trouble
from headroom.domain.planning.planning import plan
from tests.support.builders import CONTROL, LONG_AGO, NOW, claimed, closed, hold, node, observe, promised

EARLIER, LATELY = NOW - timedelta(hours=1), NOW - timedelta(minutes=10)


def seen(there: tuple[Worker, Instance], memory: Memory) -> Seen:
    found = observe(there)
    known = promised(hold(nodes=("burst-1",)), memories=(memory,))
    [one] = status_of(found, CONTROL, plan(found, known, CONTROL, NOW), known, NOW).nodes
    return one


def status(free: int) -> Status:
    found = observe(node(1), free=free)
    return status_of(found, CONTROL, plan(found, promised(), CONTROL, NOW), promised(), NOW + timedelta(seconds=200))


@pytest.mark.parametrize(("free", "level"), [(8, Level.FINE), (7, Level.APPROACHING), (5, Level.REACHED)])
def test_a_location_near_its_threshold_says_so_in_pexips_words(free: int, level: Level) -> None:
    assert status(free).places[0].level is level


def test_old_news_is_told_from_fresh_and_nodes_are_counted_by_state() -> None:
    found = status(40)
    assert (found.age, found.is_old) == (200, True)
    assert found.nodes_by_state() == {NodeState.STOPPED: 1}


@pytest.mark.parametrize(
    ("there", "memory", "since"),
    [
        (closed(1), Memory(node="burst-1", closed_at=LATELY), LATELY),
        (node(1, Power.RUNNING), Memory(node="burst-1", lifetime=LONG_AGO, opened_at=EARLIER), EARLIER),
        (node(1, Power.STOPPING), Memory(node="burst-1", stop_asked_at=LATELY), LATELY),
        (node(1), Memory(node="burst-1", stopped_at=EARLIER), EARLIER),
        (node(1, Power.PENDING, launched_at=LATELY), Memory(node="burst-1", lifetime=LATELY), LATELY),
    ],
)
def test_since_when_a_node_is_what_it_is(there: tuple[Worker, Instance], memory: Memory, since: datetime) -> None:
    assert seen(there, memory).since == since


def test_who_is_at_work_and_what_holds_a_node_is_said() -> None:
    found = seen(closed(1), claimed(1, Action.STOP))
    assert (found.workflow, found.holds) == ("is being proved empty and stopped", ("the nine o'clock rush",))


def test_an_issue_is_the_same_while_only_its_numbers_change() -> None:
    one = Issue(what="No news for 3 min", advice="", kind=Trouble.NO_NEWS, about="Pexip")
    assert one.same == replace(one, what="No news for 4 min").same
    assert Issue(what="a", advice="", kind=Trouble.MISFIT).same != Issue(what="b", advice="", kind=Trouble.MISFIT).same
