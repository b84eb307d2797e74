"""Two hundred starts in one go: EC2 is asked no faster than it allows, whatever it answers."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from headroom.domain.safety.pace import RATE
from headroom_lab.proof.stage import Stage

NODES = 200  # beside the one that is on already
MOST_CALLS_A_START = 2.3


def start_all(stage: Stage) -> None:
    stage.after(0, stage.every_minute)
    stage.minutes(1.5)
    for node in stage.overflow[1:]:
        stage.begin("start_node", f"by-hand-{node.name}", {"node": node.name, "reason": "all of them"})
    stage.minutes(6)


def acts(stage: Stage) -> list[float]:
    return [at for at, request in stage.cloud.requests if request in {"StartInstances", "StopInstances"}]


def fits_our_bucket(at: list[float]) -> bool:
    seconds = RATE.interval.total_seconds()
    return all(at[last] - at[last - RATE.size] >= seconds - 0.01 for last in range(RATE.size, len(at))) and all(
        last - first + 1 <= RATE.size + (at[last] - at[first]) / seconds + 1 for first, last in _stretches(at)
    )


def _stretches(at: list[float]) -> list[tuple[int, int]]:
    return [(first, min(first + 50, len(at) - 1)) for first in range(0, len(at), 25)]


@pytest.mark.parametrize("throttled", [0.0, 0.5])
def test_two_hundred_starts_in_one_go(make_stage: Callable[..., Stage], throttled: float) -> None:
    stage = make_stage(nodes=NODES + 1)
    stage.set_policy(minimum_lifetime_minutes="50")
    stage.hazards.rates = {"StartInstances": throttled}
    start_all(stage)
    started = sum(node.on for node in stage.overflow[1:])
    calls = acts(stage)
    assert stage.cloud.throttled == 0, "EC2's own buckets never ran out"
    assert started == NODES
    assert len(calls) <= MOST_CALLS_A_START * NODES
    assert fits_our_bucket(calls)


@pytest.mark.parametrize("minutes", [7, 20, 60 * 24 * 400])
def test_turns_that_are_too_far_ahead_begin_anew(stage: Stage, minutes: float) -> None:
    """As a wrong clock leaves them, or a restored table: a start would wait for them without a word."""
    now = stage.moment()
    stage.ledger.turn(now + timedelta(minutes=minutes))
    assert stage.ledger.turn(now) == now
    assert stage.ledger.turn(now) <= now + timedelta(seconds=1)
    stage.ledger.turn(now + timedelta(minutes=minutes))
    assert stage.ledger.turn_within(timedelta(seconds=3), now) is not None


def test_a_stop_waits_for_no_turn_longer_than_a_moment(stage: Stage) -> None:
    now = stage.moment()
    turns = [stage.ledger.turn(now) for _ in range(10)]
    assert [turn for turn in turns if turn] == turns
    assert stage.ledger.turn_within(timedelta(seconds=3), now) is None
    assert stage.ledger.turn_within(timedelta(seconds=5), now) is not None
    assert stage.ledger.turn_within(timedelta(0), now + timedelta(minutes=1)) == now + timedelta(minutes=1)


def test_a_start_that_is_tried_again_takes_another_turn(stage: Stage) -> None:
    """The answer to the first try got lost: what EC2 is asked a second time is paced, too."""
    stage.after(0, stage.every_minute)
    stage.minutes(1.5)
    stage.hazards.answer_lost = 0.5
    for n in (2, 3):
        stage.begin("start_node", f"by-hand-{n}", {"node": f"burst-{n}"})
    stage.minutes(3)
    assert fits_our_bucket(acts(stage))
