"""Turns to ask EC2: never faster than the bucket, and never later than they need be."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.safety.pace import RATE, due_after, turn_at
from tests.support.builders import NOW

STARTS = (5, timedelta(seconds=0.5))  # EC2's own bucket for StartInstances


def turns(asked: list[float]) -> list[datetime]:
    due, found = None, []
    for seconds in sorted(asked):
        now = NOW + timedelta(seconds=seconds)
        found.append(turn_at(due, now))
        due = due_after(due, now)
    return found


@given(st.lists(st.floats(0, 60), min_size=1, max_size=80))
def test_turns_come_in_order_never_early_and_fit_the_bucket(asked: list[float]) -> None:
    found = turns(asked)
    assert found == sorted(found)
    assert all(turn >= NOW + timedelta(seconds=at) for turn, at in zip(found, sorted(asked), strict=True))
    for first in range(len(found)):
        for last in range(first + RATE.size, len(found)):
            allowed = RATE.size + (found[last] - found[first]) / RATE.interval
            assert last - first + 1 <= allowed + 1e-6


def test_the_first_few_go_at_once_and_then_one_every_interval() -> None:
    found = turns([0.0] * 8)
    assert [(turn - NOW) / RATE.interval for turn in found] == [0, 0, 0, 0, 1, 2, 3, 4]


def test_a_quiet_while_fills_the_bucket_again() -> None:
    assert turns([0.0] * 8 + [60.0])[-1] == NOW + timedelta(seconds=60)


def test_our_bucket_is_well_inside_ec2s() -> None:
    size, interval = STARTS
    assert RATE.size < size
    assert RATE.interval > interval
