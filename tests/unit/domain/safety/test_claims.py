"""Who may change a node: the conditions, as the ledger and the model use them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.lifecycle import Action, Claim, Memory, Wanted
from headroom.domain.safety.claims import (
    ACCEPTED,
    FIRST_LEASE,
    LEASE,
    LONGEST_STEP,
    NOT_BEGUN,
    frees_when_ended,
    is_claimed_by,
    is_free,
    is_met,
    is_on_its_way,
    is_the_last_word,
    is_the_same,
    is_unchanged,
    is_unclaimed,
    last_sign,
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
    ended = Memory(node="burst-1", version=3, claim=Claim(token="stop-1", action=Action.STOP, until=NOW))
    assert is_met(taking(ended, Action.OPEN, NOW).condition, OURS | {"claim_until": NOW})
    assert not is_met(taking(ended, Action.OPEN, NOW).condition, OURS | {"claim_until": NOW + SECOND})
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
    assert token_for("Überlauf.knoten-mit-langem-namen-1", Action.STOP, 4, NOW) == (
        "stop--berlauf-knoten-mit-lang-c147fb4e-20260302T080000-4"
    )
    assert all(len(token) <= 80 and token.isascii() and token.startswith("stop--berlauf-knoten") for token in tokens)


def _memory(action: Action, *, spoke: timedelta, **more: Any) -> Memory:
    """A node claimed by a workflow that renewed its lease so long ago."""
    return Memory(
        node="burst-1", claim=Claim(token="t-1", action=action, until=NOW - spoke + LEASE), wanted=action.wanted, **more
    )


def test_a_workflows_last_sign_is_when_it_renewed_its_lease_or_when_the_plan_wrote_its_claim() -> None:
    assert last_sign(_memory(Action.STOP, spoke=SECOND)) == NOW - SECOND
    written = Memory(
        node="burst-1",
        claim=Claim(token="t-1", action=Action.START, until=NOW + FIRST_LEASE),
        wanted_at=NOW,
    )
    assert last_sign(written) == NOW
    assert last_sign(Memory(node="burst-1")) is None


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("is_off", [False, True])
def test_the_claim_of_a_workflow_that_has_ended_is_free_once_no_step_of_it_can_harm(
    action: Action, is_off: bool
) -> None:
    after = NOT_BEGUN if action.starts and is_off else LONGEST_STEP
    assert frees_when_ended(_memory(action, spoke=after + SECOND), NOW, is_off=is_off)
    assert not frees_when_ended(_memory(action, spoke=after), NOW, is_off=is_off)
    assert not frees_when_ended(Memory(node="burst-1"), NOW, is_off=is_off)


def test_a_claim_is_freed_only_as_it_was_read() -> None:
    memory = _memory(Action.START, spoke=SECOND)
    facts: dict[str, Any] = {"claim_token": "t-1", "claim_until": NOW - SECOND + LEASE}
    assert is_met(is_the_same(memory), facts)
    assert not is_met(is_the_same(memory), facts | {"claim_until": NOW + LEASE})
    assert not is_met(is_the_same(memory), facts | {"claim_token": "t-2"})
    assert is_met(is_the_same(Memory(node="burst-1")), {})


def test_a_start_is_on_its_way_for_the_seconds_that_ec2_needs_from_the_plan_and_from_its_turn_on() -> None:
    def start(action: Action = Action.START, *, spoke: timedelta = LEASE, **more: Any) -> bool:
        return is_on_its_way(_memory(action, spoke=spoke, **more), NOW)

    assert start(wanted_at=NOW - ACCEPTED + SECOND)
    assert not start(wanted_at=NOW - ACCEPTED)
    assert start(wanted_at=NOW - LEASE, spoke=ACCEPTED - SECOND), "its workflow is slow, but at work"
    assert not start(wanted_at=NOW - LEASE, spoke=ACCEPTED)
    assert start(wanted_at=NOW - LEASE, start_due_at=NOW - ACCEPTED + SECOND)
    assert start(wanted_at=NOW - LEASE, start_due_at=NOW + LEASE), "its turn is still to come"
    assert not start(wanted_at=NOW - LEASE, start_due_at=NOW - ACCEPTED)
    assert not start(), "nobody knows since when it is wanted"
    assert not start(Action.OPEN, wanted_at=NOW)
    assert not is_on_its_way(Memory(node="burst-1", wanted_at=NOW), NOW)
    unwanted = replace(_memory(Action.START, spoke=SECOND, wanted_at=NOW), wanted=Wanted.OFF)
    assert not is_on_its_way(unwanted, NOW)
