"""Who may do what: by the mode, Pexip's own settings and a pause."""

from dataclasses import replace

import pytest

from headroom.domain.fleet.fleet import PexipSettings
from headroom.domain.fleet.lifecycle import Action, Commitments, Pause, Pausing, Record, Unread
from headroom.domain.policy import Mode
from headroom.domain.safety.permission import (
    NotNowError,
    check,
    conflict,
    others_close,
    others_switch,
    promises_unread,
    unsure,
)
from tests.support.builders import node, observe

ON, OFF = PexipSettings(bursting_enabled=True), PexipSettings()
DRILL, STOPS_ONLY = Pause(reason="a drill"), Pause(reason="a drill", holding=Pausing.STOPS_ONLY)


@pytest.mark.parametrize(
    ("action", "mode", "settings", "pause"),
    [
        pytest.param(Action.STOP, Mode.CONTROL, OFF, None, id="control stops"),
        pytest.param(Action.START, Mode.ASSIST, ON, None, id="assist starts"),
        pytest.param(Action.START_CLOSED, Mode.ASSIST, ON, None, id="and closed, too"),
        pytest.param(Action.OPEN, Mode.OBSERVE, ON, DRILL, id="what Headroom closed may be opened at any time"),
        pytest.param(Action.START, Mode.CONTROL, OFF, STOPS_ONLY, id="a pause of stops alone still starts"),
    ],
)
def test_what_may_be_done(action: Action, mode: Mode, settings: PexipSettings, pause: Pause | None) -> None:
    against: list[NotNowError] = []
    try:
        check(action, mode, settings, pause)
    except NotNowError as error:
        against.append(error)
    assert against == []


@pytest.mark.parametrize(
    ("action", "mode", "settings", "pause", "words"),
    [
        pytest.param(
            Action.START,
            Mode.OBSERVE,
            OFF,
            None,
            "^Headroom is in observe mode and touches nothing: deploy with Mode=assist or Mode=control.$",
            id="observe",
        ),
        pytest.param(Action.STOP, Mode.ASSIST, ON, None, "only starts nodes. To stop a node, use Pexip", id="assist"),
        pytest.param(Action.START, Mode.CONTROL, ON, None, "two controllers would fight", id="two controllers"),
        pytest.param(Action.START, Mode.CONTROL, OFF, DRILL, "Headroom is paused: a drill", id="paused"),
        pytest.param(Action.CLOSE, Mode.CONTROL, OFF, STOPS_ONLY, "Headroom is paused: a drill", id="stops only"),
        pytest.param(Action.START_CLOSED, Mode.CONTROL, OFF, STOPS_ONLY, "Headroom is paused", id="nor closed starts"),
    ],
)
def test_what_may_not_be_done_says_why(
    action: Action, mode: Mode, settings: PexipSettings, pause: Pause | None, words: str
) -> None:
    with pytest.raises(NotNowError, match=words):
        check(action, mode, settings, pause)


def test_a_mode_that_contradicts_pexips_settings_says_where_to_change_them() -> None:
    assert conflict(Mode.CONTROL, ON) == (
        "Control mode is refused while Pexip's own bursting is enabled: two controllers would fight. "
        "Disable it under Platform > Global settings > Cloud bursting, or use assist mode."
    )
    assert conflict(Mode.ASSIST, OFF) == (
        "Assist mode is refused while Pexip's own bursting is disabled: nobody would stop the nodes. "
        "Enable it under Platform > Global settings > Cloud bursting, or use control mode."
    )
    assert conflict(Mode.OBSERVE, PexipSettings(bursting_enabled=True, cloud_provider="AZURE")) == (
        "Pexip bursts into AZURE, not AWS: Headroom has nothing to do here."
    )
    assert [conflict(Mode.CONTROL, OFF), conflict(Mode.ASSIST, ON), conflict(Mode.OBSERVE, ON)] == ["", "", ""]


def test_all_who_are_in_the_way_are_named() -> None:
    assert others_close(("second", "third")) == (
        "Another stack of Headroom closes nodes of this platform, too: second, third"
    )
    assert others_switch(("burst-1", "burst-2")) == "Somebody else starts and stops nodes, too: burst-1, burst-2"


@pytest.mark.parametrize(
    ("untold", "said"),
    [
        ((), ""),
        (("bursting_threshold",), ""),
        (
            ("bursting_enabled",),
            "Pexip does not tell whether its own bursting is enabled: look at Platform > Global settings > Cloud bursting",
        ),
        (("upgrade_status",), "Pexip does not tell whether it is being upgraded: look at Utilities > Upgrade"),
    ],
)
def test_what_pexip_must_tell_before_anything_is_closed_or_stopped(untold: tuple[str, ...], said: str) -> None:
    assert unsure(replace(observe(node(1)).reading, untold=untold)) == said


def test_promises_that_cannot_be_read_are_named() -> None:
    unread = Unread(what=Record.PROMISE, name="all-hands", why="a newer version wrote it")
    said = "Nothing is closed or stopped while a promise cannot be read (all-hands)"
    assert promises_unread(Commitments(unread=(unread,))) == said
    assert promises_unread(Commitments()) == ""
