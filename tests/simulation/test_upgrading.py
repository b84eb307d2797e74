"""Through an upgrade of the platform, as it is typed, on the shipped functions and workflows."""

from functools import partial

import pytest
from click.testing import CliRunner, Result

from headroom import clock
from headroom.domain.people.orders import Do
from headroom.usecases.order import Order
from headroom_cli.main import main
from headroom_lab.proof.stage import Stage
from headroom_replay.world import Node
from tests.simulation.conftest import Deployed

OLD, NEW = "37 (80989.0.0)", "38 (82000.0.0)"


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "160"}, mix_stderr=False).invoke(main, list(arguments))


def pexip_upgrades(stage: Stage, after: float) -> None:
    """First the Management Node, then one node after the other: each is away for three minutes."""
    world = stage.world

    def manager_ends() -> None:
        world.upgrading, world.version = False, NEW
        for number, node in enumerate(world.nodes.values()):
            node.version, node.upgrade_status = OLD, "UPGRADING" if node.on else "IDLE"
            if node.on:
                stage.after(180 * (number + 1), partial(node_ends, node))

    def node_ends(node: Node) -> None:
        node.version, node.upgrade_status = "", "IDLE"

    stage.after(after, lambda: setattr(world, "upgrading", True))
    stage.after(after + 600, manager_ends)


def test_all_nodes_are_on_until_all_have_the_new_version_and_then_headroom_goes_on(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    pexip_upgrades(stage, 900)
    said = run("upgrade")
    assert said.exit_code == 0, said.output
    assert "Begin the upgrade in Pexip now" in said.stdout
    assert "the Management Node still has version 37" in said.stdout
    assert "the Management Node is being upgraded" in said.stdout
    assert "nodes are being upgraded: burst-1, burst-2, burst-3" in said.stdout
    assert said.stdout.endswith("The Management Node and 3 overflow nodes have the same version. Headroom goes on.\n")
    assert {node.version for node in stage.overflow} == {""}
    assert deployed.ledger.pause(clock.now()) is None
    assert deployed.ledger.holds(stage.moment()) == []
    stage.minutes(75)  # half an hour after the always-on node is back nothing is closed
    assert not any(node.on for node in stage.overflow)
    assert stage.findings == []


def test_what_was_broken_off_goes_on_where_it_was(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = deployed.stage
    stage.minutes(2)

    def closes_the_terminal(seconds: float) -> None:
        if deployed.ledger.pause(clock.now()):
            raise KeyboardInterrupt
        stage.sleep(seconds)

    monkeypatch.setattr("headroom_cli.waiting.wait", closes_the_terminal)
    assert run("upgrade").exit_code == 1
    assert "Pexip is to be upgraded from 37" in str(deployed.ledger.pause(clock.now()))
    monkeypatch.setattr("headroom_cli.waiting.wait", stage.sleep)
    pexip_upgrades(stage, 60)
    said = run("upgrade")
    assert said.exit_code == 0, said.output
    assert "to serve by" not in said.stdout


def test_a_node_that_does_not_come_up_is_told_of_before_anybody_begins(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    stage.overflow[2].never_boots = True
    said = run("upgrade")
    assert said.exit_code == 1
    assert "Not all nodes serve" in said.stderr
    assert "A node that is off is not upgraded" in said.stderr
    assert deployed.ledger.pause(clock.now()) is None


def test_a_pause_of_somebody_else_is_left_alone(deployed: Deployed) -> None:
    deployed.stage.minutes(2)
    deployed.operator().carry_out(Order(do=Do.PAUSE, reason="a network change"), "anna")
    said = run("upgrade")
    assert said.exit_code == 1
    assert "Headroom is paused already (a network change)" in said.stderr
