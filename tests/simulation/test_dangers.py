"""What changes while a node is being retired, each change at its worst moment: the retirement tells what it met."""

from typing import Any

import pytest

from headroom.domain.safety.safety import GAP
from headroom_lab.proof.asl import Execution
from headroom_lab.proof.danger import Danger
from headroom_lab.proof.stage import Stage

OPENED, CLOSED = "a person opens the node", "a person closes it in their own name"
REFUSED, EMPTY = "stop refused", "It is closed and looks empty"
STOPPED, STOPPED_BY_OTHERS = ("stopped", EMPTY, 1), ("stopped", EMPTY, 0)
BEFORE_THE_SECOND_LOOK = {
    OPENED: (REFUSED, "Pexip's status does not say that Headroom closed it", 0),
    CLOSED: (REFUSED, "Pexip's status does not say that Headroom closed it", 0),
    "the instance is restarted": ("", "", 0),  # somebody else has stopped it: it is only waited for, in vain
    "Pexip cannot reach the node": (REFUSED, "Pexip raises an alarm about it", 0),
    "an upgrade begins": (REFUSED, "Pexip is being upgraded", 0),
    "Pexip's own bursting is enabled": STOPPED_BY_OTHERS,  # by Pexip itself, whose minimum lifetime is over
    "another stack closes a node": (REFUSED, "Another stack of Headroom closes nodes of this platform", 0),
    "no plan is made": STOPPED,  # for 40 s: the newest plan is new enough
    "the Management Node's clock jumps": (REFUSED, "The Management Node's clock is 90 s behind", 0),
    "the instance sends as if it carried a call": (REFUSED, "It sent 1.1 MB a minute lately", 0),
    "a hold needs it": ("relieved", "Another workflow has the claim on this node", 0),
}
BEFORE_THE_LAST_QUESTION = {
    **dict.fromkeys((OPENED, CLOSED), (REFUSED, "It was opened, or closed by somebody else", 0)),
    "the Management Node's clock jumps": (REFUSED, "The Management Node's clock is 9 s ahead", 0),
    "it is held up": (REFUSED, "The last look at it is too old", 0),
}
BEFORE_THE_STOP = {
    OPENED: STOPPED,  # no call comes so soon after it
    "a pause": (REFUSED, "Headroom is paused", 0),
    "the mode becomes observe": (REFUSED, "In observe mode Headroom stops no nodes", 0),
    "a hold needs it": (REFUSED, "It is held", 0),
    "its claim is another's": (REFUSED, "Another workflow has the claim on this node", 0),
    "the minimum lifetime becomes longer": (REFUSED, "Its minimum lifetime lasts another", 0),
    "two nodes exchange their names": STOPPED_BY_OTHERS,  # the name is that of an instance that is off
    "the stop is held up": STOPPED,  # at its second try, after new looks
    "a plan wants it open": ("re-opened", "burst-1 held", 0),
}
MOMENTS = [  # the pack of changes, the step that is invoked, what its payload says, seconds until the change
    ("between", "CheckEmpty", "rests", GAP.seconds - 40, BEFORE_THE_SECOND_LOOK),
    ("before_the_question", "CheckEmpty", "last", 0, BEFORE_THE_LAST_QUESTION),
    ("at_last", "StopInstance", "", 0, BEFORE_THE_STOP),
]


@pytest.mark.parametrize(
    ("pack", "step", "mark", "later", "act", "outcome", "reason", "stops"),
    [
        pytest.param(pack, step, mark, later, act, *told, id=f"{pack}: {act}")
        for pack, step, mark, later, expected in MOMENTS
        for act, told in expected.items()
    ],
)
def test_a_change_while_a_node_is_retired_is_met(
    stage: Stage, pack: str, step: str, mark: str, later: float, act: str, outcome: str, reason: str, stops: int
) -> None:
    danger = Danger(stage, chance=0, seed=0)
    met: list[Execution] = []

    def watch(name: str, payload: Any) -> None:
        if name == step and (not mark or payload.get(mark)) and not met:
            met.append(next(each for each in stage.at_work if each.variables.get("node") == "burst-1"))
            stage.after(later, lambda: getattr(danger, pack)()[act](stage.overflow[0]))

    stage.watchers.append(watch)
    stage.after(0, stage.every_minute)
    while not met or not met[0].ended:
        stage.run_until(stage.now + 1)
    told: Any = met[0].output or {"outcome": "", "reason": ""}
    assert (told["outcome"], told["reason"][: len(reason)]) == (outcome, reason)
    assert sum(request == "StopInstances" for _, request in stage.cloud.requests) == stops
    assert stage.cloud.cut == []


@pytest.mark.parametrize(("pack", "expected"), [(pack, expected) for pack, *_, expected in MOMENTS])
def test_no_change_is_left_out(stage: Stage, pack: str, expected: dict[str, Any]) -> None:
    assert set(getattr(Danger(stage, chance=0, seed=0), pack)()) == set(expected)
