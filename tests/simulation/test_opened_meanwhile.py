"""A person opens a node while it is being retired: at whatever second, no call that comes through that door is cut."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from headroom.domain.safety import safety
from headroom_lab.proof.stage import OPENING, Stage

SLOW = 15.0  # seconds that a slow ledger takes for the last word
RETIRED_WITHIN = 20  # minutes
UNSEEN = 6  # seconds from the last question to the stop, and those tried behind it


def begun(make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, *, slow: bool) -> Stage:
    """A stage on which burst-1, closed and empty, will be retired; the ledger may be slow just before the stop."""
    stage = make_stage()
    stage.after(0, stage.every_minute)
    if slow:
        spoken, waits = stage.ledger.last_word, [SLOW]

        def last_word(*given: Any) -> Any:
            if waits:
                stage.sleep(waits.pop())
            return spoken(*given)

        monkeypatch.setattr(stage.ledger, "last_word", last_word)
    return stage


def retired_between(
    make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, *, slow: bool
) -> tuple[int, int]:
    """When the retirement begins and when its instance is stopped, in seconds from the stage's beginning."""
    stage = begun(make_stage, monkeypatch, slow=slow)
    beginning = stage.now
    [machine] = [each for each in stage.cloud.machines.values() if each.state == "running"]
    began = 0
    for second in range(60 * RETIRED_WITHIN):
        stage.run_until(beginning + second)
        if not began and any(name.startswith("stop-") for name in stage.executions):
            began = second
        if machine.stopped_by_us:
            return began, second
    raise AssertionError("nothing was stopped")


@pytest.mark.parametrize("slow", [False, True])
def test_a_person_may_open_a_node_at_any_second_of_its_retirement(
    make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    began, stopped = retired_between(make_stage, monkeypatch, slow=slow)
    assert stopped - began > safety.GAP.seconds
    stopped_all_the_same = 0
    first = stopped - round(3 * SLOW) if slow else began - 10  # before that, a slow ledger makes no difference
    for second in range(first, stopped + 2):
        stage = begun(make_stage, monkeypatch, slow=slow)
        node, beginning = stage.overflow[0], stage.now
        stage.run_until(beginning + second)
        stage.world.set_closed(node, closed=False, reason="")
        stage.after(OPENING, partial(stage.world.dial, node, 600.0))
        stage.run_until(beginning + stopped + 60)
        assert stage.cloud.cut == [], f"opened {stopped - second} s before the stop"
        stopped_all_the_same += any(machine.stopped_by_us for machine in stage.cloud.machines.values())
    assert stopped_all_the_same <= UNSEEN, "an opening is seen until the last question"
