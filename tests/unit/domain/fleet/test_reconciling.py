"""EC2, Pexip and the ledger compared: what does not fit is found, and said where it is a surprise."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Power, match_up
from headroom.domain.fleet.lifecycle import Action, Commitments, Life, Memory, Record, Unread
from headroom.domain.fleet.reconciling import Finding, Found, reconcile
from headroom.domain.planning.planning import plan
from tests.support.builders import CONTROL, LONG_AGO, NOW, claimed, closed, node, observe, promised

LIMIT = timedelta(minutes=15)
JUST_NOW = NOW - timedelta(minutes=3)


ALIVE = Life(instance="i-00000000000000001", node="burst-1", launched_at=LONG_AGO)


def findings(seen: Any, memory: Memory, *lives: Life, is_read: bool = True) -> list[Finding]:
    """What is found about burst-1, of which the ledger keeps these open lifetimes."""
    fleet = match_up(observe(seen), expected_hd={}, default_hd=10, boot_limit=LIMIT, now=NOW)
    commitments = replace(promised(memories=(memory,)), lives=lives)
    return list(reconcile(fleet.nodes, commitments, NOW, is_read=is_read))


def known(**more: Any) -> Memory:
    given: dict[str, Any] = {"hd": 15, "up_at": NOW}
    return Memory(node="burst-1", **(given | more))


def test_what_fits_is_not_mentioned() -> None:
    assert findings(node(1, Power.RUNNING), known(), ALIVE) == []
    assert findings(node(1, Power.STOPPING), known(), ALIVE) == []
    assert findings(node(1), Memory(node="burst-1")) == []


def test_a_node_that_runs_unrecorded_gets_a_lifetime_and_an_issue() -> None:
    [found] = findings(node(1, Power.RUNNING), known())
    assert (found.found, found.life, found.by_others) == (Found.NO_LIFETIME, ALIVE, False)
    assert found.what == "burst-1 has run since 06:00 UTC, but the ledger missed it"


def test_a_node_that_goes_down_unrecorded_gets_a_lifetime_while_its_launch_can_be_seen() -> None:
    [found] = findings(node(1, Power.STOPPING), known())
    assert (found.found, found.life) == (Found.NO_LIFETIME, ALIVE)
    assert findings(node(1, Power.STOPPING), known(stopped_at=NOW)) == []
    before = replace(ALIVE, launched_at=LONG_AGO - timedelta(days=1))
    assert [each.found for each in findings(node(1, Power.STOPPING), known(), before)] == [
        Found.NO_INSTANCE,
        Found.NO_LIFETIME,
    ]


def test_a_start_whose_message_is_on_its_way_is_no_surprise() -> None:
    seen = node(1, Power.PENDING, launched_at=NOW - timedelta(seconds=90))
    [found] = findings(seen, known(start_asked_at=NOW - timedelta(seconds=92)))
    assert (found.what, found.by_others) == ("", False)


def test_a_start_that_nobody_here_asked_for_is_somebody_elses() -> None:
    seen = node(1, Power.RUNNING, launched_at=JUST_NOW)
    assert findings(seen, known())[0].by_others
    assert not findings(seen, known(start_asked_at=JUST_NOW - timedelta(minutes=1)))[0].by_others


def test_a_node_that_stopped_unrecorded_ends_its_lifetime() -> None:
    [found] = findings(node(1), known(), ALIVE)
    assert (found.found, found.life, found.by_others) == (Found.NO_INSTANCE, ALIVE, True)
    assert "but the ledger missed its stop" in found.what
    [ours] = findings(node(1), known(stop_asked_at=JUST_NOW), ALIVE)
    assert (ours.by_others, ours.what) == (False, "")


def test_a_node_restarted_between_two_ticks_has_two_lifetimes() -> None:
    found = findings(node(1, Power.RUNNING, launched_at=JUST_NOW), known(), ALIVE)
    assert [each.found for each in found] == [Found.NO_INSTANCE, Found.NO_LIFETIME]
    assert [each.life for each in found] == [ALIVE, replace(ALIVE, launched_at=JUST_NOW)]


def test_the_lifetime_of_a_node_whose_instance_is_gone_ends_but_not_when_ec2_was_not_read() -> None:
    gone = replace(promised(), lives=(ALIVE,))
    assert [each.found for each in reconcile((), gone, NOW)] == [Found.NO_INSTANCE]
    assert list(reconcile((), gone, NOW, is_read=False)) == []


@pytest.mark.parametrize("power", [Power.PENDING, Power.RUNNING, Power.STOPPING])
def test_a_renamed_node_keeps_its_lifetime_and_ends_it_when_its_instance_is_off(power: Power) -> None:
    renamed = replace(ALIVE, node="burst-one")
    assert findings(node(1, power), known(), renamed) == []
    [found] = findings(node(1), known(), renamed)
    assert (found.found, found.node, found.life) == (Found.NO_INSTANCE, "burst-1", renamed)


def test_nodes_that_have_exchanged_their_names_keep_their_lifetimes() -> None:
    lives = tuple(Life(instance=f"i-{n:017x}", node=f"burst-{3 - n}", launched_at=LONG_AGO) for n in (1, 2))
    on, off = node(1, Power.RUNNING), node(2)
    fleet = match_up(observe(on, off), expected_hd={}, default_hd=10, boot_limit=LIMIT, now=NOW)
    memories = (known(), Memory(node="burst-2", hd=15))
    found = list(reconcile(fleet.nodes, replace(promised(memories=memories), lives=lives), NOW))
    assert [(each.found, each.life) for each in found] == [(Found.NO_INSTANCE, lives[1])]


def test_a_node_that_was_moved_to_another_location_is_still_on() -> None:
    seen = observe(node(1, Power.RUNNING))
    commitments = replace(promised(), lives=(ALIVE,))
    assert list(reconcile((), commitments, NOW, instances=seen.instances)) == []
    assert [each.found for each in reconcile((), commitments, NOW)] == [Found.NO_INSTANCE]


def test_a_lifetime_that_version_0_1_kept_with_its_node_is_taken_over_without_a_word() -> None:
    [found] = findings(node(1, Power.RUNNING), known(lifetime=LONG_AGO))
    assert (found.found, found.life, found.what, found.by_others) == (Found.NO_LIFETIME, ALIVE, "", False)
    assert findings(node(1, Power.RUNNING), known(lifetime=LONG_AGO), ALIVE) == []
    [ended] = findings(node(1), known(lifetime=LONG_AGO))
    assert (ended.found, ended.life) == (Found.NO_INSTANCE, replace(ALIVE, instance=""))


def test_what_a_person_closed_or_opened_meanwhile_is_noted_unless_a_workflow_is_at_work() -> None:
    assert [each.found for each in findings(closed(1), known(), ALIVE)] == [Found.CLOSED]
    assert [each.found for each in findings(node(1, Power.RUNNING), known(closed_at=LONG_AGO), ALIVE)] == [Found.OPEN]
    at_work = claimed(1, Action.CLOSE, hd=15, up_at=NOW)
    assert findings(closed(1), at_work, ALIVE) == []


def test_a_node_that_serves_is_no_longer_given_up_and_its_size_is_remembered() -> None:
    [found] = findings(node(1, Power.RUNNING), known(given_up_at=LONG_AGO, hd=10), ALIVE)
    assert (found.found, found.hd) == (Found.SERVES, 15)


def test_a_claim_whose_workflow_ended_without_a_word_is_an_issue() -> None:
    slow = claimed(1, Action.STOP, left=-timedelta(minutes=4), hd=15, up_at=NOW)
    assert findings(node(1, Power.RUNNING), slow, ALIVE) == []
    dead = claimed(1, Action.STOP, left=-timedelta(minutes=5), hd=15, up_at=NOW)
    [found] = findings(node(1, Power.RUNNING), dead, ALIVE, is_read=False)
    assert found.found is Found.NO_WORKFLOW
    decided = plan(observe(node(1, Power.RUNNING)), Commitments(memories=(dead,)), CONTROL, NOW)
    assert "The workflow stop-1 on burst-1 ended without a result" in [issue.what for issue in decided.issues]


@pytest.mark.parametrize(
    ("minutes", "nodes", "switching"),
    [
        pytest.param(5, 2, True, id="two nodes are another controller"),
        pytest.param(5, 1, False, id="one node is a person's test"),
        pytest.param(61, 2, False, id="an hour ago is over"),
    ],
)
def test_a_second_controller_holds_closing_and_stopping_but_not_starting(
    minutes: int, nodes: int, *, switching: bool
) -> None:
    at = NOW - timedelta(minutes=minutes)
    memories = tuple(Memory(node=f"burst-{n}", switched_by_others_at=at) for n in range(1, nodes + 1))
    idle = plan(observe(closed(1), closed(2)), promised(memories=memories), CONTROL, NOW)
    assert (idle.changes == ()) is switching
    assert any("Somebody else starts and stops" in issue.what for issue in idle.issues) is switching
    rush = plan(observe(node(3), free=0), promised(memories=memories), CONTROL, NOW)
    assert [change.action for change in rush.changes] == [Action.START]


def test_a_lifetime_of_another_launch_does_not_hide_the_one_that_version_0_1_kept() -> None:
    earlier = replace(ALIVE, launched_at=LONG_AGO - timedelta(days=1))
    found = findings(node(1, Power.RUNNING), known(lifetime=LONG_AGO), earlier)
    assert [(each.found, each.life) for each in found] == [(Found.NO_INSTANCE, earlier), (Found.NO_LIFETIME, ALIVE)]


def test_the_first_reading_that_shows_a_node_up_since_its_launch_is_remembered() -> None:
    running = node(1, Power.RUNNING)
    assert [each.found for each in findings(running, known(up_at=None), ALIVE)] == [Found.UP]
    assert [each.found for each in findings(running, known(up_at=LONG_AGO - timedelta(hours=1)), ALIVE)] == [Found.UP]
    assert findings(running, known(up_at=LONG_AGO), ALIVE) == []
    lost = node(1, Power.RUNNING, alarm="connectivity lost", sync_status="FAILED")
    assert [each.found for each in findings(lost, known(up_at=None), ALIVE)] == [Found.UP], "it has been up"
    hung = node(1, Power.RUNNING, boot_time=LONG_AGO - timedelta(hours=1))
    assert findings(hung, known(up_at=None), ALIVE) == []
    assert findings(node(1), known(up_at=None)) == []


@pytest.mark.parametrize(
    ("power", "lives", "expected"),
    [
        (None, (ALIVE,), Found.NO_INSTANCE),
        (Power.STOPPED, (ALIVE,), Found.NO_INSTANCE),
        (Power.RUNNING, (), Found.NO_LIFETIME),
    ],
)
def test_the_lifetimes_of_a_node_whose_record_cannot_be_read_go_on_being_compared(
    power: Power | None, lives: tuple[Life, ...], expected: Found
) -> None:
    """They are its instances'; whose stop or start it was nobody can tell, so it counts as nobody else's."""
    seen = observe(*([node(1, power)] if power else [node(2)]))
    fleet = match_up(seen, expected_hd={}, default_hd=10, boot_limit=LIMIT, now=NOW)
    unread = Unread(what=Record.NODE, name="burst-1", why="it is half written")
    commitments = replace(promised(), lives=lives, unread=(unread,))
    [found] = [each for each in reconcile(fleet.nodes, commitments, NOW) if each.node == "burst-1"]
    assert (found.found, found.life, found.by_others) == (expected, ALIVE, False)


@pytest.mark.parametrize(("name", "expected"), [("", []), ("i-00000000000000009", [Found.NO_LIFETIME])])
def test_while_no_lifetime_can_be_read_none_is_missing(name: str, expected: list[Found]) -> None:
    """Else each that is open would be opened once more, and of a node with another name by now never ended."""
    fleet = match_up(observe(node(1, Power.RUNNING)), expected_hd={}, default_hd=10, boot_limit=LIMIT, now=NOW)
    unread = Unread(what=Record.LIFETIME, name=name, why="OSError: nobody thought of it")
    commitments = replace(promised(memories=(known(),)), unread=(unread,))
    assert [each.found for each in reconcile(fleet.nodes, commitments, NOW)] == expected
