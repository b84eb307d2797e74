"""Each barrier between a call and a stop alone: one thing is wrong, and only this barrier can object."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from starlette.responses import Response

from headroom.adapters.ledger.codec import pack, stamp
from headroom.adapters.ledger.errors import ClaimLostError
from headroom.adapters.pexip.errors import PexipUnknownError
from headroom.domain.fleet.fleet import find_worker
from headroom.domain.fleet.lifecycle import Action
from headroom.domain.history.events import Kind
from headroom.domain.safety import safety
from headroom.domain.safety.permission import NotNowError
from headroom.usecases import stop_instance
from headroom.usecases.retire_node import RetireNode
from headroom.usecases.set_open import SetOpen
from headroom.usecases.stop_instance import Stopper, StopRefusedError
from headroom_lab.pexip.resources import STATUS
from headroom_lab.proof.asl import Execution
from headroom_lab.proof.stage import Stage

NODE, TOKEN = "burst-1", "stop-1"


@dataclass
class Retiring:
    """burst-1, closed and found empty twice; nothing but StopInstances is left to do."""

    stage: Stage
    payload: dict[str, Any]

    def stop(self) -> str:
        """Invoke the stop function as the workflow would; return why not, empty if the instance was stopped."""
        try:
            Stopper.of(self.stage.parts).stop(**self.payload)
        except (StopRefusedError, NotNowError) as refused:
            return str(refused)
        assert self.machine.stopped_by_us
        return ""

    @property
    def machine(self) -> Any:
        return self.stage.cloud.machines[self.stage.overflow[0].instance]


@pytest.fixture
def retiring(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Retiring:
    payloads: list[dict[str, Any]] = []
    invokes = stage.invoke

    def invoke(execution: Execution, name: str, payload: Any) -> None:
        if name == "StopInstance":
            payloads.append(payload)
        else:
            invokes(execution, name, payload)

    monkeypatch.setattr(stage, "invoke", invoke)
    stage.after(0, stage.every_minute)
    while not payloads:
        stage.run_until(stage.now + 1)
    return Retiring(stage, payloads[0])


def remember(stage: Stage, **facts: str) -> None:
    stage.table.items["nodes#manager.example.com"][NODE] |= facts


def test_nothing_objects_where_nothing_is_wrong(retiring: Retiring) -> None:
    assert retiring.stop() == ""


def test_the_second_witness_counts_from_when_every_node_knew_of_the_closing(
    retiring: Retiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []

    def network_out(_: str, since: datetime, __: datetime) -> float:
        asked.append(since)
        return 0.0

    monkeypatch.setattr(retiring.stage.parts.ec2, "network_out", network_out)
    remember(retiring.stage, closed_at="2026-03-29T00:24:00.000000Z")  # a period begins before every node knows
    retiring.stop()
    assert [f"{since:%H:%M}" for since in asked] == ["00:30"]


def test_the_last_looks_age_is_asked_again_after_everything_that_may_take_long(
    retiring: Retiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "ASK_AGE", timedelta(hours=1))
    spoken = retiring.stage.ledger.last_word

    def slow(*given: Any) -> Any:
        retiring.stage.sleep(61)
        return spoken(*given)

    monkeypatch.setattr(retiring.stage.ledger, "last_word", slow)
    assert retiring.stop() == "The last look at it is too old"


def test_the_wait_for_ec2s_turn_makes_no_look_younger(retiring: Retiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "ASK_AGE", timedelta(hours=1))
    monkeypatch.setattr(stop_instance, "LOOK_AGE", timedelta(hours=1))

    def later(_: timedelta, now: datetime) -> datetime:
        return now + timedelta(seconds=61)

    monkeypatch.setattr(retiring.stage.ledger, "turn_within", later)
    assert retiring.stop() == "The last look at it is too old"


def test_the_stops_clock_is_its_own(retiring: Retiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "ASK_AGE", timedelta(hours=1))
    retiring.stage.observing = False
    retiring.stage.sleep(61)
    assert retiring.stop() == "The last look at it is too old"


def test_an_old_reading_is_no_reading(retiring: Retiring) -> None:
    stage = retiring.stage
    old = replace(stage.ledger.reading(), read_at=stage.moment() - timedelta(seconds=121))
    stage.table.items["now#manager.example.com"]["reading"]["body"] = pack(old)
    assert retiring.stop() == "The newest reading of Pexip is too old"


def test_somebody_else_who_switches_nodes_is_asked_for_at_the_stop_too(retiring: Retiring) -> None:
    for node in ("burst-2", "burst-3"):
        retiring.stage.ledger.note(node, switched_by_others_at=retiring.stage.moment())
    assert retiring.stop().startswith("Somebody else starts and stops nodes, too: ")


@pytest.mark.parametrize("first", ["stopped", "running"])
def test_of_two_tagged_instances_with_one_address_none_is_stopped(retiring: Retiring, first: str) -> None:
    stage = retiring.stage
    twin = stage.cloud.add(stage.overflow[0])
    stage.cloud.machines[retiring.machine.id] = retiring.machine
    other = type(twin)(id="i-00000000000000000", node=stage.overflow[0], state=first)
    stage.cloud.machines = {other.id: other, **stage.cloud.machines, retiring.machine.id: retiring.machine}
    assert "has 2 tagged instances instead of one" in retiring.stop()


def test_the_last_word_renews_the_lease(retiring: Retiring) -> None:
    stage = retiring.stage
    remember(stage, claim_until=stamp(stage.moment() + timedelta(seconds=30)))
    assert retiring.stop() == ""
    claim = stage.ledger.memory(NODE).claim
    assert claim
    assert claim.until > stage.moment() + timedelta(minutes=4, seconds=50)


# What a look sees

ROWS: dict[str, tuple[str, str]] = {  # what alone is on the node: the list, and the field that names the node
    "shards": ("conference_shard", "node"),
    "media": ("participant", "media_node"),
    "signalling": ("participant", "signalling_node"),
    "backplanes": ("backplane", "media_node"),
    "proxied": ("participant", "proxy_node"),
    "registrations": ("registration_alias", "node"),
}


def shows(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, resource: str, change: Callable[[list[Any]], list[Any]]
) -> None:
    """Let Pexip's status list something else."""
    rows = stage.manager._rows

    def shown(kind: str, name: str) -> list[Any]:
        there = rows(kind, name)
        return change(there) if (kind, name) == ("status", resource) else there

    monkeypatch.setattr(stage.manager, "_rows", shown)


@pytest.mark.parametrize("what", ROWS)
def test_each_list_of_a_look_alone_shows_what_is_on_the_node(
    retiring: Retiring, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    stage, (resource, field) = retiring.stage, ROWS[what]
    whole = {**dict.fromkeys(STATUS[resource], "elsewhere"), field: "10.2.0.1"}
    shows(stage, monkeypatch, resource, lambda _: [whole])
    looked = look(stage, registrations=True, node_type="PROXYING" if what == "proxied" else "CONFERENCING")
    assert looked.complete
    assert looked.carries.endswith(": 1")
    assert getattr(looked, what) == 1
    assert sum(bool(getattr(looked, each)) for each in (*ROWS, "signaling_count")) == 1


def look(stage: Stage, *, registrations: bool = False, node_type: str = "CONFERENCING") -> safety.EmptyCheck:
    worker = replace(find_worker(stage.ledger.reading(), NODE), node_type=node_type)
    with stage.pexip.node() as pexip:
        return pexip.look_at(worker, registrations=registrations, now=stage.moment())


@pytest.mark.parametrize(
    ("status", "is_complete"),
    [({}, True), ({"signaling_count": None}, False), ({"name": "burst-2"}, False), ({"signaling_count": 3}, True)],
    ids=["as it is", "no signaling count", "another node's status", "signalling"],
)
def test_a_look_is_complete_only_with_this_nodes_status_and_its_signaling_count(
    retiring: Retiring, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], is_complete: bool
) -> None:
    shows(retiring.stage, monkeypatch, "worker_vm", lambda rows: [row | status for row in rows])
    looked = look(retiring.stage)
    assert looked.complete is is_complete
    assert looked.signaling_count == (status.get("signaling_count") or 0)


def test_a_look_reads_the_live_status_and_the_live_configuration_not_the_minutes_reading(retiring: Retiring) -> None:
    stage = retiring.stage
    stage.world.switches.status_delay = 0.0
    assert stage.ledger.reading().workers[1].maintenance_mode
    stage.world.set_closed(stage.overflow[0], closed=False, reason="")
    stage.world.advance(stage.now)
    looked = look(stage)
    assert (looked.closed, looked.configured_closed) == (False, False)


def test_only_the_node_s_own_alarm_is_its_alarm_and_any_of_them_objects(retiring: Retiring) -> None:
    retiring.stage.overflow[1].unreachable = True
    assert look(retiring.stage).alarm == ""
    retiring.stage.overflow[0].unreachable = True
    assert look(retiring.stage).alarm


# What closes and opens


def closing(stage: Stage, memory: dict[str, str], *, slow: float = 0.0) -> float:
    """Close burst-1 as a workflow would, with a Pexip that takes so long; return when the change was made."""
    node, made = stage.overflow[0], list[float]()
    troubles = stage.pexip.carrier.trouble

    def trouble(request: requests.PreparedRequest) -> Response | None:
        if request.method == "PATCH":
            stage.sleep(slow)
            made.append(stage.now)
        return troubles(request)

    stage.pexip.carrier.trouble = trouble
    stage.ledger.claim(NODE, TOKEN, Action.CLOSE, "idle", stage.moment())
    remember(stage, **memory)
    SetOpen.of(stage.parts).close(NODE, TOKEN, "idle")
    assert node.closed.now
    return made[0]


@pytest.fixture
def read(stage: Stage) -> Stage:
    """burst-1 serves, and Pexip was read."""
    stage.call("observe", {})
    return stage


@pytest.mark.parametrize("slow", [0.0, 9.0])
def test_a_node_is_closed_since_pexip_has_changed_it_not_since_it_was_asked(read: Stage, slow: float) -> None:
    made = closing(read, {}, slow=slow)
    closed_at = read.ledger.memory(NODE).closed_at
    assert closed_at
    assert closed_at.timestamp() >= made


def test_a_node_that_was_opened_since_is_closed_anew(read: Stage) -> None:
    made = closing(read, {"closed_at": "2026-03-28T20:00:00.000000Z"})
    closed_at = read.ledger.memory(NODE).closed_at
    assert closed_at
    assert closed_at.timestamp() >= made


def test_a_node_that_is_found_closed_is_closed_since_it_was_found_not_since_its_launch(stage: Stage) -> None:
    stage.world.set_closed(stage.overflow[0], closed=True, reason="Headroom: idle")
    stage.sleep(120)
    stage.call("observe", {})
    found = stage.moment()
    stage.call("decide", {})
    closed_at = stage.ledger.memory(NODE).closed_at
    assert closed_at
    assert closed_at >= found - timedelta(seconds=1)


def refusing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the ledger refuse what is noted before a change; return what Pexip is asked to change all the same."""
    asked: list[str] = []
    troubles = stage.pexip.carrier.trouble

    def trouble(request: requests.PreparedRequest) -> Response | None:
        if request.method == "PATCH":
            asked.append(str(request.url))
        return troubles(request)

    def refuse(*_: Any, **__: Any) -> None:
        raise ClaimLostError("another workflow has it")

    stage.pexip.carrier.trouble = trouble
    monkeypatch.setattr(stage.ledger, "remember", refuse)
    return asked


@pytest.mark.parametrize("does", ["close", "open"])
def test_the_ledger_comes_before_pexip(read: Stage, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Whoever has lost the claim changes nothing; and a crash in between leaves a node that is not taken for long closed."""
    if does == "open":
        read.world.set_closed(read.overflow[0], closed=True, reason="Headroom: idle")
    read.ledger.claim(NODE, TOKEN, Action.OPEN, "needed", read.moment())
    asked = refusing(read, monkeypatch)
    with pytest.raises(ClaimLostError):
        getattr(SetOpen.of(read.parts), does)(NODE, TOKEN, "because")
    assert asked == []


# The workflow


def steps_of(stage: Stage, minutes: float = 30) -> list[tuple[str, float]]:
    """The steps of the first retirement, with their times."""
    stage.after(0, stage.every_minute)
    stage.minutes(minutes)
    token = next(name for name in stage.executions if name.startswith("stop-"))
    return [(did, at) for at, name, did, _ in stage.journal if name == token]


def test_a_retirement_takes_every_step_in_its_order_and_waits_in_between(stage: Stage) -> None:
    steps = steps_of(stage)
    names = [did for did, _ in steps]
    once = list(dict.fromkeys(names))
    closes, opens = "set_maintenance close", "set_maintenance open"
    assert once == ["claim", closes, "check_empty", "stop_instance", "check_stop", opens, "finish"]
    looks = [at for did, at in steps if did == "check_empty"]
    closed = stage.ledger.events("2026-03-29")
    closed_at = max(event.at.timestamp() for event in closed if event.kind == Kind.CLOSED)
    assert len(looks) == 3, "two looks, and the last question"
    assert looks[0] >= closed_at + 90
    assert looks[1] - looks[0] >= 120
    assert dict(steps)["stop_instance"] > looks[2] > looks[1]
    assert dict(steps)["check_stop"] - dict(steps)["stop_instance"] >= 10
    assert not stage.overflow[0].closed.now, "it is opened for its next start"


@pytest.mark.parametrize("which", [0, 1])
def test_a_look_that_finds_a_call_ends_the_retirement(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    looks, asks = list[int](), RetireNode.look

    def look(self: RetireNode, node: str, token: str, connection: Any, *, rests: bool = False) -> Any:
        if len(looks) == which:
            stage.world.dial(stage.overflow[0], 300)
            stage.world.switches.activity_delay = 0.0
        looks.append(1)
        return asks(self, node, token, connection, rests=rests)

    monkeypatch.setattr(RetireNode, "look", look)
    steps = [did for did, _ in steps_of(stage, 18)]
    ended = next(answer for _, name, did, answer in stage.journal if name.startswith("stop-") and did == "finish")
    assert ended["reason"].startswith("It carries")
    assert steps.count("check_empty") == which + 1
    assert "stop_instance" not in steps
    assert stage.cloud.cut == []
    assert stage.overflow[0].on


@pytest.mark.parametrize("which", [0, 1])
def test_a_look_at_a_node_that_is_wanted_again_turns_the_retirement_round(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    looks, asks = list[int](), RetireNode.look

    def look(self: RetireNode, node: str, token: str, connection: Any, *, rests: bool = False) -> Any:
        if len(looks) == which:
            remember(stage, wanted="open")
        looks.append(1)
        return asks(self, node, token, connection, rests=rests)

    monkeypatch.setattr(RetireNode, "look", look)
    steps = [did for did, _ in steps_of(stage, 14)]
    assert "set_maintenance as wanted" in steps
    assert "stop_instance" not in steps
    assert stage.overflow[0].on


def first_of(stage: Stage, kind: str) -> list[tuple[str, float]]:
    """The steps of the first workflow whose name begins so, with their times; the last one with its outcome."""
    token = next(name for name in stage.executions if name.startswith(kind))
    return [
        (f"{did}: {answer['outcome']}" if did == "finish" else did, at)
        for at, name, did, answer in stage.journal
        if name == token
    ]


def test_a_start_lets_the_node_boot_and_ends_when_it_serves(stage: Stage) -> None:
    stage.after(0, stage.every_minute)
    stage.minutes(0.5)
    stage.begin("start_node", "by-hand", {"node": "burst-2"})
    stage.minutes(8)
    steps = first_of(stage, "by-hand")
    assert list(dict.fromkeys(did for did, _ in steps)) == ["claim", "start_instance", "check_start", "finish: serving"]
    asked = dict(steps)["start_instance"]
    assert next(at for did, at in steps if did == "check_start") >= asked + 120


def test_a_reserve_that_is_needed_when_it_comes_up_is_opened_before_its_start_ends(rush: Stage) -> None:
    rush.minutes(15)
    steps = [did for did, _ in first_of(rush, "reserve-")]
    closes, opens = "set_maintenance close", "set_maintenance open"
    once = ["claim", "start_instance", closes, "check_start", opens, "finish: serving"]
    assert list(dict.fromkeys(steps)) == once


@pytest.mark.parametrize("kind", ["open-", "close-"])
def test_a_change_is_looked_after_until_every_node_knows_of_it(rush: Stage, kind: str) -> None:
    rush.minutes(10)
    steps = first_of(rush, kind)
    changes = [at for did, at in steps if did == "set_maintenance as wanted"]
    assert changes[-1] - changes[0] >= 90
    assert steps[-1][0] == ("finish: opened" if kind == "open-" else "finish: closed")


# The ledger


def test_every_read_that_a_decision_rests_on_is_consistent(rush: Stage) -> None:
    """DynamoDB's other reads may lag: they would show a claim, a pause or a wish of a moment ago."""
    loose: list[Any] = []
    table: Any = rush.table
    for name in ("get_item", "query"):
        asks: Callable[..., Any] = getattr(table, name)

        def asked(asks: Callable[..., Any] = asks, **given: Any) -> Any:
            if not given.get("ConsistentRead") and "IndexName" not in given:
                loose.append(given)
            return asks(**given)

        setattr(table, name, asked)
    rush.minutes(45)
    assert loose == []


def test_a_filter_that_pexip_does_not_know_never_makes_a_node_look_empty(
    retiring: Retiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error, or everything is counted: never nothing."""
    stage = retiring.stage
    shows(stage, monkeypatch, "participant", lambda _: [dict.fromkeys(STATUS["participant"], "elsewhere")])
    with stage.pexip.node() as pexip:
        with pytest.raises(PexipUnknownError):
            pexip._count("participant", medianode="10.2.0.1")
        stage.world.switches.unknown_filter = "everything"
        assert pexip._count("participant", medianode="10.2.0.1") == 1
        assert pexip._count("participant", media_node="10.2.0.1") == 0
