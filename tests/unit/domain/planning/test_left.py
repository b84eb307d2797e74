"""Why a node that is on is neither closed nor stopped: every node has an answer, and it is the rule that held it back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Instance, PexipSettings, Power, Worker
from headroom.domain.fleet.lifecycle import Action, Memory, Pause, Pausing, Wanted
from headroom.domain.planning.planning import plan
from headroom.domain.policy import Mode
from tests.support.builders import CONTROL, LONG_AGO, NOW, claimed, closed, hold, node, observe, promised

ON = Power.RUNNING
YOUNG = NOW - timedelta(minutes=20)
DRILL = Pause(reason="a drill")
OTHERS = tuple(Memory(node=f"burst-{n}", switched_by_others_at=NOW - timedelta(minutes=9)) for n in (1, 2))
FRESH = NOW - timedelta(minutes=4)


def left(*nodes: tuple[Worker, Instance], **more: Any) -> dict[str, str]:
    """What the plan says of each node that it leaves as it is."""
    policy = replace(CONTROL, **more.pop("policy", {}))
    commitments = promised(*more.pop("holds", ()), memories=more.pop("memories", ()), pause=more.pop("pause", None))
    made = plan(observe(*nodes, **more), commitments, policy, NOW)
    assert {each.node for each in made.left}.isdisjoint(change.node for change in made.changes)
    return {each.node: each.reason for each in made.left}


CASES: list[Any] = [
    pytest.param([closed(1, used=3)], {}, "It is closed, and still carries conferences: 1", id="closed, with a call"),
    pytest.param(
        [closed(1)],
        {"free": 6},
        "It is kept as a reserve: without it AWS burst would have 0 HD connections",
        id="a reserve",
    ),
    pytest.param(
        [closed(1, launched_at=YOUNG)], {}, "Its minimum lifetime lasts until 08:30 UTC", id="closed and young"
    ),
    pytest.param(
        [closed(1)],
        {"memories": (Memory(node="burst-1", closed_at=FRESH),)},
        "It is closed and looks empty; its NetworkOut figure is due by 08:07 UTC",
        id="without a witness",
    ),
    pytest.param(
        [closed(1)],
        {"clock_off": -4.0},
        "The Management Node's clock is 4 s behind Headroom's, so nobody can tell how long it has been empty",
        id="with clocks that differ",
    ),
    pytest.param(
        [closed(1)],
        {"memories": (claimed(1, Action.STOP),)},
        "The workflow stop-1 is at work on it",
        id="being retired",
    ),
    pytest.param(
        [closed(1)],
        {"memories": (claimed(1, Action.OPEN, wanted=Wanted.OPEN),)},
        "It is being opened",
        id="being opened again",
    ),
    pytest.param(
        [node(1, ON)], {"holds": (hold(nodes=("burst-1",)),)}, "It is held: the nine o'clock rush", id="held by name"
    ),
    pytest.param(
        [node(1, ON)],
        {"holds": (hold(counts={"AWS burst": 1}),)},
        "1 node serves in AWS burst, and a hold asks for at least as many (1 node held: the nine o'clock rush)",
        id="held by number",
    ),
    pytest.param(
        [node(1, ON), node(2, ON)],
        {"holds": (hold(counts={"AWS burst": 2}),)},
        "2 nodes serve in AWS burst, and a hold asks for at least as many (2 nodes held: the nine o'clock rush)",
        id="two held by number",
    ),
    pytest.param(
        [node(1, ON)],
        {"free": 6},
        "Without it 0 HD connections would stay free in AWS burst, but 8 are needed",
        id="needed",
    ),
    pytest.param(
        [node(1, ON), node(2, ON)],
        {"free": 6, "policy": {"thresholds": {"AWS burst": 20}}},
        "Without it 15 HD connections would stay free in AWS burst, but 23 are needed",
        id="both needed",
    ),
    pytest.param([node(1, ON, launched_at=YOUNG)], {}, "Its minimum lifetime lasts until 08:30 UTC", id="young"),
    pytest.param(
        [node(1, ON, launched_at=YOUNG)],
        {
            "policy": {"minimum_lifetime": None, "pexips_lifetime": True},
            "settings": PexipSettings(bursting_min_lifetime=30),
        },
        "Its minimum lifetime lasts until 08:10 UTC",
        id="young by Pexip's own setting",
    ),
    pytest.param(
        [node(1, ON)],
        {"memories": (claimed(1, Action.OPEN, wanted=None),)},
        "The workflow open-1 is at work on it",
        id="a workflow at work",
    ),
    pytest.param(
        [node(1, ON)],
        {"memories": (Memory(node="burst-1", wanted=Wanted.OPEN, wanted_at=NOW - timedelta(minutes=2)),)},
        "AWS burst needed more within the last 3 min, so nothing is closed",
        id="a rush that has just ended",
    ),
    pytest.param(
        [node(1, ON)], {"free": 0, "policy": {"max_nodes": 1}}, "Without it 0 HD", id="short, and no more allowed"
    ),
    pytest.param(
        [node(1, ON, used=15), node(2)], {"free": 0}, "More is needed in AWS burst: Stockholm has 0", id="short"
    ),
    pytest.param([node(1, ON)], {"pause": DRILL}, "Paused: a drill", id="paused"),
    pytest.param(
        [node(1, ON)],
        {"pause": replace(DRILL, holding=Pausing.STOPS_ONLY)},
        "Nothing is closed or stopped while Headroom is paused: a drill",
        id="paused, stops only",
    ),
    pytest.param(
        [node(1, ON)],
        {"policy": {"mode": Mode.ASSIST}, "settings": PexipSettings(bursting_enabled=True)},
        "In assist mode Pexip closes and stops nodes, not Headroom",
        id="assist mode",
    ),
    pytest.param(
        [node(1, ON)],
        {"unreachable": "no answer"},
        "The newest reading of Pexip is too old (no answer)",
        id="Pexip cannot be read",
    ),
    pytest.param(
        [node(1, ON)],
        {"read_at": NOW - timedelta(minutes=6)},
        "The newest reading of Pexip is too old (no new reading)",
        id="an old reading",
    ),
    pytest.param([node(1, ON)], {"upgrading": True}, "Pexip is being upgraded", id="Pexip upgrades"),
    pytest.param(
        [node(1, ON)],
        {"settings": PexipSettings(bursting_enabled=True)},
        "Control mode is refused while Pexip's own bursting is enabled",
        id="two controllers",
    ),
    pytest.param(
        [node(1, ON), node(2, ON)],
        {"memories": OTHERS},
        "Somebody else starts and stops nodes, too: burst-1, burst-2",
        id="somebody else switches",
    ),
    pytest.param(
        [node(1, ON, boot_time=LONG_AGO, launched_at=NOW - timedelta(minutes=4))],
        {},
        "It has been booting since 07:56 UTC",
        id="boots",
    ),
    pytest.param(
        [node(1, ON, boot_time=LONG_AGO, launched_at=NOW - timedelta(hours=1))],
        {},
        "It is on but does not serve, so Pexip cannot confirm that it is empty",
        id="late",
    ),
    pytest.param(
        [node(1, ON, maintenance_mode=True, maintenance_mode_reason="Headroom: spare")],
        {},
        "It is being opened",
        id="on its way open",
    ),
    pytest.param(
        [node(1, ON, maintenance_mode_configured=True, maintenance_mode_reason="repair")],
        {},
        "It is in maintenance mode, but not by Headroom (repair)",
        id="closed by others",
    ),
    pytest.param(
        [node(1, ON, maintenance_mode_configured=True)],
        {},
        "It is in maintenance mode, but not by Headroom (no reason)",
        id="closed by others for no reason",
    ),
    pytest.param(
        [node(1, ON, upgrade_status="INSTALLING")], {}, "Pexip is upgrading it (INSTALLING)", id="being upgraded"
    ),
    pytest.param(
        [closed(1), closed(2)],
        {"policy": {"max_stops_per_plan": 0}},
        "This plan has reached its limit of changes; a later plan changes this node",
        id="the budget of stops",
    ),
    pytest.param(
        [node(1, ON)],
        {"policy": {"max_closes_per_plan": 0}},
        "One plan closes at most 0 nodes",
        id="the budget of closes",
    ),
]


@pytest.mark.parametrize(("nodes", "more", "words"), CASES)
def test_a_node_that_stays_on_says_which_rule_keeps_it(
    nodes: list[tuple[Worker, Instance]], more: dict[str, Any], words: str
) -> None:
    found = left(*nodes, **more)["burst-1"]
    assert found.startswith(words), found


def test_a_fuller_node_names_the_one_that_would_be_closed_first() -> None:
    found = left(node(1, ON, used=2), node(2, ON, used=9), free=6)
    assert found["burst-2"].startswith("burst-1 is no fuller and would be closed first, but stays open: Without it")


def test_a_node_that_calls_are_about_to_leave_stays_longer_than_an_empty_one() -> None:
    """Until a closed node is open again, some of its calls end, and what they leave free is lost with it."""
    policy = {"policy": {"hysteresis": 0}}
    assert left(node(1, ON, used=5), node(2, ON, used=9), free=5, **policy)["burst-1"].startswith("Without it 6 HD")
    assert "burst-1" not in left(node(1, ON), node(2, ON, used=9), free=5, **policy)


def test_a_node_that_is_off_or_changed_has_no_such_reason() -> None:
    assert left(node(1), closed(2)) == {}


def test_what_a_pause_opens_is_not_left() -> None:
    assert set(left(closed(1), node(2, ON), pause=DRILL)) == {"burst-2"}
