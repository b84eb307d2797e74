"""What an overflow node's instance sends, as EC2 publishes it: the second witness's own words."""

from types import SimpleNamespace
from typing import Any

import pytest

from headroom_lab.pexip.traffic import A_CALL, IDLE, PERIOD, Meter
from headroom_replay.world import Call, Node, World
from tests.unit.replay.test_world import PLACES


def watched(begin: float, until: float, calls: int, step: float = 5) -> list[dict[str, Any]]:
    """What is published of a node that carries so many calls all the time."""
    node = Node(id=1, name="burst-1", address="10.0.1.1", location="Cloud", hd=5, overflow=True, instance="i-1")
    world = World(PLACES, [node], now=begin)
    world.power_on(node, begin - 600)
    node.calls |= {str(n): Call(begin, "meeting", "Oslo", 9e9) for n in range(calls)}
    published: list[dict[str, Any]] = []
    cloudwatch = SimpleNamespace(put_metric_data=lambda **given: published.extend(given["MetricData"]))
    meter = Meter(cloudwatch)
    while world.now <= until:
        meter.count(world)
        world.now += step
    return published


def test_a_period_is_published_when_it_is_over_with_all_that_was_sent_in_it() -> None:
    [idle] = watched(0, PERIOD, calls=0)
    assert (idle["MetricName"], idle["Timestamp"].timestamp()) == ("NetworkOut", 0)
    assert idle["Value"] == pytest.approx(5 * IDLE)
    [busy] = watched(0, PERIOD, calls=2)
    assert busy["Value"] == pytest.approx(5 * (IDLE + 2 * A_CALL))


def test_a_period_of_which_not_all_was_seen_is_not_published() -> None:
    assert [one["Timestamp"].timestamp() for one in watched(100, 3 * PERIOD, calls=1)] == [PERIOD, 2 * PERIOD]
    assert watched(0, PERIOD - 1, calls=1) == []
