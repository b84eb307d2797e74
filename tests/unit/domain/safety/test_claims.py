"""Who may change a node: the conditions, as the ledger and the model use them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.lifecycle import Action, Claim, Memory
from headroom.domain.safety.claims import (
    FIRST_LEASE,
    LEASE,
    LONGEST_STEP,
    is_claimed_by,
    is_free,
    is_met,
    is_the_last_word,
    is_unchanged,
    is_unclaimed,
    taking,
    token_for,
)
from headroom.domain.safety.safety import gap
from tests.support.builders import NOW

SECOND = timedelta(seconds=1)
OURS: dict[str, Any] = {"claim_token": "stop-1", "claim_until": NOW + SECOND, "wanted": "off", "version": 3}


def test_a_claim_is_free_when_there_is_none_or_its_lease_has_ended() -> None:
    assert is_met(is_free(NOW), {})
    assert is_met(is_free(NOW), {"claim_until": NOW})
    assert not is_met(is_free(NOW), {"claim_until": NOW + SECOND})


def test_a_claim_that_nobody_took_over_is_still_its_workflows() -> None:
    assert is_met(is_claimed_by("stop-1"), {"claim_token": "stop-1", "claim_until": NOW - SECOND})
    assert not is_met(is_claimed_by("stop-1"), {"claim_token": "start-2"})
    assert not is_met(is_claimed_by("stop-1"), {})
    assert is_met(is_unclaimed(), {})
    assert not is_met(is_unclaimed(), {"claim_token": "stop-1"})


def test_a_node_nobody_ever_wanted_anything_of_is_unchanged_as_long_as_nobody_does() -> None:
    assert is_met(is_unchanged(0), {})
    assert not is_met(is_unchanged(0), {"version": 1})
    assert is_met(is_unchanged(3), {"version": 3})
    assert not is_met(is_unchanged(3), {"version": 4})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"claim_token": "start-2"}, id="the claim has passed to another"),
        pytest.param({"claim_until": NOW}, id="the lease has ended"),
        pytest.param({"wanted": "open"}, id="the newest plan wants it open"),
        pytest.param({"version": 4}, id="a plan wanted something in between"),
    ],
)
def test_the_last_word_is_spoken_only_while_everything_stands(change: dict[str, Any]) -> None:
    condition = is_the_last_word("stop-1", 3, NOW)
    assert is_met(condition, OURS)
    assert not is_met(condition, OURS | change)


@pytest.mark.parametrize("replication", [60, 90, 180])
def test_a_lease_outlasts_every_wait_and_every_step(replication: int) -> None:
    wait = gap(timedelta(seconds=replication)) + timedelta(seconds=5)
    assert wait + LONGEST_STEP < LEASE
    assert LONGEST_STEP < FIRST_LEASE


def test_a_plan_takes_a_free_node_relieves_a_workflow_that_rests_and_leaves_one_that_works() -> None:
    free = taking(Memory(node="burst-1", version=3), Action.OPEN, NOW)
    assert (free.claims, is_met(free.condition, {"version": 3})) == (True, True)
    assert not is_met(free.condition, {"version": 4})
    works = Memory(node="burst-1", version=3, claim=Claim(token="stop-1", action=Action.STOP, until=NOW + SECOND))
    at_work = taking(works, Action.OPEN, NOW)
    assert (at_work.claims, is_met(at_work.condition, OURS)) == (False, True)
    rests = taking(replace(works, rests_until=NOW + SECOND), Action.OPEN, NOW)
    assert rests.claims
    assert is_met(rests.condition, OURS | {"rests_until": NOW + SECOND})
    assert not is_met(rests.condition, OURS)
    assert not taking(replace(works, rests_until=NOW + SECOND), Action.CLOSE, NOW).claims


def test_a_token_names_action_and_node_within_the_rules_for_names() -> None:
    tokens = {token_for(f"Überlauf.knoten-mit-langem-namen-{n}", Action.STOP, 4, NOW) for n in (1, 2)}
    assert len(tokens) == 2
    assert all(len(token) <= 80 and token.isascii() and token.startswith("stop--berlauf-knoten") for token in tokens)
