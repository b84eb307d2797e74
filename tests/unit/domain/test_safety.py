"""May this instance be stopped now? Every rule, and that each of them counts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain import safety
from headroom.domain.lifecycle import Action, Claim, Wanted
from headroom.domain.policy import Mode
from headroom.domain.safety import EmptyCheck, Evidence, may_stop
from tests.support.builders import LONG_AGO, NOW, hold

LOOK = EmptyCheck(
    at=NOW - timedelta(seconds=190),
    complete=True,
    synced=True,
    boot_time=LONG_AGO,
    closed=True,
    closed_reason="Headroom: emptying",
    shards=0,
    media=0,
    signalling=0,
    proxied=0,
    backplanes=0,
    signaling_count=0,
)
LATER = replace(LOOK, at=NOW - timedelta(seconds=2))
SOUND = Evidence(
    now=NOW,
    mode=Mode.CONTROL,
    paused="",
    upgrading=False,
    bursting_enabled=False,
    meddled_with=(),
    tagged=True,
    launched_at=LONG_AGO,
    minimum_lifetime=timedelta(minutes=50),
    replication=timedelta(seconds=90),
    token="stop-1",
    claim=Claim(token="stop-1", action=Action.STOP, until=NOW + timedelta(minutes=4)),
    wanted=Wanted.OFF,
    planned_at=NOW - timedelta(seconds=40),
    holds=(),
    closed_at=NOW - timedelta(minutes=10),
    checks=(LOOK, LATER),
    alarm="",
    reading_shows="",
    reading_age=timedelta(seconds=40),
    network_out=None,
)


def test_a_closed_node_that_was_found_empty_twice_may_be_stopped() -> None:
    assert may_stop(SOUND).allowed


OBJECTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("observe mode", {"mode": Mode.OBSERVE}, "In observe mode stopping is Pexip's"),
    ("assist mode", {"mode": Mode.ASSIST}, "In assist mode stopping is Pexip's"),
    ("a second controller", {"bursting_enabled": True}, "two controllers"),
    ("somebody who starts and stops nodes", {"meddled_with": ("burst-1", "burst-2")}, "(burst-1, burst-2): two"),
    ("no tag", {"tagged": False}, "pexip-cloud tag"),
    ("a pause", {"paused": "fire drill"}, "fire drill"),
    ("an upgrade", {"upgrading": True}, "upgrades"),
    ("no claim", {"claim": None}, "Another workflow"),
    ("another's claim", {"token": "stop-2"}, "Another workflow"),
    ("an expired claim", {"claim": replace(SOUND.claim, until=NOW)}, "expired"),  # type: ignore[type-var]
    ("a node wanted open", {"wanted": Wanted.OPEN}, "wants it open"),
    ("no wish at all", {"wanted": None}, "as it is"),
    ("no plan", {"planned_at": None}, "no plan newer"),
    ("an old plan", {"planned_at": NOW - timedelta(seconds=121)}, "no plan newer"),
    ("a hold", {"holds": (hold(nodes=("burst-1",)),)}, "It is held: the nine o'clock rush"),
    ("a young node", {"launched_at": NOW - timedelta(minutes=49)}, "lasts 1 min more"),
    ("a node that others closed", {"closed_at": None}, "did not close it"),
    ("a status that says open", {"checks": (LOOK, replace(LATER, closed=False))}, "does not say that Headroom closed"),
    ("another's reason", {"checks": (LOOK, replace(LATER, closed_reason="upgrade"))}, "does not say that Headroom"),
    ("a look before the fence", {"closed_at": LOOK.at - timedelta(seconds=89)}, "before its closing had reached"),
    ("an incomplete look", {"checks": (LOOK, replace(LATER, complete=False, trouble="429"))}, "429"),
    ("a node out of step", {"checks": (LOOK, replace(LATER, synced=False))}, "not in step"),
    ("a restart in between", {"checks": (LOOK, replace(LATER, boot_time=NOW))}, "restarted"),
    ("an unknown boot", {"checks": (replace(LOOK, boot_time=None), replace(LATER, boot_time=None))}, "restarted"),
    ("an alarm", {"alarm": "unreachable"}, "cannot reach it"),
    ("an alarm that the look saw", {"checks": (LOOK, replace(LATER, alarm="unreachable"))}, "cannot reach it"),
    ("a call that a reading saw", {"reading_shows": "conferences: 1"}, "newest reading of Pexip shows something on it"),
    ("an old reading", {"reading_age": timedelta(seconds=121)}, "too old"),
    ("one look", {"checks": (LATER,)}, "not been looked at twice"),
    ("no look", {"checks": ()}, "not been looked at twice"),
    ("two looks too close", {"checks": (replace(LOOK, at=NOW - timedelta(seconds=60)), LATER)}, "120 s apart"),
    ("an old last look", {"checks": (LOOK, replace(LATER, at=NOW - timedelta(seconds=61)))}, "last look"),
    ("looks too close for a slow replication", {"replication": timedelta(seconds=170)}, "200 s apart"),
    ("a conference", {"checks": (LOOK, replace(LATER, shards=1))}, "conferences: 1"),
    ("a call's media", {"checks": (LOOK, replace(LATER, media=2))}, "calls with their media here: 2"),
    ("a call's signalling", {"checks": (replace(LOOK, signalling=1), LATER)}, "signalling here: 1"),
    ("a signalling count", {"checks": (LOOK, replace(LATER, signaling_count=1))}, "signalling here: 1"),
    ("a proxied call", {"checks": (LOOK, replace(LATER, proxied=1))}, "proxied here: 1"),
    ("a backplane", {"checks": (LOOK, replace(LATER, backplanes=1))}, "backplanes: 1"),
    ("a registration", {"checks": (LOOK, replace(LATER, registrations=1))}, "registrations: 1"),
    ("traffic", {"network_out": 12_000_000.0}, "12 MB a minute"),
]


@pytest.mark.parametrize(("change", "words"), [pytest.param(c, w, id=name) for name, c, w in OBJECTIONS])
def test_an_objection_is_enough(change: dict[str, Any], words: str) -> None:
    answer = may_stop(replace(SOUND, **change))
    assert not answer.allowed
    assert words in answer.reason


@pytest.mark.parametrize("rule", safety.RULES, ids=lambda rule: rule.__name__)
def test_no_rule_can_be_left_out(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "RULES", tuple(other for other in safety.RULES if other is not rule))
    slipped = [name for name, change, _ in OBJECTIONS if may_stop(replace(SOUND, **change)).allowed]
    assert slipped, f"nothing notices that {rule.__name__} is gone"
