"""The small world behind the platform: where calls land, what closing does, and Pexip's own rule."""

import math
import random
from typing import Any

import pytest

from headroom_lab.pexip.power import OwnInstances
from headroom_replay.bursting import Bursting
from headroom_replay.switches import Switches
from headroom_replay.world import Call, Location, Node, World

PLACES = [Location(id=1, name="Oslo", overflow1="Cloud"), Location(id=2, name="Cloud")]


def world_of(*, principal: int = 10, burst: int = 3, journal: Any = lambda _: None, **switches: Any) -> World:
    nodes = [Node(id=1, name="conf", address="10.0.0.1", location="Oslo", hd=principal)]
    nodes += [
        Node(id=10 + n, name=f"burst-{n}", address=f"10.0.1.{n}", location="Cloud", hd=5, overflow=True)
        for n in range(burst)
    ]
    return World(PLACES, nodes, now=0, switches=Switches(**switches), journal=journal)


def calls(count: int, at: float = 1, seconds: float = 10_000, conference: str = "") -> list[Call]:
    return [Call(at + i / 1000, conference or f"c{i}", "Oslo", seconds) for i in range(count)]


def test_calls_fill_the_principal_location_first_then_the_least_loaded_overflow_node() -> None:
    world = world_of()
    for name in ("burst-0", "burst-1"):
        world.power_on(world.nodes[name], -600)
    world.expect(calls(14))
    world.advance(5)
    assert [len(node.calls) for node in world.nodes.values()] == [10, 2, 2, 0]


def test_a_call_that_finds_no_room_is_turned_away_with_its_reason() -> None:
    world = world_of()
    world.expect(calls(12))
    world.advance(5)
    assert (world.tally.offered, world.tally.rejected) == (12, 2)
    assert world.history[-1]["reason"] == "Call failed: capacity exceeded"


def test_a_node_takes_calls_only_when_it_has_booted() -> None:
    world = world_of()
    node = world.nodes["burst-0"]
    world.power_on(node, 0)
    assert 180 < node.ready_at < 420
    world.expect(calls(11, at=100) + calls(1, at=node.ready_at + 1))
    world.advance(node.ready_at + 2)
    assert (world.tally.rejected, len(node.calls)) == (1, 1)


def test_closing_takes_its_time_to_reach_every_node_and_a_conference_may_go_on_growing() -> None:
    world = world_of(principal=0)
    node = world.nodes["burst-0"]
    world.power_on(node, -600)
    world.advance(0)
    world.set_closed(node, True, "test")
    world.expect(calls(1, at=60, conference="a") + calls(1, at=95, conference="b") + calls(1, at=96, conference="a"))
    world.advance(100)
    assert dict(node.conferences) == {"a": 2}
    assert world.tally.rejected == 1


def test_switching_a_node_off_cuts_its_calls_and_the_journal_says_so() -> None:
    lines: list[dict[str, Any]] = []
    world = world_of(principal=0, journal=lines.append)
    world.power_on(world.nodes["burst-0"], -600)
    world.expect(calls(2))
    world.advance(5)
    world.power_off(world.nodes["burst-0"])
    assert world.tally.cut == 2
    assert [line["what"] for line in lines if line["what"] in {"powered off", "cut"}] == ["powered off", "cut", "cut"]


def test_one_conference_uses_at_most_three_nodes_of_a_location() -> None:
    world = world_of(principal=0, burst=4)
    for number in range(4):
        world.power_on(world.nodes[f"burst-{number}"], -600)
    world.expect(calls(20, conference="all hands"))
    world.advance(5)
    assert sum("all hands" in node.conferences for node in world.nodes.values()) == 3
    assert world.tally.rejected == 5


def test_blocking_agrees_with_erlang_b() -> None:
    servers, offered = 20, 18.0
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = offered * blocking / (n + offered * blocking)
    dice = random.Random(1)
    world, at = world_of(principal=servers, burst=0), 0.0
    for number in range(40_000):
        at += dice.expovariate(offered / 100)
        world.expect([Call(at, f"c{number}", "Oslo", dice.expovariate(1 / 100))])
    world.advance(at)
    measured = world.tally.rejected / world.tally.offered
    assert math.isclose(measured, blocking, rel_tol=0.08), (measured, blocking)


def bursting(threshold: int = 3, lifetime: int = 50, **switches: Any) -> tuple[World, Bursting]:
    world = world_of(**switches)
    world.settings |= {"bursting_enabled": True, "bursting_threshold": threshold, "bursting_min_lifetime": lifetime}
    power = OwnInstances(world)
    return world, Bursting(world, start=power.start, stop=power.stop)


def run(world: World, rule: Bursting, until: float) -> None:
    while world.now < until:
        world.advance(world.now + 15)
        rule.step()


@pytest.mark.parametrize(("busy", "started"), [(6, 0), (7, 1)], ids=["one above the threshold", "at the threshold"])
def test_pexips_rule_starts_one_node_at_the_threshold(busy: int, started: int) -> None:
    world, rule = bursting()
    world.expect(calls(busy))
    run(world, rule, 60)
    assert sum(node.on for node in world.nodes.values() if node.overflow) == started


def test_pexips_rule_starts_the_next_when_the_overflow_location_is_at_its_threshold() -> None:
    world, rule = bursting()
    world.expect(calls(10) + calls(2, at=500))
    run(world, rule, 600)
    assert [node.on for node in world.nodes.values() if node.overflow] == [True, True, False]


def test_pexips_rule_stops_an_idle_node_after_its_minimum_lifetime() -> None:
    world, rule = bursting(lifetime=50)
    world.expect(calls(9, seconds=60))
    run(world, rule, 49 * 60)
    assert world.nodes["burst-0"].on
    run(world, rule, 52 * 60)
    assert not world.nodes["burst-0"].on
