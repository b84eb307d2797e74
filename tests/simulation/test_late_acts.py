"""A request whose answer is lost may still be carried out, up to a minute later; and a step asked again may run twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from botocore.exceptions import ReadTimeoutError
from starlette.responses import Response

from headroom.domain.fleet.lifecycle import Hold
from headroom_lab.proof.asl import Execution, FailedError
from headroom_lab.proof.cloud import Machine
from headroom_lab.proof.stage import OPENING, KilledError, Stage


@pytest.fixture
def idle(stage: Stage) -> Stage:
    """burst-1 is on and needed by nobody: it will be retired."""
    stage.after(0, stage.every_minute)
    return stage


def promise(stage: Stage) -> None:
    """From now on burst-1 is needed."""
    now = stage.moment()
    until = now + timedelta(hours=1)
    stage.ledger.promise(
        Hold(id="h", begins=now, ready_by=now, until=until, reason="all-hands", by="anna", nodes=("burst-1",))
    )


def is_closing(request: requests.PreparedRequest) -> bool:
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    return request.method == "PATCH" and b'"maintenance_mode": true' in body


@pytest.mark.parametrize("late", [10.0, 20.0, 30.0, 40.0, 50.0])
def test_a_closing_that_lands_after_a_need_has_opened_the_node_is_undone_in_seconds(
    idle: Stage, monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    """A first `close` hung before its request; the second closed, a need relieved the workflow, and then the first one acts."""
    troubles, landed = idle.pexip.carrier.trouble, list[float]()

    def trouble(request: requests.PreparedRequest) -> Response | None:
        def land() -> None:
            landed.append(idle.now)
            idle.pexip.deliver(request)

        if is_closing(request) and not landed:
            landed.append(idle.now)
            idle.after(late, land)
            idle.after(3, promise_and_plan)
        return troubles(request)

    def promise_and_plan() -> None:
        promise(idle)
        idle.after(0.5, lambda: idle.call("decide", {}))

    idle.pexip.carrier.trouble = trouble
    doors = watch_doors(idle, monkeypatch)
    idle.minutes(30)
    [_, at] = landed
    shut = [when for when, closed in doors if closed and when >= at]
    assert shut, "it lands on an open node"
    opened = [when for when, closed in doors if not closed]
    assert any(when < at for when in opened)
    assert next(when for when in opened if when > shut[0]) - shut[0] < 20
    assert not idle.overflow[0].closed.now
    assert idle.cloud.cut == []


def watch_doors(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, bool]]:
    """Note when the door of burst-1 is closed or opened, in its configuration."""
    changes, seen = stage.world.set_closed, list[tuple[float, bool]]()

    def set_closed(of: Any, closed: bool, reason: str) -> None:
        changes(of, closed, reason)
        if of is stage.overflow[0]:
            seen.append((stage.now, closed))

    monkeypatch.setattr(stage.world, "set_closed", set_closed)
    return seen


@pytest.mark.parametrize("late", [2.0, 10.0, 25.0])
@pytest.mark.parametrize("how", ["no answer", "the function dies"])
def test_a_stop_that_lands_late_finds_no_node_that_was_opened_meanwhile(
    idle: Stage, monkeypatch: pytest.MonkeyPatch, late: float, how: str
) -> None:
    asked: list[float] = []

    def acts(act: Callable[[], None]) -> None:
        if asked:
            act()
            return
        asked.append(idle.now)
        idle.after(late, act)
        promise(idle)
        idle.after(0.1, lambda: idle.call("decide", {}))
        if how == "no answer":
            idle.sleep(10)
            raise ReadTimeoutError(endpoint_url="https://ec2.eu-central-1.amazonaws.com")
        raise KilledError

    monkeypatch.setattr(idle.cloud, "acts", acts)
    node = idle.overflow[0]
    changes = idle.world.set_closed

    def set_closed(of: Any, closed: bool, reason: str) -> None:
        changes(of, closed, reason)
        if of is node and not closed and asked and node.on:
            idle.after(OPENING, lambda: idle.world.dial(node, 600.0))

    monkeypatch.setattr(idle.world, "set_closed", set_closed)
    idle.minutes(30)
    machine: Machine = idle.cloud.machines[node.instance]
    assert asked
    assert machine.stopped_by_us
    assert idle.cloud.cut == []
    assert node.on, "it is started again, for the promise"


@pytest.mark.parametrize("which", [1, 2, 3], ids=["its first question", "its second", "the last before the change"])
def test_a_step_that_hangs_before_its_change_finds_that_another_workflow_has_the_node(
    idle: Stage, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """The last thing before a change is the claim: what hung in front of it changes nothing any more."""
    troubles, hung = idle.pexip.carrier.trouble, list[float]()
    invokes, asked = idle.invoke, list[str]()

    def invoke(execution: Execution, name: str, payload: Any) -> None:
        invokes(execution, name, payload)
        if name == "SetMaintenance" and not hung:
            turn = execution.turn
            idle.after(3, lambda: execution.hear(turn, FailedError("Lambda.Unknown", "the connection broke")))

    def trouble(request: requests.PreparedRequest) -> Response | None:
        if idle.running is not None and idle.running.function == "set_maintenance" and not hung:
            asked.append(request.method or "")
            if asked.count("GET") == which and request.method == "GET":
                hung.append(idle.now)
                idle.after(15, lambda: promise(idle))
                idle.after(16, lambda: idle.call("decide", {}))
                idle.sleep(45)
        return troubles(request)

    monkeypatch.setattr(idle, "invoke", invoke)
    idle.pexip.carrier.trouble = trouble
    doors = watch_doors(idle, monkeypatch)
    idle.minutes(10)
    assert [closed for _, closed in doors] == [True, False]
    assert doors[1][0] < hung[0] + 45, "it was opened while the first try hung"
    assert not idle.overflow[0].closed.now
