"""Who may change a node: the conditions, as the ledger and the model use them."""

from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.safety.claims import (
    FIRST_LEASE,
    LEASE,
    LONGEST_STEP,
    holds,
    is_free,
    is_held_by,
    is_the_last_word,
    is_unchanged,
    is_unclaimed,
)
from headroom.domain.safety.safety import gap
from tests.support.builders import NOW

SECOND = timedelta(seconds=1)
OURS: dict[str, Any] = {"claim_token": "stop-1", "claim_until": NOW + SECOND, "wanted": "off", "version": 3}


def test_a_claim_is_free_when_there_is_none_or_its_lease_has_ended() -> None:
    assert holds(is_free(NOW), {})
    assert holds(is_free(NOW), {"claim_until": NOW})
    assert not holds(is_free(NOW), {"claim_until": NOW + SECOND})


def test_a_claim_that_nobody_took_over_is_still_its_workflows() -> None:
    assert holds(is_held_by("stop-1"), {"claim_token": "stop-1", "claim_until": NOW - SECOND})
    assert not holds(is_held_by("stop-1"), {"claim_token": "start-2"})
    assert not holds(is_held_by("stop-1"), {})
    assert holds(is_unclaimed(), {})
    assert not holds(is_unclaimed(), {"claim_token": "stop-1"})


def test_a_node_nobody_ever_wanted_anything_of_is_unchanged_as_long_as_nobody_does() -> None:
    assert holds(is_unchanged(0), {})
    assert not holds(is_unchanged(0), {"version": 1})
    assert holds(is_unchanged(3), {"version": 3})
    assert not holds(is_unchanged(3), {"version": 4})


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
    assert holds(condition, OURS)
    assert not holds(condition, OURS | change)


@pytest.mark.parametrize("replication", [60, 90, 180])
def test_a_lease_outlasts_every_wait_and_every_step(replication: int) -> None:
    wait = gap(timedelta(seconds=replication)) + timedelta(seconds=5)
    assert wait + LONGEST_STEP < LEASE
    assert LONGEST_STEP < FIRST_LEASE
