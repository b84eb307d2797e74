"""May this instance be stopped now? Every rule, and that each of them counts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.lifecycle import Action, Claim, Wanted
from headroom.domain.policy import Mode
from headroom.domain.safety import safety
from headroom.domain.safety.safety import Asked, EmptyCheck, Evidence, may_stop
from tests.support.builders import LONG_AGO, NOW, hold

LOOK = EmptyCheck(
    at=NOW - timedelta(seconds=190),
    address="10.20.1.1",
    complete=True,
    synced=True,
    boot_time=LONG_AGO,
    closed=True,
    closed_reason="Headroom: emptying",
    configured_closed=True,
    configured_reason="Headroom: emptying",
    listed=True,
    shards=0,
    media=0,
    signalling=0,
    proxied=0,
    backplanes=0,
    signaling_count=0,
    clock_off=0.0,
)
LATER = replace(LOOK, at=NOW - timedelta(seconds=2))
SIGNED = replace(LOOK, closed_reason="Headroom: [headroom] idle", configured_reason="Headroom: [headroom] idle")
BOOTED = tuple(replace(look, boot_time=NOW - timedelta(minutes=2)) for look in (LOOK, LATER))  # since a later launch
ASKED = Asked(
    at=NOW - timedelta(seconds=1), closed=True, address="10.20.1.1", reason="Headroom: emptying", clock_off=0.0
)
SOUND = Evidence(
    now=NOW,
    mode=Mode.CONTROL,
    stack="headroom",
    other_stacks=(),
    paused="",
    upgrading=False,
    conflict="",
    switched_by_others=(),
    tagged=True,
    addresses=frozenset({"10.20.1.1", "10.20.9.1"}),
    launched_at=LONG_AGO,
    minimum_lifetime=timedelta(minutes=50),
    replication=timedelta(seconds=90),
    token="stop-1",
    claim=Claim(token="stop-1", action=Action.STOP, until=NOW + timedelta(minutes=4)),
    wanted=Wanted.OFF,
    planned_at=NOW - timedelta(seconds=40),
    promises_unread="",
    holds=(),
    closed_at=NOW - timedelta(minutes=10),
    checks=(LOOK, LATER),
    asked=ASKED,
    alarm="",
    reading_shows="",
    reading_says_open=False,
    reading_age=timedelta(seconds=40),
    network_out=0.0,
    idle_out=300_000,
)


def test_a_closed_node_that_was_found_empty_twice_may_be_stopped() -> None:
    answer = may_stop(SOUND)
    assert (answer.allowed, answer.reason) == (True, "closed, found empty twice, and nothing needs it")
    assert [rule(SOUND) for rule in safety.RULES] == [""] * len(safety.RULES)


@pytest.mark.parametrize(
    "edge",
    [
        pytest.param({"planned_at": NOW - timedelta(seconds=120)}, id="a plan of two minutes"),
        pytest.param({"reading_age": timedelta(seconds=120)}, id="a reading of two minutes"),
        pytest.param({"launched_at": NOW - timedelta(minutes=50), "checks": BOOTED}, id="the end of its lifetime"),
        pytest.param({"closed_at": LOOK.at - timedelta(seconds=90)}, id="the end of the replication time"),
        pytest.param({"checks": (LOOK, replace(LATER, at=NOW - timedelta(seconds=60)))}, id="a look of a minute"),
        pytest.param(
            {
                "checks": (LOOK, replace(LOOK, at=LOOK.at + timedelta(seconds=140))),
                "replication": timedelta(seconds=110),
            },
            id="looks just far enough apart",
        ),
        pytest.param({"asked": replace(ASKED, at=NOW - timedelta(seconds=10))}, id="a last question of ten seconds"),
        pytest.param({"asked": replace(ASKED, reason="Headroom: [headroom] idle")}, id="a reason that names the stack"),
        pytest.param({"checks": (SIGNED, replace(SIGNED, at=LATER.at))}, id="reasons that name the stack at each look"),
        pytest.param({"asked": replace(ASKED, clock_off=-3.0)}, id="a clock just near enough"),
        pytest.param({"asked": replace(ASKED, clock_off=3.0)}, id="a clock just near enough, ahead"),
        pytest.param({"planned_at": NOW + timedelta(seconds=3)}, id="a plan of a clock that is a little ahead"),
        pytest.param({"network_out": 300_000.0}, id="as much traffic as an idle node may have"),
        pytest.param({"claim": replace(SOUND.claim, until=NOW + timedelta(seconds=1))}, id="a lease of a second more"),  # type: ignore[type-var]
        pytest.param({"holds": (replace(hold(nodes=("burst-1",)), until=NOW),)}, id="a hold that is just over"),
        pytest.param({"checks": (replace(LOOK, at=NOW - timedelta(seconds=400)), LOOK, LATER)}, id="three looks"),
        pytest.param(
            {"checks": (LOOK, replace(LOOK, at=LOOK.at + timedelta(seconds=10)), LATER)},
            id="three looks, of which the last is late enough",
        ),
    ],
)
def test_what_is_just_enough_is_enough(edge: dict[str, Any]) -> None:
    assert may_stop(replace(SOUND, **edge)).reason == "closed, found empty twice, and nothing needs it"


UNSEEN = "Pexip's status does not say that Headroom closed it"
NOT_CONFIGURED = "Its live configuration did not say at each look that Headroom closed it"
OPENED = "It was opened, or closed by somebody else, after the looks"
ELSEWHERE = "What was looked at has another address than its instance: names or addresses were changed meanwhile"
UNTOLD = "The Management Node does not say what time it is, so the time between two looks is not certain"
NOT_TWICE = "It has not been looked at twice, at least 120 s apart"
THEIRS = "The Management Node's clock is"
FUTURE = "Clocks of Headroom's functions differ by 4 s or more"
OBJECTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("observe mode", {"mode": Mode.OBSERVE}, "In observe mode Headroom stops no nodes"),
    ("assist mode", {"mode": Mode.ASSIST}, "In assist mode Headroom stops no nodes"),
    ("a promise that cannot be read", {"promises_unread": "A promise cannot be read"}, "A promise cannot be read"),
    ("a second controller", {"conflict": "Pexip bursts, too"}, "Pexip bursts, too"),
    (
        "somebody who starts and stops nodes",
        {"switched_by_others": ("burst-1", "burst-2")},
        "Somebody else starts and stops nodes, too: burst-1, burst-2",
    ),
    (
        "another stack of Headroom",
        {"other_stacks": ("headroom-2",)},
        "Another stack of Headroom closes nodes of this platform, too: headroom-2",
    ),
    ("another stack's reason", {"asked": replace(ASKED, reason="Headroom: [headroom-2] idle")}, OPENED),
    (
        "another stack's reason in a status",
        {"checks": (LOOK, replace(LATER, closed_reason="Headroom: [headroom-2] idle"))},
        UNSEEN,
    ),
    (
        "another stack's reason in a configuration",
        {"checks": (LOOK, replace(LATER, configured_reason="Headroom: [headroom-2] idle"))},
        NOT_CONFIGURED,
    ),
    ("no tag", {"tagged": False}, "The instance does not carry the pexip-cloud tag"),
    ("a pause", {"paused": "fire drill"}, "Headroom is paused: fire drill"),
    ("an upgrade", {"upgrading": True}, "Pexip is being upgraded"),
    ("no claim", {"claim": None}, "Another workflow has the claim on this node"),
    ("another's claim", {"token": "stop-2"}, "Another workflow has the claim on this node"),
    ("an expired claim", {"claim": replace(SOUND.claim, until=NOW)}, "The claim on this node has expired"),  # type: ignore[type-var]
    ("a node wanted open", {"wanted": Wanted.OPEN}, "The newest plan wants it open"),
    ("no wish at all", {"wanted": None}, "The newest plan wants it as it is"),
    ("no plan", {"planned_at": None}, "There is no plan newer than 120 s"),
    ("an old plan", {"planned_at": NOW - timedelta(seconds=121)}, "There is no plan newer than 120 s"),
    ("a hold", {"holds": (hold(nodes=("burst-1",)),)}, "It is held: the nine o'clock rush"),
    (
        "a young node",
        {"launched_at": NOW - timedelta(minutes=2), "checks": BOOTED},
        "Its minimum lifetime lasts another 48 min",
    ),
    ("a node that others closed", {"closed_at": None}, "Headroom did not close it"),
    ("a node that was opened just now", {"reading_says_open": True}, "Its configuration says that it is open"),
    ("a status that says open", {"checks": (LOOK, replace(LATER, closed=False))}, UNSEEN),
    ("another's reason", {"checks": (LOOK, replace(LATER, closed_reason="upgrade"))}, UNSEEN),
    ("a configuration that says open", {"checks": (LOOK, replace(LATER, configured_closed=False))}, NOT_CONFIGURED),
    (
        "a configuration that others closed",
        {"checks": (replace(LOOK, configured_reason="repair"), LATER)},
        NOT_CONFIGURED,
    ),
    ("no last question", {"asked": None}, "Its live configuration was not asked for last of all"),
    ("a node that a person opened at last", {"asked": replace(ASKED, closed=False, reason="")}, OPENED),
    ("a node that a person closed at last", {"asked": replace(ASKED, reason="repair")}, OPENED),
    (
        "an old last question",
        {"asked": replace(ASKED, at=NOW - timedelta(seconds=10, milliseconds=1))},
        "Its live configuration was asked for more than 10 s ago",
    ),
    (
        "a look before the fence",
        {"closed_at": LOOK.at - timedelta(seconds=89)},
        "It was looked at before its closing had reached every node",
    ),
    ("a first look at another node", {"checks": (replace(LOOK, address="10.20.1.2"), LATER)}, ELSEWHERE),
    ("a second look at another node", {"checks": (LOOK, replace(LATER, address=""))}, ELSEWHERE),
    ("a last question about another node", {"asked": replace(ASKED, address="10.20.1.2")}, ELSEWHERE),
    ("another instance", {"addresses": frozenset({"10.20.1.2"})}, ELSEWHERE),
    (
        "an incomplete look",
        {"checks": (LOOK, replace(LATER, complete=False, trouble="429"))},
        "Pexip's answer about it was incomplete: 429",
    ),
    (
        "a look that is incomplete for no known reason",
        {"checks": (LOOK, replace(LATER, complete=False))},
        "Pexip's answer about it was incomplete: its status does not fit",
    ),
    (
        "a node out of step",
        {"checks": (LOOK, replace(LATER, synced=False))},
        "It is not in sync with the Management Node, so what Pexip shows may be old",
    ),
    (
        "a restart in between",
        {"checks": (LOOK, replace(LATER, boot_time=NOW))},
        "It restarted between the looks, or Pexip does not say when it booted",
    ),
    (
        "an unknown boot",
        {"checks": (LOOK, replace(LATER, boot_time=None))},
        "It restarted between the looks, or Pexip does not say when it booted",
    ),
    ("an alarm", {"alarm": "unreachable"}, "Pexip cannot reach it: unreachable"),
    (
        "an alarm that the look saw",
        {"checks": (LOOK, replace(LATER, alarm="unreachable"))},
        "Pexip raises an alarm about it: unreachable",
    ),
    (
        "a call that a reading saw",
        {"reading_shows": "conferences: 1"},
        "The newest reading of Pexip shows something on it (conferences: 1)",
    ),
    ("an old reading", {"reading_age": timedelta(seconds=121)}, "The newest reading of Pexip is too old"),
    (
        "a clock that is behind",
        {"checks": (replace(LOOK, clock_off=-120.0), LATER)},
        f"{THEIRS} 120 s behind Headroom's",
    ),
    ("a clock that is ahead", {"checks": (LOOK, replace(LATER, clock_off=3.1))}, f"{THEIRS} 3 s ahead of Headroom's"),
    ("a clock at last", {"asked": replace(ASKED, clock_off=120.0)}, f"{THEIRS} 120 s ahead of Headroom's"),
    ("no time at a look", {"checks": (LOOK, replace(LATER, clock_off=None))}, UNTOLD),
    ("no time at last", {"asked": replace(ASKED, clock_off=None)}, UNTOLD),
    ("a look of the future", {"checks": (LOOK, replace(LATER, at=NOW + timedelta(seconds=4)))}, FUTURE),
    ("a last question of the future", {"asked": replace(ASKED, at=NOW + timedelta(seconds=4))}, FUTURE),
    ("a plan of the future", {"planned_at": NOW + timedelta(seconds=4)}, FUTURE),
    ("a reading of the future", {"reading_age": timedelta(seconds=-4)}, FUTURE),
    ("one look", {"checks": (LATER,)}, NOT_TWICE),
    ("no look", {"checks": ()}, NOT_TWICE),
    ("two looks too close", {"checks": (replace(LOOK, at=NOW - timedelta(seconds=60)), LATER)}, NOT_TWICE),
    (
        "an old last look",
        {"checks": (LOOK, replace(LATER, at=NOW - timedelta(seconds=61)))},
        "The last look at it is too old",
    ),
    (
        "a last of three looks that is too old",
        {
            "checks": (
                replace(LOOK, at=NOW - timedelta(seconds=400)),
                LOOK,
                replace(LATER, at=NOW - timedelta(seconds=61)),
            )
        },
        "The last look at it is too old",
    ),
    (
        "looks too close for a slow replication",
        {"replication": timedelta(seconds=170)},
        "It has not been looked at twice, at least 200 s apart",
    ),
    ("a conference", {"checks": (LOOK, replace(LATER, shards=1))}, "It carries conferences: 1"),
    (
        "a call's media",
        {"checks": (LOOK, replace(LATER, media=2))},
        "It carries calls with their media here: 2",
    ),
    (
        "a call's signalling",
        {"checks": (replace(LOOK, signalling=1), LATER)},
        "It carries calls with their signalling here: 1",
    ),
    (
        "a signalling count",
        {"checks": (LOOK, replace(LATER, signaling_count=1))},
        "It carries calls with their signalling here: 1",
    ),
    ("a proxied call", {"checks": (LOOK, replace(LATER, proxied=1))}, "It carries calls proxied here: 1"),
    ("a backplane", {"checks": (LOOK, replace(LATER, backplanes=1))}, "It carries backplanes: 1"),
    ("a registration", {"checks": (LOOK, replace(LATER, registrations=1))}, "It carries registrations: 1"),
    (
        "several things",
        {"checks": (LOOK, replace(LATER, shards=2, backplanes=1))},
        "It carries conferences: 2, backplanes: 1",
    ),
    (
        "no figure of its traffic",
        {"network_out": None},
        "EC2 has no NetworkOut figure yet for the time since it was closed",
    ),
    (
        "traffic",
        {"network_out": 670_000.0},
        "It sent 0.7 MB a minute lately, more than the 0.3 MB of an empty node: "
        "a call has just ended there, or a call is on it that Pexip does not show",
    ),
]


@pytest.mark.parametrize(("change", "words"), [pytest.param(c, w, id=name) for name, c, w in OBJECTIONS])
def test_an_objection_is_enough(change: dict[str, Any], words: str) -> None:
    answer = may_stop(replace(SOUND, **change))
    assert (answer.allowed, answer.reason) == (False, words)


@pytest.mark.parametrize("rule", safety.RULES, ids=lambda rule: rule.__name__)
def test_no_rule_can_be_left_out(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "RULES", tuple(other for other in safety.RULES if other is not rule))
    slipped = [name for name, change, _ in OBJECTIONS if may_stop(replace(SOUND, **change)).allowed]
    assert slipped, f"nothing notices that {rule.__name__} is gone"


# A node that Headroom started and that has never come up

NO_BOOT = replace(
    LOOK,
    complete=False,
    synced=False,
    boot_time=LONG_AGO - timedelta(days=1),
    closed=False,
    closed_reason="",
    alarm="connectivity lost",
)
HUNG = replace(
    SOUND,
    checks=(NO_BOOT, replace(NO_BOOT, at=LATER.at)),
    alarm="connectivity lost",
    boot_limit=timedelta(minutes=15),
    started_by_us=True,
    heard_since=False,
    sent_since=(0.0, 12_000.0, 0.0),
)
SECOND = HUNG.checks[1]


@pytest.mark.parametrize(
    "edge",
    [
        pytest.param({}, id="as usual"),
        pytest.param({"checks": tuple(replace(look, boot_time=None) for look in HUNG.checks)}, id="no status at all"),
        pytest.param({"sent_since": (300_000.0,) * 3}, id="as much as an empty node may send"),
        pytest.param({"launched_at": NOW - timedelta(minutes=50)}, id="the end of its lifetime"),
        pytest.param(
            {"boot_limit": timedelta(minutes=30), "launched_at": NOW - timedelta(hours=1)}, id="twice the boot limit"
        ),
        pytest.param({"closed_at": LOOK.at - timedelta(seconds=90)}, id="the end of the replication time"),
        pytest.param({"holds": (hold(nodes=("burst-1",)),)}, id="a hold: it keeps no promise as it is"),
    ],
)
def test_a_start_that_hung_may_be_taken_back(edge: dict[str, Any]) -> None:
    answer = may_stop(replace(HUNG, **edge))
    assert (answer.allowed, answer.reason) == (
        True,
        "Pexip has never heard from it since Headroom started it, and it sends nothing",
    )
    assert [rule(HUNG) for rule in safety.HUNG_RULES] == [""] * len(safety.HUNG_RULES)


HUNG_OBJECTIONS: list[tuple[str, dict[str, Any], str]] = [
    *(
        (name, change, words)
        for name, change, words in OBJECTIONS
        if name
        in {
            "observe mode",
            "assist mode",
            "a second controller",
            "somebody who starts and stops nodes",
            "no tag",
            "a pause",
            "another stack of Headroom",
            "an upgrade",
            "no claim",
            "another's claim",
            "an expired claim",
            "a node wanted open",
            "an old plan",
            "a node that others closed",
            "a node that was opened just now",
            "no last question",
            "a node that a person opened at last",
            "an old last question",
            "another instance",
            "a call that a reading saw",
            "an old reading",
            "a clock at last",
            "a plan of the future",
            "a look before the fence",
            "no figure of its traffic",
            "traffic",
        }
    ),
    ("a young node", {"minimum_lifetime": timedelta(minutes=130)}, "Its minimum lifetime lasts another 10 min"),
    (
        "somebody else's start",
        {"started_by_us": False},
        "Pexip has not heard from it since it was started, and Headroom did not start it",
    ),
    ("a reading that showed it up", {"heard_since": True}, "Pexip has heard from it since it was started"),
    ("too early", {"boot_limit": timedelta(minutes=90)}, "It may still come up for another 60 min"),
    (
        "a configuration that says open",
        {"checks": (NO_BOOT, replace(SECOND, configured_closed=False))},
        NOT_CONFIGURED,
    ),
    (
        "a configuration that others closed",
        {"checks": (replace(NO_BOOT, configured_reason="repair"), SECOND)},
        NOT_CONFIGURED,
    ),
    (
        "a list that is missing",
        {"checks": (NO_BOOT, replace(SECOND, listed=False, trouble="429"))},
        "Pexip's answer about it was incomplete: 429",
    ),
    (
        "a list that is missing for no known reason",
        {"checks": (replace(NO_BOOT, listed=False), SECOND)},
        "Pexip's answer about it was incomplete: a list is missing",
    ),
    ("a call", {"checks": (NO_BOOT, replace(SECOND, media=1))}, "It carries calls with their media here: 1"),
    ("one look", {"checks": (SECOND,)}, NOT_TWICE),
    (
        "no figures",
        {"sent_since": None},
        "EC2 has no NetworkOut figure for every period since it was launched, 3 at least",
    ),
    (
        "too few figures",
        {"sent_since": (0.0, 0.0)},
        "EC2 has no NetworkOut figure for every period since it was launched, 3 at least",
    ),
    (
        "one call's sound in one period",
        {"sent_since": (0.0, 640_000.0, 0.0)},
        "It has sent 0.6 MB a minute since it was launched: calls may be on it that Pexip does not show",
    ),
]


@pytest.mark.parametrize(("change", "words"), [pytest.param(c, w, id=name) for name, c, w in HUNG_OBJECTIONS])
def test_an_objection_to_taking_a_start_back_is_enough(change: dict[str, Any], words: str) -> None:
    answer = may_stop(replace(HUNG, **change))
    assert (answer.allowed, answer.reason) == (False, words)


@pytest.mark.parametrize("rule", safety.HUNG_RULES, ids=lambda rule: rule.__name__)
def test_no_rule_about_starts_can_be_left_out(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "HUNG_RULES", tuple(other for other in safety.HUNG_RULES if other is not rule))
    slipped = [name for name, change, _ in HUNG_OBJECTIONS if may_stop(replace(HUNG, **change)).allowed]
    assert slipped, f"nothing notices that {rule.__name__} is gone"


def test_a_node_that_came_up_is_judged_by_all_the_rules_however_its_start_was() -> None:
    up = replace(HUNG, checks=(NO_BOOT, replace(LATER, boot_time=LONG_AGO)))
    assert may_stop(up).reason == "Pexip's status does not say that Headroom closed it"
    seen_before = replace(SOUND, checks=(replace(LOOK, boot_time=None), replace(LATER, boot_time=None)))
    assert may_stop(seen_before).reason == (
        "Pexip has not heard from it since it was started, and Headroom did not start it"
    )
