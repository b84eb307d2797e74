"""Eight thousand random schedules of the model; a seed brings one back, and what goes wrong is shrunk."""

from collections.abc import Callable

import pytest

from headroom.domain.safety import safety
from headroom_lab.proof.chaos import kernel
from headroom_lab.proof.shipped import Shipped
from headroom_lab.proof.walk import Walker
from tests.support.processes import printed

SCHEDULES = 8_000
MUST_HAPPEN = {
    "stops it",
    "opens it",
    "closes it",
    "starts it",
    "serves",
    "is given up",
    "turns round",
    "finds that the plan has changed",
    "leaves it to the other workflow",
    "is refused to stop it",
    "sees that somebody started it again",
    "retire dies",
    "start dies",
    "set dies",
    "the plan is lost",
    "the plan is written, and its workflows never begin",
    "somebody pauses",
    "an upgrade begins",
    "bursting is enabled",
    "Pexip starts",
    "Pexip stops",
    "lies",
    "alarm",
    "unsynced",
    "cut off",
    "loses its tag",
    "is promised",
    "the mode becomes observe",
}


def test_eight_thousand_schedules_cut_lose_and_block_nothing(figure: Callable[[str], None]) -> None:
    found = kernel(SCHEDULES)
    figure(f"{found.schedules:,} schedules, {found.moves:,} moves, {found.happened['stops it']:,} stops")
    assert found.trace == [], f"seed {found.seed}"
    assert found.schedules == SCHEDULES
    assert MUST_HAPPEN - set(found.happened) == set()


WALKS = """
from headroom_lab.proof.walk import Walker
walker = Walker()
for seed in range(300):
    print(*[what for what, _ in walker.walk(seed)], sep="\\n")
"""


def test_a_seed_brings_a_schedule_back_in_any_process() -> None:
    once, again = (printed(WALKS, hash_seed) for hash_seed in (1, 2))
    assert once == again
    assert "stops it" in once


def test_what_goes_wrong_is_found_by_chance_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the second witness a node is stopped under a call that Pexip denies, sooner or later."""
    rules = tuple(rule for rule in safety.RULES if rule.__name__ != "_not_against_the_network")
    monkeypatch.setattr(safety, "RULES", rules)
    walker = Walker()
    found = walker.schedules(range(20_000))
    assert found.seed is not None
    shrunk = walker.shrunk(found.seed)
    assert shrunk[-1] == "a call was cut"
    assert len(shrunk) <= len(found.trace)
    assert any(move.endswith("lies") for move in shrunk)


def test_a_plan_that_the_model_remembers_is_what_the_planner_says() -> None:
    """Two states that look alike to it must be alike to the planner."""
    walker, fresh = Walker(), 0
    for seed in range(60):
        for _, state in walker.walk(seed, moves=40):
            known = len(walker.model.shipped._plans)
            remembered = walker.model.shipped.planned(state)
            if len(walker.model.shipped._plans) == known and (seed + known) % 3 == 0:
                assert Shipped(walker.model.shipped.policy).planned(state) == remembered
                fresh += 1
    assert fresh > 200
