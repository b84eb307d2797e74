"""Who may do what: by the mode, Pexip's own settings and a pause."""

import pytest

from headroom.domain.fleet.fleet import PexipSettings
from headroom.domain.fleet.lifecycle import Action, Pause, Pausing
from headroom.domain.policy import Mode
from headroom.domain.safety.permission import NotNowError, check

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
        pytest.param(Action.START, Mode.OBSERVE, OFF, None, "observe mode and touches nothing", id="observe"),
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
