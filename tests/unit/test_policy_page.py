"""docs/policy.md means what it says: its examples run, and it names every field that a driver must know."""

import re
from dataclasses import fields
from typing import Any

import pytest

from headroom.domain.fleet.lifecycle import Action
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Policy
from tests.support import template as stack

PAGE = (stack.ROOT / "docs" / "policy.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run_from_the_first_to_the_last() -> None:
    namespace: dict[str, Any] = {"__name__": "the_policy_page"}
    for number, block in enumerate(BLOCKS, 1):
        exec(compile(block, f"docs/policy.md, block {number}", "exec"), namespace)
    assert namespace["third"].rejected == 0


@pytest.mark.parametrize("action", list(Action))
def test_every_action_is_explained(action: Action) -> None:
    assert f"| `{action}` |" in PAGE


@pytest.mark.parametrize(
    "name",
    [
        "threshold",
        "thresholds",
        "minimum_lifetime",
        "max_nodes",
        "call_turned_away_cost",
        "confidence",
        "max_forecast_nodes",
        "forecasting",
        "reserve",
        "boot_drill",
    ],
)
def test_every_setting_that_a_driver_chooses_is_named(name: str) -> None:
    assert name in {field.name for field in fields(Policy)}
    assert f"`{name}`" in PAGE


def test_every_part_of_a_plan_is_named() -> None:
    missing = [
        field.name for field in fields(Plan) if f"`{field.name}`" not in PAGE and f"Plan.{field.name}" not in PAGE
    ]
    assert set(missing) <= {"at", "read_at", "mode"}
