"""Ticks anywhere within their minutes, as EventBridge Scheduler promises them, and functions that are killed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from boto3.dynamodb.conditions import Key

from headroom.adapters.ledger.codec import moment
from headroom_lab.proof.stage import HOSTNAME, Stage

ANYWHERE = 59.9
HOURS = 6


def readings(stage: Stage) -> list[datetime]:
    items = stage.ledger.table.query(KeyConditionExpression=Key("pk").eq(f"snapshot#{HOSTNAME}"))["Items"]
    return [at for item in items if (at := moment(str(item["sk"])))]


def longest_gap(stage: Stage) -> timedelta:
    return max(later - earlier for earlier, later in pairwise(readings(stage)))


def lease(stage: Stage, name: str) -> datetime | None:
    item = stage.ledger.table.get_item(Key={"pk": f"now#{HOSTNAME}", "sk": f"lease#{name}"}).get("Item")
    return moment(str(item["until"])) if item else None


@pytest.fixture
def ticking(stage: Stage) -> Stage:
    stage.spread = ANYWHERE
    stage.after(0, stage.every_minute)
    return stage


def test_a_tick_that_comes_early_is_not_lost(ticking: Stage, figure: Callable[[str], None]) -> None:
    ticking.minutes(60 * HOURS)
    gap = longest_gap(ticking)
    figure(f"ticks anywhere in their minutes, {HOURS} h: the longest gap between two readings is {gap.seconds} s")
    assert gap <= timedelta(seconds=130)


@pytest.mark.parametrize("full", [False, True], ids=["calm", "near the threshold"])
def test_a_lease_ends_with_its_work(ticking: Stage, *, full: bool) -> None:
    if full:
        ticking.expect(*[(0.1, f"meeting {n % 3}", 600.0) for n in range(6)])
    for _ in range(300):
        ticking.run_until(ticking.now + 7)
        at_work = {strand.function for strand in ticking.strands}
        for function, name in {"observe": "observe", "notify": "tell"}.items():
            until = lease(ticking, name)
            assert function in at_work or until is None or until <= ticking.moment()
    assert (len(readings(ticking)) > 60) is full, "near the threshold it reads several times a minute"


@pytest.mark.parametrize("second", range(0, 60, 6))
def test_a_reading_that_is_killed_costs_one_minute(stage: Stage, second: int) -> None:
    """It is killed at once, in its minute's last second; the next tick comes early or late."""
    for minute in range(12):
        at = {5: 59.5, 6: float(second)}.get(minute, 30.0)
        stage.after(60 * minute + at, lambda: stage.call("observe", {}))
    stage.after(60 * 5 + 59.4, lambda: setattr(stage.hazards, "dies", 1.0))
    stage.after(60 * 5 + 59.6, stage.hazards.calm)
    stage.minutes(12)
    assert stage.hazards.happened["a function dies between two requests"] == 1
    assert longest_gap(stage) <= timedelta(seconds=200)
