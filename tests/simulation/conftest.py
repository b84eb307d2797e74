"""A stage for the shipped handlers and workflows, cleared away after each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from headroom.domain.policy import Mode
from headroom.usecases.order import Operator
from headroom_lab.proof.stage import Stage

RUSH = [(2 + n / 3, f"meeting {n % 3}", 12.0) for n in range(22)]


@pytest.fixture
def make_stage() -> Iterator[Callable[..., Stage]]:
    with ExitStack() as cleared:

        def make(seed: int = 1, **more: Any) -> Stage:
            return cleared.enter_context(Stage(seed, **more))

        yield make


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()


@pytest.fixture
def rush(stage: Stage) -> Stage:
    """A morning on which two nodes are started and stopped again."""
    stage.after(0, stage.every_minute)
    stage.expect(*RUSH)
    return stage


class Deployed:
    """The stack that the stage is, for what an operator types."""

    def __init__(self, stage: Stage, mode: Mode) -> None:
        self.stage, self.ledger, self.mode = stage, stage.ledger, mode
        stage.set_policy(mode=str(mode))

    def set_mode(self, mode: Mode) -> None:
        self.mode = mode
        self.stage.set_policy(mode=str(mode))

    def who(self) -> str:
        return "Operators/anna"

    @property
    def zone(self) -> str:
        return self.stage.settings.time_zone

    def operator(self) -> Operator:
        states: Any = SimpleNamespace(
            start_execution=self.stage.start_execution, describe_execution=self.stage.describe_execution
        )
        machines = {"prewarm": "prewarm", "set_open": "set_open"}
        return Operator(self.ledger, states, machines, self.stage.settings.policy)


@pytest.fixture
def deployed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    found = Deployed(stage, Mode.CONTROL)
    monkeypatch.setattr("headroom_cli.stack.stack_of", lambda _: found)
    monkeypatch.setattr("headroom_cli.waiting.wait", stage.sleep)
    stage.after(0, stage.every_minute)
    return found
