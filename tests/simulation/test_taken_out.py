"""A node is taken out and put back, as it is typed, on the shipped functions and workflows: no call is cut."""

from dataclasses import replace

import pytest

from headroom.domain.fleet.fleet import NodeState
from headroom.domain.people.orders import Do
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.policy import Mode
from headroom.usecases.order import Order
from headroom_cli.looking import status_in
from tests.simulation.conftest import RUSH, Deployed


def ask(deployed: Deployed, do: Do, *nodes: str, reason: str = "its disk is swapped") -> str:
    return deployed.operator().carry_out(Order(do=do, nodes=nodes, reason=reason), "anna").sentence


def state_of(deployed: Deployed, name: str) -> NodeState:
    return next(node.state for node in deployed.ledger.plan().nodes if node.name == name)


def test_a_node_with_calls_is_emptied_and_stopped_stays_off_in_a_rush_and_is_used_again_when_it_is_put_back(
    deployed: Deployed,
) -> None:
    stage = deployed.stage
    stage.expect(*RUSH)
    stage.minutes(12)
    busy = next(node for node in stage.overflow if node.calls)
    assert "to be closed, emptied and stopped, and to stay off: its disk is swapped" in ask(
        deployed, Do.TAKE_OUT, busy.name
    )
    stage.minutes(40)
    assert not busy.on
    stage.expect(*((60 + at, conference, lasts) for at, conference, lasts in RUSH))
    stage.minutes(25)
    assert not busy.on
    assert any(node.on for node in stage.overflow if node is not busy)
    assert ask(deployed, Do.REINSTATE, busy.name).startswith(f"Put back: {busy.name}")
    deployed.operator().carry_out(Order(do=Do.START, nodes=(busy.name,), reason="it is whole again"), "anna")
    stage.minutes(12)
    assert state_of(deployed, busy.name) is NodeState.SERVING
    assert stage.findings == []
    assert not stage.cloud.cut


def test_what_cannot_be_meant_is_refused_in_a_sentence(deployed: Deployed) -> None:
    deployed.stage.minutes(2)
    with pytest.raises(BadRequestError, match="No overflow node is called burst-9"):
        ask(deployed, Do.TAKE_OUT, "burst-9")
    with pytest.raises(BadRequestError, match="Name at least one node"):
        ask(deployed, Do.TAKE_OUT)
    with pytest.raises(BadRequestError, match="Not out: burst-1"):
        ask(deployed, Do.REINSTATE, "burst-1")
    ask(deployed, Do.TAKE_OUT, "burst-1")
    with pytest.raises(BadRequestError, match="Name at least one node that is not out already"):
        ask(deployed, Do.TAKE_OUT, "burst-1")
    with pytest.raises(BadRequestError, match="Out are: burst-1"):
        ask(deployed, Do.REINSTATE)
    deployed.stage.minutes(2)
    with pytest.raises(BadRequestError, match="was taken out by anna"):
        ask(deployed, Do.START, "burst-1")
    with pytest.raises(BadRequestError, match="was taken out"):
        ask(deployed, Do.OPEN, "burst-1")
    shown = next(node for node in status_in(deployed.ledger).nodes if node.name == "burst-1")
    assert shown.why == "taken out by anna: its disk is swapped"
    deployed.operator().carry_out(Order(do=Do.START, nodes=("burst-2",), reason="the board"), "anna")
    deployed.stage.minutes(2)
    with pytest.raises(BadRequestError, match="burst-2 is held: the board"):
        ask(deployed, Do.TAKE_OUT, "burst-2")
    deployed.set_mode(Mode.ASSIST)
    with pytest.raises(BadRequestError, match="In assist mode Headroom stops no node"):
        ask(deployed, Do.TAKE_OUT, "burst-2")


def test_what_two_people_took_out_is_put_back_at_once(deployed: Deployed) -> None:
    deployed.stage.minutes(2)
    ask(deployed, Do.TAKE_OUT, "burst-1")
    [hold] = deployed.ledger.holds(deployed.stage.moment())
    deployed.ledger.promise(replace(hold, id="out-burst-1-too"))
    ask(deployed, Do.REINSTATE, "burst-1")
    assert deployed.ledger.holds(deployed.stage.moment()) == []
