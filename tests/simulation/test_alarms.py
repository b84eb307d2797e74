"""Every alarm fires while what it is about goes wrong, and clears when that is over: by the metrics that the functions send."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from headroom.domain.fleet.lifecycle import Hold
from headroom.observability import logger
from headroom_lab.proof.stage import Stage
from tests.support.alarms import ALARMS, Prints, fires_and_clears
from tests.support.template import template

SHOWN: dict[str, Callable[[Stage, Prints], None]] = {}


def shows(name: str) -> Callable[[Callable[[Stage, Prints], None]], Callable[[Stage, Prints], None]]:
    """Register what makes an alarm fire, and clear."""

    def registered(trouble: Callable[[Stage, Prints], None]) -> Callable[[Stage, Prints], None]:
        SHOWN[name] = trouble
        return trouble

    return registered


def promised(stage: Stage, minutes: float, *nodes: str) -> None:
    now = stage.moment()
    ready_by, until = now + timedelta(minutes=minutes), now + timedelta(minutes=25)
    hold = Hold(id="h", begins=now, ready_by=ready_by, until=until, reason="all-hands", by="anna", nodes=nodes)
    stage.ledger.promise(hold)


@shows("PexipUnreachableAlarm")
def _(stage: Stage, _: Prints) -> None:
    stage.hazards.unreachable_until = stage.now + 8 * 60
    stage.minutes(20)


SHOWN["NoLoadAlarm"] = SHOWN["PexipUnreachableAlarm"]


@shows("NoPlanAlarm")
def _(stage: Stage, _: Prints) -> None:
    stage.observing = False
    stage.minutes(8)
    stage.observing = True
    stage.minutes(8)


@shows("PromiseMissedAlarm")
def _(stage: Stage, _: Prints) -> None:
    stage.hazards.no_room = 1.0
    stage.begin("prewarm", "by-hand", {"nodes": ["burst-2"], "reason": "all-hands"})
    stage.minutes(25)


@shows("StartFailuresAlarm")
def _(stage: Stage, _: Prints) -> None:
    stage.hazards.no_room = 1.0
    promised(stage, 5, "burst-1", "burst-2", "burst-3")
    stage.minutes(20)
    stage.hazards.no_room = 0.0
    stage.minutes(40)


@shows("NodeStuckAlarm")
def _(stage: Stage, _: Prints) -> None:
    stage.overflow[1].never_boots = True
    promised(stage, 5, "burst-2")
    stage.minutes(40)
    [machine] = [each for each in stage.cloud.machines.values() if each.node.name == "burst-2"]
    stage.cloud.switch_off(machine)  # somebody looks at it, and stops it in EC2's console
    stage.minutes(10)


@shows("NotEnoughNodesAlarm")
def _(stage: Stage, _: Prints) -> None:
    stage.expect(*[(22 + n / 5, f"meeting {n % 3}", 30.0) for n in range(60)])
    stage.minutes(90)


SHOWN["CallsLikelyTurnedAwayAlarm"] = SHOWN["NotEnoughNodesAlarm"]


@shows("HomeLostAlarm")
def _(stage: Stage, _: Prints) -> None:
    home = stage.world.nodes["always-on"]
    home.unreachable = True
    stage.minutes(6)
    home.unreachable = False
    stage.minutes(6)


@shows("ControlRefusedAlarm")
def _(stage: Stage, _: Prints) -> None:
    stage.world.settings["bursting_enabled"] = True
    stage.minutes(6)
    stage.world.settings["bursting_enabled"] = False
    stage.minutes(6)


@shows("OwnErrorsAlarm")
def _(stage: Stage, prints: Prints) -> None:
    """As the logger writes it, and as Lambda's runtime does for what nobody caught; what workflows expect is no error."""
    prints.write(json.dumps({"level": "ERROR", "errorType": "StartRefusedError", "errorMessage": "EC2 has no room"}))
    stage.minutes(10)
    settings: dict[str, str] = {}
    try:
        settings["a setting"]
    except KeyError:
        record = logging.LogRecord(
            "headroom", logging.ERROR, "app.py", 1, "planning without forecast", (), sys.exc_info()
        )
        prints.write(logger.registered_formatter.format(record))
    prints.write(json.dumps({"level": "ERROR", "errorType": "TypeError", "errorMessage": "'NoneType'"}))
    stage.minutes(15)


@shows("DeadLettersAlarm")
def _(stage: Stage, prints: Prints) -> None:
    """Amazon SQS sends this one itself, every minute."""
    for waiting in (0, 1, 1, 0, 0):
        prints.add("ApproximateNumberOfMessagesVisible", DEAD_LETTERS, waiting)
        stage.minutes(1)


DEAD_LETTERS = frozenset((one["Name"], str(one["Value"])) for one in ALARMS["DeadLettersAlarm"]["Dimensions"])


ELSEWHERE = {"CallsTurnedAwayAlarm"}  # tests/integration/test_turned_away.py has Pexip's history for it


@pytest.fixture
def prints(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Prints:
    """What the functions of a stage in control mode print, from its first minute on."""
    heard = Prints(lambda: stage.now)
    monkeypatch.setattr("headroom_lab.proof.stage.NOWHERE", heard)
    stage.set_policy(mode="control")
    stage.after(0, stage.every_minute)
    return heard


@pytest.mark.parametrize("name", sorted(set(ALARMS) - ELSEWHERE))
def test_an_alarm_fires_and_clears(name: str, stage: Stage, prints: Prints, monkeypatch: pytest.MonkeyPatch) -> None:
    if "Condition" in template()["Resources"][name]:
        monkeypatch.setenv("DETAILED_METRICS", "yes")
    began = stage.now
    stage.minutes(20)
    SHOWN[name](stage, prints)
    states = prints.states(name, began, stage.now)
    assert fires_and_clears(states), states


def test_only_metrics_with_an_alarm_are_sent_where_not_all_are_wanted(stage: Stage, prints: Prints) -> None:
    stage.hazards.no_room = 0.5
    stage.expect(*[(5.0 + call / 10, "a meeting", 20.0) for call in range(20)])
    stage.minutes(60)
    assert {name for name, _ in prints.points} <= {each["MetricName"] for each in ALARMS.values()}
    assert {frozenset(name for name, _ in dimensions) for _, dimensions in prints.points} == {frozenset({"service"})}


def test_a_quiet_hour_fires_nothing(stage: Stage, prints: Prints) -> None:
    began = stage.now
    stage.minutes(60)
    fired = {name for name in ALARMS if "ALARM" in prints.states(name, began, stage.now)}
    assert fired == set()
