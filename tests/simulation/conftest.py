"""A stage for the shipped handlers and workflows, cleared away after each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from headroom_lab.proof.stage import Stage


@pytest.fixture
def make_stage() -> Iterator[Callable[..., Stage]]:
    with ExitStack() as cleared:

        def make(seed: int = 1, **more: Any) -> Stage:
            return cleared.enter_context(Stage(seed, **more))

        yield make


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()
