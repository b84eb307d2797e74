"""What the shipped workflows do is legal in the model: its proofs speak of them."""

from collections.abc import Callable
from typing import Any

import pytest

from headroom_lab.proof.play import ASSISTED, CLOCK_OFF, EXCHANGED, PRESSED, RENAMED, RESTORED, Play
from headroom_lab.proof.trace import Follower

PLAYS = 8
UNKNOWN = {ASSISTED, PRESSED, CLOCK_OFF, RENAMED, EXCHANGED, RESTORED}  # to the model


def followed(seed: int) -> Follower:
    """A schedule of the shipped workflows beside the model; functions are atomic here, as their steps are followed whole.

    The model knows neither assist mode nor promises, other names or an older table, and a wrong clock at a look alone.
    """
    play = Play(seed)
    play.script = [(at, kind) for at, kind in play.script if kind not in UNKNOWN]
    play.danger.chance = 0.0
    play.hazards.delayed = play.hazards.given_up = play.hazards.lands_late = 0.0
    with play.stage:
        follower = Follower(play.stage)
        play.perform()
    return follower


def first_with(words: str, first: int = 0) -> str:
    """What the first schedule from this one on did that was not legal in this way."""
    return next((what for seed in range(first, 60) for what in followed(seed).illegal if words in what), "")


def test_every_step_of_the_shipped_workflows_is_legal_in_the_model(figure: Callable[[str], None]) -> None:
    found = [followed(seed) for seed in range(PLAYS)]
    steps, stops = (sum(getattr(each, what) for each in found) for what in ("steps", "stops"))
    figure(f"{PLAYS} schedules, {steps:,} steps followed, {stops} stops")
    assert [(seed, each.illegal) for seed, each in enumerate(found) if each.illegal] == []
    assert steps > 20 * PLAYS
    assert stops > PLAYS


def test_a_workflow_that_leaves_out_a_look_is_not_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    from headroom_lab.proof import stage  # noqa: PLC0415

    machines = stage.machines()
    hasty: dict[str, Any] = {**machines["retire_node"], "States": {**machines["retire_node"]["States"]}}
    hasty["States"]["Is it empty?"] = {**hasty["States"]["Is it empty?"], "Default": "Look again"}
    monkeypatch.setitem(machines, "retire_node", hasty)
    assert first_with("looks at «look 2», where the model allows nothing yet", first=5)


def test_a_stop_that_the_rules_forbid_is_not_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    from headroom.domain.safety.safety import Answer  # noqa: PLC0415

    monkeypatch.setattr("headroom.usecases.stop_instance.may_stop", lambda _: Answer(allowed=True, reason="whatever"))
    assert first_with("is allowed to stop it at «judge», where the model allows ['is refused to stop it']", first=19)
