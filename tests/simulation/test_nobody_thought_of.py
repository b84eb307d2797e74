"""An error that nobody thought of, raised by each adapter's methods in turn: the rest goes on, and afterwards all is well."""

import inspect
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from headroom.adapters.bus import Bus
from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.readings import Lease
from headroom.adapters.notify import Notify
from headroom.adapters.pexip.asking import ManagementNode
from headroom.adapters.pexip.connection import Connection
from headroom.adapters.workflows import Workflows
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.fleet.lifecycle import Hold
from headroom.domain.people.orders import Do
from headroom.domain.planning.issues import Trouble
from headroom.usecases.order import Operator, Order
from headroom_lab.proof.stage import Stage

ADAPTERS: tuple[type, ...] = (Ledger, Lease, Ec2, ManagementNode, Connection, Workflows, Notify, Bus)
LASTS, OVER, BOOTS = 3, 3, 6  # minutes
NO_PLAN = {  # without these nothing can be planned: claims and the chain of plans hold everything together
    "Ledger.keep_plan",
    "Ledger.last_plan",
    "Ledger.last_reading",
    "Ledger.memories_and_unread",
    "Ledger.commitments",
}
ASKS_NOTHING = {"Ledger.lease"}


def methods() -> Iterator[str]:
    for adapter in ADAPTERS:
        for name, found in inspect.getmembers(adapter, inspect.isfunction):
            method = f"{adapter.__name__}.{name}"
            if not name.startswith("_") and "headroom" in found.__module__ and method not in ASKS_NOTHING:
                yield method


class UnthoughtError(Exception):
    """Nobody thought of it."""


def raises(*_: Any, **__: Any) -> Any:
    raise UnthoughtError("nobody thought of this")


@pytest.mark.parametrize("method", list(methods()))
def test_whatever_raises_the_rest_goes_on_and_afterwards_all_is_well(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    owner, name = method.split(".")
    adapter = next(each for each in ADAPTERS if each.__name__ == owner)
    stage.after(0, stage.every_minute)
    stage.minutes(2)
    stage.expect(*[(n / 2, f"meeting {n % 3}", 30.0) for n in range(16)])
    before = plans(stage)
    with monkeypatch.context() as during:
        during.setattr(adapter, name, raises)
        stage.minutes(LASTS)
    made = plans(stage) - before
    assert made == 0 if method in NO_PLAN else made >= LASTS - 1, method
    stage.minutes(OVER)
    assert plans(stage) - before - made >= OVER
    stage.minutes(BOOTS)
    planned = stage.ledger.plan()
    assert all(load.free >= 0 for load in planned.principals)
    assert sum(node.state is NodeState.SERVING for node in planned.nodes) >= 2, [str(n.state) for n in planned.nodes]
    assert stage.cloud.cut == []


@pytest.mark.parametrize("unread", ["its record", "every record"])
def test_while_a_promise_cannot_be_read_no_node_is_closed_or_stopped_as_it_may_be_the_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, unread: str
) -> None:
    now = stage.moment()
    until = now + timedelta(hours=1)
    hold = Hold(id="h", begins=now, ready_by=now, until=until, reason="all-hands", by="anna", nodes=("burst-1",))
    stage.ledger.promise(hold)
    stage.after(0, stage.every_minute)
    stage.minutes(3)
    if unread == "its record":
        stage.table.items["holds#manager.example.com"]["h"]["body"] = b"x"
    else:
        monkeypatch.setattr(Ledger, "holds_and_unread", raises)
    stage.minutes(25)
    assert sum(request == "StopInstances" for _, request in stage.cloud.requests) == 0
    assert not stage.overflow[0].closed.now
    [issue] = [issue for issue in stage.ledger.plan().issues if issue.kind is Trouble.UNREADABLE]
    assert "Nothing is closed or stopped meanwhile" in issue.advice
    if unread == "its record":
        operator = Operator(stage.ledger, stage.parts.states, {}, stage.settings.policy)
        assert (
            operator.carry_out(Order(do=Do.RELEASE, hold="h"), "anna").sentence
            == "Released: h, which could not be read"
        )
        stage.minutes(15)
        assert sum(request == "StopInstances" for _, request in stage.cloud.requests) == 1


def plans(stage: Stage) -> int:
    return len(stage.table.items.get("plan#manager.example.com", {}))
