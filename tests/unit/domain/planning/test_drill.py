"""Boot drills: each node that is off is proved bootable, at a quiet time, one at a time, closed, and never in the way."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.demand.forecasting import BEFORE, Outlook, Window
from headroom.domain.fleet.fleet import Location, Power
from headroom.domain.fleet.lifecycle import Action, Memory, Pause
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Mode
from tests.support.builders import CONTROL, NOW, claimed, closed, hold, node, observe, promised

NIGHT = NOW - timedelta(hours=5)  # three o'clock
DAY = timedelta(days=1)
UNHEARD: dict[str, Any] = {"boot_time": NOW - 9 * DAY}


def usually(hd: float) -> tuple[Outlook, ...]:
    """What the same weekday of a past week had in use around now."""
    day = Window(day=NOW.date() - 7 * DAY, weight=1.0, loads=(hd,) * 120)
    return (Outlook(location="Stockholm", begins=NOW - timedelta(minutes=BEFORE), windows=(day,)),)


def decided(*nodes: Any, memories: tuple[Memory, ...] = (), at: Any = NOW, policy: Any = CONTROL, **more: Any) -> Plan:
    """Plan in a quiet hour: the home has 60 of its 80 HD connections free, and needed 20 a week ago."""
    holds, pause = more.pop("holds", ()), more.pop("pause", None)
    given: dict[str, Any] = {"outlooks": usually(20), "free": 60, "read_at": at}
    seen = observe(*nodes, **(given | more))
    return plan(seen, promised(*holds, memories=memories, pause=pause), policy, at)


def drilled(made: Plan) -> list[str]:
    return [change.node for change in made.changes if "A boot drill" in change.reason]


def up(number: int, days: float, **more: Any) -> Memory:
    """A node that came up so many days ago."""
    return Memory(node=f"burst-{number}", up_at=NOW - days * DAY, **more)


def test_a_node_that_nobody_has_seen_come_up_is_started_closed_at_a_quiet_time() -> None:
    [change] = decided(node(1)).changes
    assert change.action is Action.START_CLOSED
    assert change.reason == (
        "A boot drill: nobody has seen it come up yet; it comes up closed, and is stopped again when it was seen"
    )


@pytest.mark.parametrize(
    ("days", "every", "is_due"),
    [(10, 14, False), (10.5, 14, True), (20, 14, True), (20, 0, False), (1, 1, True), (0.7, 1, False)],
)
def test_a_node_is_due_when_three_quarters_of_the_days_have_passed(days: float, every: int, is_due: bool) -> None:
    made = decided(node(1), memories=(up(1, days),), policy=replace(CONTROL, boot_drill=every * DAY))
    assert drilled(made) == (["burst-1"] if is_due else [])
    assert not is_due or "it last came up on " in made.changes[0].reason


def test_the_cheapest_of_those_that_are_due_comes_first_but_after_those_that_are_late() -> None:
    big, small = (node(1)[0], node(1)[1]), node(2)
    small = (replace(small[0], max_hd_calls=8), small[1])
    assert drilled(decided(big, small, memories=(up(1, 12), up(2, 11)))) == ["burst-2"]
    assert drilled(decided(big, small, memories=(up(1, 15), up(2, 11)))) == ["burst-1"]
    assert drilled(decided(node(1), node(2), memories=(up(1, 11), up(2, 12)))) == ["burst-2"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"free": 39}, id="the home is more than half full"),
        pytest.param({"outlooks": usually(41)}, id="it usually will be"),
        pytest.param({"outlooks": ()}, id="nothing is known of past weeks, and it is not night"),
        pytest.param({"free": 4}, id="capacity is needed"),
        pytest.param({"holds": (hold(nodes=("burst-2",)),)}, id="nodes are held"),
        pytest.param(
            {"holds": (hold(nodes=("burst-2",), begins=NOW + timedelta(hours=1), ready_by=NOW + timedelta(hours=2)),)},
            id="nodes will be held soon",
        ),
        pytest.param({"pause": Pause(reason="a drill of our own")}, id="paused"),
        pytest.param({"policy": replace(CONTROL, mode=Mode.OBSERVE)}, id="observe mode"),
        pytest.param({"policy": replace(CONTROL, mode=Mode.ASSIST)}, id="assist mode"),
        pytest.param({"unreachable": "no answer", "read_at": NOW - timedelta(minutes=5)}, id="blind"),
        pytest.param({"upgrading": True}, id="Pexip is being upgraded"),
        pytest.param(
            {"memories": tuple(Memory(node=f"burst-{n}", switched_by_others_at=NOW) for n in (1, 2))}, id="two controllers"
        ),
        pytest.param({"memories": (up(1, 20, failed_at=NOW - timedelta(hours=23)),)}, id="it failed within a day"),
        pytest.param({"memories": (up(1, 20, hung=3),)}, id="it is a person's"),
        pytest.param({"memories": (claimed(1, Action.OPEN),)}, id="a workflow has it"),
    ],
)  # fmt: skip
def test_there_is_no_drill_while_anything_could_need_the_node(more: dict[str, Any]) -> None:
    given = {"memories": (up(1, 20),)} | more
    assert drilled(decided(node(1), **given)) == []


@pytest.mark.parametrize(
    ("beside", "is_drilled"),
    [
        pytest.param(node(2, Power.RUNNING), False, id="it serves"),
        pytest.param(closed(2), False, id="it is closed: perhaps the drill before"),
        pytest.param(node(2, Power.RUNNING, launched_at=NOW - timedelta(minutes=1), **UNHEARD), False, id="it boots"),
        pytest.param(node(2, Power.STOPPING), False, id="it is stopping"),
        pytest.param(node(2, Power.RUNNING, **UNHEARD), True, id="it has long been on and does not serve"),
        pytest.param(
            closed(2, maintenance_mode_reason="repair"), True, id="a person has closed it"
        ),
    ],
)  # fmt: skip
def test_one_node_at_a_time_is_proved(beside: Any, is_drilled: bool) -> None:
    assert drilled(decided(node(1), beside, memories=(up(1, 20), up(2, 1)))) == (["burst-1"] if is_drilled else [])


def test_where_no_past_week_is_known_the_night_is_quiet() -> None:
    night: dict[str, Any] = {"outlooks": (), "at": NIGHT, "memories": (Memory(node="burst-1"),)}
    assert drilled(decided(node(1), **night)) == ["burst-1"]
    assert drilled(decided(node(1), **night, free=30)) == []


def test_a_node_of_a_location_without_a_home_is_never_drilled_as_nobody_knows_its_quiet_times() -> None:
    seen = observe(node(1), node(2, location="Other"), free=60, outlooks=usually(20))
    places = (*seen.reading.locations, Location(name="Gone", overflow_location="Other"))
    seen = replace(seen, reading=replace(seen.reading, locations=places))
    made = plan(seen, promised(memories=(up(1, 1), up(2, 20))), CONTROL, NOW)
    assert drilled(made) == []


def test_a_node_that_was_proved_is_stopped_as_any_other() -> None:
    proved = closed(1, launched_at=NOW - timedelta(hours=1))
    memory = up(1, 0, closed_at=NOW - timedelta(minutes=50))
    [change] = decided(proved, memories=(memory,)).changes
    assert change.action is Action.STOP


# What a failed start means


FAILED = Memory(
    node="burst-1", failed_at=NOW - timedelta(hours=3), failed_why="It did not serve within 15 min", hung_why="impaired"
)


def test_a_node_that_did_not_come_up_is_an_issue_with_what_ec2_says_until_it_has_come_up() -> None:
    [issue] = [each for each in decided(node(1), memories=(FAILED,)).issues if each.kind is Trouble.DID_NOT_START]
    assert issue.what == (
        "burst-1 did not come up at its last start, on Mon 02 Mar 05:00 UTC: It did not serve within 15 min; impaired"
    )
    mended = replace(FAILED, up_at=NOW - timedelta(hours=1))
    assert Trouble.DID_NOT_START not in {each.kind for each in decided(node(1), memories=(mended,)).issues}
    unsaid = replace(FAILED, failed_why="", hung_why="")
    assert any(each.what.endswith("the history says why") for each in decided(node(1), memories=(unsaid,)).issues)


def test_it_is_tried_again_by_the_next_night_s_drill() -> None:
    assert drilled(decided(node(1), memories=(replace(FAILED, failed_at=NOW - DAY),))) == ["burst-1"]


@pytest.mark.parametrize(
    ("days", "more", "is_shown"),
    [
        pytest.param(28, {}, False, id="twice the days"),
        pytest.param(29, {}, True, id="more"),
        pytest.param(29, {"policy": replace(CONTROL, mode=Mode.OBSERVE)}, False, id="in observe mode there are no drills"),
        pytest.param(29, {"policy": replace(CONTROL, boot_drill=0 * DAY)}, False, id="drills are switched off"),
        pytest.param(29, {"failed_at": NOW - DAY}, False, id="it failed: an issue of its own"),
    ],
)  # fmt: skip
def test_a_node_that_no_quiet_time_could_prove_is_an_issue(days: float, more: dict[str, Any], is_shown: bool) -> None:
    policy = more.pop("policy", CONTROL)
    made = decided(node(1), memories=(up(1, days, **more),), policy=policy, free=30)
    found = [each.what for each in made.issues if each.kind is Trouble.NOT_PROVED]
    assert found == (
        ["burst-1 has not come up since Sun 01 Feb 08:00 UTC: no time was quiet enough for a boot drill"]
        if is_shown
        else []
    )
