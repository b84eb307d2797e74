"""What each mode may do, and what a tick asks of Pexip."""

import time
from dataclasses import replace

import boto3
import pytest

from headroom import clock
from headroom.adapters.pexip.answers import Alarm, any_alarm_about
from headroom.domain.fleet.fleet import UnknownNodeError
from headroom.domain.fleet.lifecycle import Action, Memory, Pause
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.policy import Mode
from headroom.domain.safety.permission import NotNowError
from headroom.usecases.claim import Claim
from headroom.usecases.record import Recorder
from headroom_replay.world import Call
from tests.integration.conftest import Desk

CALLS_A_TICK, CALLS_A_LOOK = 8, 7


def executions() -> list[str]:
    states = boto3.client("stepfunctions")
    machines = states.list_state_machines()["stateMachines"]
    return [
        one["name"]
        for machine in machines
        for one in states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    ]


def deployed_as(desk: Desk, mode: Mode) -> None:
    desk.deploy(mode=str(mode))
    desk.world.settings["bursting_enabled"] = mode is Mode.ASSIST


def test_control_mode_begins_the_workflow_that_its_claim_is_named_after(rush: Desk) -> None:
    [change] = rush.tick().changes
    [name] = executions()
    claim = rush.ledger.memory(change.node).claim
    assert claim
    assert (claim.token, claim.action) == (name, Action.START)
    rush.tick()
    assert executions() == [name]


def test_observe_mode_decides_and_records_and_touches_nothing(rush: Desk) -> None:
    deployed_as(rush, Mode.OBSERVE)
    assert [change.action for change in rush.tick().changes] == [Action.START]
    assert executions() == []
    assert rush.ledger.memory("burst-1").claim is None


def test_assist_mode_starts_through_pexip(rush: Desk) -> None:
    deployed_as(rush, Mode.ASSIST)
    [change] = rush.tick().changes
    [token] = executions()
    node = rush.world.nodes[change.node]
    node.instance = "i-0a1b2c3d4e5f60718"
    rush.world.power_off(node)
    event = {"node": change.node, "token": token, "instance": node.instance}
    rush.ledger.keep_pause(Pause(reason="fire drill"), clock.now())
    with pytest.raises(NotNowError, match="fire drill"):
        rush.call("start_cloudnode", **event)
    assert not node.on
    rush.ledger.end_pause()
    lease = rush.ledger.memory(change.node).claim
    rush.call("start_cloudnode", **event)
    assert node.on
    renewed = rush.ledger.memory(change.node).claim
    assert lease
    assert renewed
    assert renewed.until > lease.until


def test_a_tick_asks_pexip_no_more_than_eight_times(desk: Desk) -> None:
    before = desk.node.served
    assert desk.observe() == ""
    assert desk.node.served - before <= CALLS_A_TICK


def test_the_same_reading_is_planned_once(desk: Desk) -> None:
    desk.tick()
    reading = desk.ledger.last_reading()
    assert reading
    at = reading.read_at.isoformat()
    event = {"Records": [{"dynamodb": {"Keys": {"sk": {"S": at}}}}]}
    assert desk.call("decide", **event) == {"planned": False}


def test_a_reading_names_no_person_and_no_conference(rush: Desk) -> None:
    rush.world.expect([Call(rush.world.now, "Board meeting", "Oslo", 600)])
    rush.world.advance(rush.world.now + 10)
    rush.tick()
    reading = rush.ledger.last_reading()
    assert "Board meeting" not in repr(reading)
    assert "Participant" not in repr(reading)


def claim_as(desk: Desk, mode: Mode, node: str = "burst-1", workflow: str = "start_node") -> None:
    """An execution that somebody began by hand claims a node."""
    policy = replace(desk.settings.policy, mode=mode)
    Claim(desk.ledger, desk.parts.ec2, policy).take(workflow, {"node": node, "reason": "by hand"}, "by-hand")


@pytest.mark.parametrize(
    ("mode", "workflow", "words"),
    [
        pytest.param(Mode.OBSERVE, "start_node", "observe mode and touches nothing", id="observe"),
        pytest.param(Mode.ASSIST, "retire_node", "only starts nodes", id="assist"),
    ],
)
def test_an_execution_by_hand_is_refused_where_the_mode_forbids_it(
    desk: Desk, mode: Mode, workflow: str, words: str
) -> None:
    desk.tick()
    with pytest.raises(NotNowError, match=words):
        claim_as(desk, mode, workflow=workflow)


@pytest.mark.parametrize(
    ("workflow", "wanted"),
    [
        ("start_node", 'start_node takes {"node": "burst-1", "reason": "all-hands at ten"}, and "reserve": true to'),
        (
            "set_open",
            'set_open takes {"node": "burst-1", "open": true, "reason": "all-hands at ten"}, or "open": false',
        ),
        ("retire_node", 'retire_node takes {"node": "burst-1", "reason": "not needed today"}'),
    ],
)
@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param({}, "missing required field `node`", id="nothing"),
        pytest.param({"node": 7, "open": True}, "Expected `str`, got `int` - at `$.node`", id="a wrong type"),
        pytest.param({"node": "burst-1", "open": True, "now": 1}, "unknown field `", id="an unknown field"),
        pytest.param({"node": "burst-1", "open": True, "reason": None}, "Expected `str`, got `null`", id="a null"),
        pytest.param("burst-1", "Expected `object`, got `str`", id="a string"),
        pytest.param([], "Expected `object`, got `array`", id="a list"),
        pytest.param(None, "Expected `object`, got `null`", id="null"),
    ],
)
def test_an_execution_that_is_begun_with_something_else_says_what_it_takes(
    desk: Desk, workflow: str, wanted: str, given: object, why: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        Claim(desk.ledger, desk.parts.ec2, desk.settings.policy).take(workflow, given, "by-hand")
    assert str(refused.value).startswith(wanted)
    assert "The input of this execution cannot be used: " in str(refused.value)
    if workflow == "set_open":  # to the others `open` is unknown
        assert why in str(refused.value)
    assert desk.ledger.memory("burst-1").version == 0


def test_nobody_closes_a_node_by_leaving_open_out(desk: Desk) -> None:
    with pytest.raises(BadRequestError, match="missing required field `open`"):
        Claim(desk.ledger, desk.parts.ec2, desk.settings.policy).take("set_open", {"node": "burst-1"}, "by-hand")


def test_two_controllers_are_refused_by_hand_too(desk: Desk) -> None:
    desk.world.settings["bursting_enabled"] = True
    desk.tick()
    with pytest.raises(NotNowError, match=r"two controllers would fight\. Disable it"):
        claim_as(desk, Mode.CONTROL)


def test_a_pause_is_obeyed_by_hand_too(desk: Desk) -> None:
    desk.tick()
    desk.ledger.table.put_item(Item={"pk": "now#manager.example.com", "sk": "pause", "reason": "fire drill"})
    with pytest.raises(NotNowError, match="fire drill"):
        claim_as(desk, Mode.CONTROL)


def test_a_node_that_nobody_knows_is_named_with_those_there_are(desk: Desk) -> None:
    desk.tick()
    with pytest.raises(UnknownNodeError, match="there are: burst-1, burst-2"):
        claim_as(desk, Mode.CONTROL, "burst-9")


def test_a_lifetime_is_written_down_before_anything_is_planned(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The minute in which a node can be seen running may be the only one, and `decide` may die in it."""
    desk.tick()
    [one, *_] = [i for g in desk.ec2.describe_instances()["Reservations"] for i in g["Instances"]]
    desk.ec2.start_instances(InstanceIds=[one["InstanceId"]])

    class DiedError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise DiedError

    monkeypatch.setattr(desk.ledger, "keep_plan", die)
    with pytest.raises(DiedError):
        desk.tick()
    assert sum(len(desk.ledger.lifetimes(name)) for name in ("burst-1", "burst-2")) == 1


def test_what_cannot_be_made_good_hinders_no_plan(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Recorder, "catch_up", fail)
    before = desk.ledger.last_plan()
    desk.tick()
    assert desk.ledger.last_plan() != before


def test_a_refused_stop_is_remembered_with_its_reason_until_the_node_goes_another_way(desk: Desk) -> None:
    desk.tick()

    def end(token: str, outcome: str, reason: str) -> Memory:
        desk.ledger.claim("burst-1", token, Action.STOP, "not needed", clock.now())
        desk.call("finish", node="burst-1", token=token, outcome=outcome, reason=reason)
        return desk.ledger.memory("burst-1")

    first = end("stop-1", "stop refused", "EC2 says OperationNotPermitted")
    again = end("stop-2", "stop refused", "EC2 says Unavailable")
    assert first.refused_since
    assert (again.refused_since, again.refused_why) == (first.refused_since, "EC2 says Unavailable")
    assert end("stop-3", "re-opened", "a rush").refused_since is None


def test_an_instance_that_someone_else_starts_has_a_lifetime_and_an_event_too(desk: Desk) -> None:
    desk.tick()
    [one, *_] = [i for g in desk.ec2.describe_instances()["Reservations"] for i in g["Instances"]]
    desk.ec2.start_instances(InstanceIds=[one["InstanceId"]])
    event = {
        "detail": {"instance-id": one["InstanceId"], "state": "running"},
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    desk.call("record", **event)
    desk.call("record", **event)  # delivered twice
    name = next(tag["Value"] for tag in one["Tags"] if tag["Key"] == "Name")
    [lifetime] = desk.ledger.lifetimes(name)
    assert lifetime.started_by == "someone else"


def test_a_look_at_a_node_asks_pexip_seven_times_and_sees_that_it_cannot_be_reached(desk: Desk) -> None:
    desk.tick()
    reading = desk.ledger.last_reading()
    assert reading
    worker = next(worker for worker in reading.workers if worker.name == "burst-1")
    before = desk.node.served
    with desk.parts.pexip.node() as pexip:
        look = pexip.look_at(worker, registrations=False, now=reading.read_at)
    assert desk.node.served - before <= CALLS_A_LOOK
    assert (look.complete, look.alarm) == (True, "")
    desk.world.nodes["burst-1"].unreachable = True
    with desk.parts.pexip.node() as pexip:
        look = pexip.look_at(worker, registrations=False, now=reading.read_at)
    assert look.alarm == f"Node {worker.address} unreachable"


def test_a_look_at_a_node_without_a_status_reads_every_list_and_is_not_complete(desk: Desk) -> None:
    desk.world.switches.powered_off_row = False
    desk.tick()
    reading = desk.ledger.last_reading()
    assert reading
    worker = next(worker for worker in reading.workers if worker.name == "burst-1")
    with desk.parts.pexip.node() as pexip:
        look = pexip.look_at(worker, registrations=False, now=reading.read_at)
    assert (look.listed, look.complete, look.synced, look.boot_time, look.carries) == (True, False, True, None, "")
    desk.node.trouble = "error"
    with desk.parts.pexip.node() as pexip:
        look = pexip.look_at(worker, registrations=False, now=reading.read_at)
    assert (look.listed, look.complete) == (False, False)


@pytest.mark.parametrize(
    ("words", "is_about_it"),
    [
        ("Contact with Conferencing Node {name} has been lost", True),
        ("Connectivity lost between nodes 10.0.0.1 and {address}.", True),
        ("Connectivity lost between nodes 10.0.0.1 and {address}7", False),
        ("Licences are nearly used up", False),
    ],
)
def test_any_alarm_that_mentions_a_node_keeps_it_on_whatever_its_words_are(words: str, *, is_about_it: bool) -> None:
    """The names of Pexip's alarms are not documented, and a lost node looks as empty as an idle one."""
    text = words.format(name="burst-1", address="10.1.2.3")
    alarm = Alarm(name="lost_contact", details=text, node="10.0.0.1", instance="")
    assert any_alarm_about({"burst-1", "10.1.2.3"}, [alarm]) == (text if is_about_it else "")
