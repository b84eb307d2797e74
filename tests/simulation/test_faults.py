"""One fault at a time, with the shipped workflows: what the operator sees, and that all is well again by itself."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from headroom.domain.fleet.lifecycle import Action, Hold, Pause
from headroom_lab.proof.asl import Execution
from headroom_lab.proof.cloud import aws_error, dynamodb_error
from headroom_lab.proof.stage import BEGIN, Stage
from headroom_replay.world import Node

type Make = Callable[..., Stage]


def said(stage: Stage) -> str:
    """Everything an operator can read: events with their reasons, issues of the newest plan, messages."""
    day = stage.moment().strftime("%Y-%m-%d")
    told = [f"{event.kind} {event.node}: {event.reason}" for event in stage.ledger.events(day)]
    planned = stage.ledger.last_plan()
    issues = [f"{issue.what}. {issue.advice}" for issue in planned.plan.issues] if planned else []
    return "\n".join([*told, *issues, *stage.told])


def all_is_well(stage: Stage) -> None:
    """Nobody was cut, nothing is claimed, every node that is left is off and open, every lifetime has its end."""
    assert stage.cloud.cut == []
    assert stage.findings == []
    assert stage.at_work == []
    for machine in stage.cloud.machines.values():
        memory = stage.ledger.memory(machine.node.name)
        assert memory.claim is None
        if machine.state != "terminated":
            assert (machine.node.name, machine.state, machine.node.closed.now) == (machine.node.name, "stopped", False)
        kept = stage.ledger.lifetimes(machine.node.name)
        assert len(kept) == len(machine.lifetimes)
        assert all(lifetime.stopped_at for lifetime in kept)


def until[T](stage: Stage, look: Callable[[], T]) -> T:
    """Let time pass until something is there."""
    for _ in range(600):
        if found := look():
            return found
        stage.minutes(0.1)
    raise AssertionError(said(stage))


def node_that_boots(stage: Stage) -> Node:
    return until(stage, lambda: next((n for n in stage.overflow if n.on and not n.ready(stage.now)), None))  # type: ignore[return-value]


def at_work(stage: Stage, *kinds: str) -> Execution:
    """Wait until a workflow of this kind has claimed its node."""

    def look() -> Execution | None:
        found = (each for each in stage.at_work if each.name.startswith(kinds) and "node" in each.variables)
        return next(found, None)

    return until(stage, look)  # type: ignore[return-value]


def test_when_nothing_goes_wrong(rush: Stage) -> None:
    rush.minutes(45)
    all_is_well(rush)
    kinds = {event.kind for event in rush.ledger.events(rush.moment().strftime("%Y-%m-%d"))}
    assert kinds & {"stop refused", "start refused", "given up", "not opened or closed"} == set()
    assert "serving burst-2: It serves 5 HD connections" in said(rush)


def test_insufficient_instance_capacity(rush: Stage) -> None:
    rush.expect(*[(6 + n / 20, f"meeting {n % 3}", 12.0) for n in range(8)])
    rush.hazards.no_room = 1.0
    rush.minutes(6)
    assert "start refused burst-2: EC2 says InsufficientInstanceCapacity" in said(rush)
    assert "given up" in said(rush)
    refused = next(memory for memory in rush.ledger.commitments(rush.moment()).memories if None in memory.boots)
    assert len(refused.started_at) == len(refused.boots), "how sure a promise is is learned from what EC2 refused, too"
    rush.hazards.no_room = 0.0
    rush.minutes(6)
    assert sum(node.on for node in rush.overflow) > 1
    rush.minutes(40)
    all_is_well(rush)


def test_request_limit_exceeded(rush: Stage) -> None:
    rush.hazards.rates = {"EC2": 0.5}
    rush.minutes(12)
    assert rush.hazards.happened["EC2 throttles"] > 5
    assert sum(node.on for node in rush.overflow) >= 2
    rush.hazards.rates = {}
    rush.minutes(40)
    all_is_well(rush)


@pytest.mark.parametrize("keeps_row", [True, False], ids=["Pexip keeps its status", "Pexip shows no status of it"])
def test_a_start_that_never_boots(rush: Stage, *, keeps_row: bool) -> None:
    rush.world.switches.powered_off_row = keeps_row
    rush.overflow[1].never_boots = True
    rush.minutes(30)
    assert "given up burst-2: It did not serve within" in said(rush)
    assert "burst-2 is on but does not serve" in said(rush)
    assert "given up (burst-2)" in "\n".join(rush.told)
    rush.minutes(30)
    assert "stop wanted burst-2: It was started at" in said(rush)
    assert "and Pexip has never heard from it; it is stopped, and tried again later" in said(rush)
    assert "stopped burst-2: It was started at" in said(rush)
    assert not rush.overflow[1].on
    memory = rush.ledger.memory("burst-2")
    assert memory.hung == 1
    assert (
        memory.hung_why == "its system status check is ok, its instance status check impaired, its console says nothing"
    )
    assert rush.cloud.cut == []


def test_a_node_that_was_up_before_it_was_asked_to_start_has_not_hung(stage: Stage) -> None:
    """As where its public address had changed, or a person asks for a node that is on."""
    stage.after(0, stage.every_minute)
    stage.minutes(1.5)
    stage.call("claim", {"workflow": "start_node", "given": {"node": "burst-1"}, "token": "by-hand"})
    memory = stage.ledger.memory("burst-1")
    assert memory.up_at
    stage.ledger.note("burst-1", start_asked_at=stage.moment())
    stage.ledger.release("burst-1", "by-hand")
    for hold in stage.ledger.holds(stage.moment()):
        stage.ledger.release_hold(hold.id)
    stage.minutes(30)
    assert not stage.overflow[0].on
    memory = stage.ledger.memory("burst-1")
    assert (memory.hung, memory.failed_at) == (0, None)


def test_a_boot_that_takes_25_minutes(rush: Stage) -> None:
    slow = node_that_boots(rush)
    slow.ready_at, slow.boots_at = rush.now + 1500, rush.now + 1440
    rush.minutes(20)
    assert f"given up {slow.name}" in said(rush)
    rush.minutes(40)
    assert f"close wanted {slow.name}: Its start was given up; it must not come up open" in said(rush)
    all_is_well(rush)


def lose(stage: Stage, how: str) -> None:
    """Lose the always-on node, the home of its location."""
    home = stage.world.nodes["always-on"]
    if how == "closed by a person":
        stage.world.set_closed(home, closed=True, reason="repair")
    elif how == "silent":
        stage.world.switches.connectivity_alarm, stage.world.switches.last_updated = "", "status"
        home.unreachable = True
    else:
        setattr(home, how, how != "shows_capacity")


@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        pytest.param("closed by a person", 130, id="a person closes it"),
        pytest.param("unreachable", 130, id="Pexip cannot reach it"),
        pytest.param("out_of_step", 220, id="it is out of step"),
        pytest.param("shows_capacity", 130, id="it does not say what it can take"),
    ],
)
def test_a_home_that_is_lost_starts_nodes_within_two_ticks_and_people_are_told_at_once(
    stage: Stage, how: str, seconds: float
) -> None:
    """One that leaves step is given as long as a change takes to reach it."""
    stage.after(0, stage.every_minute)
    stage.expect((1, "a meeting", 30.0), (1, "a meeting", 30.0))
    stage.minutes(4)
    lost_at = stage.now
    assert not any(what == "StartInstances" for _, what in stage.cloud.requests)
    lose(stage, how)
    until(stage, lambda: "StartInstances" in {what for at, what in stage.cloud.requests if at > lost_at})
    assert stage.now - lost_at <= seconds
    stage.minutes(2)
    assert "Oslo has no always-on node that can be counted on (always-on); Cloud covers it: " in said(stage)
    assert "a location has lost its always-on nodes" in "\n".join(stage.told)
    stage.minutes(10)
    assert sum(node.on for node in stage.overflow) > 1, "what was carried is asked for, beside burst-1"


def test_a_home_that_comes_back_keeps_what_stood_in_for_it_for_half_an_hour(stage: Stage) -> None:
    stage.after(0, stage.every_minute)
    stage.minutes(4)
    lose(stage, "unreachable")
    stage.minutes(8)
    on = [node.name for node in stage.overflow if node.on]
    stage.world.nodes["always-on"].unreachable = False
    stage.minutes(25)
    assert [node.name for node in stage.overflow if node.on] == on
    assert not any(node.closed.now for node in stage.overflow if node.on)
    stage.minutes(35)
    all_is_well(stage)


def test_an_instance_that_dies(rush: Stage) -> None:
    rush.expect((4, "the one that is cut off", 20))
    rush.minutes(10)
    machine = next(each for each in rush.cloud.machines.values() if each.state == "running")
    rush.cloud.switch_off(machine)
    rush.minutes(3)
    assert f"instance stopping {machine.node.name}: not asked for by Headroom" in said(rush)
    rush.minutes(60)
    all_is_well(rush)


def test_an_instance_that_is_terminated(rush: Stage) -> None:
    machine = rush.cloud.machines[node_that_boots(rush).instance]
    rush.minutes(0.5)
    rush.cloud.switch_off(machine, terminate=True)
    rush.minutes(5)
    assert "Its instance was terminated" in said(rush) or "no tagged instance has its address" in said(rush)
    rush.minutes(50)
    assert f"{machine.node.name} (10.2.0." in said(rush)
    all_is_well(rush)


@pytest.mark.parametrize("how", ["its tag is taken away", "it is moved"])
def test_a_node_that_leaves_headrooms_sight_while_it_is_closed_is_opened(rush: Stage, how: str) -> None:
    rush.minutes(2)
    node = rush.overflow[0]
    assert node.closed.now
    if how == "it is moved":
        node.location = "Oslo"
        rush.world.forget_pools()
    else:
        rush.cloud.machines[node.instance].tagged = False
    rush.minutes(4)
    assert not node.closed.now
    assert f"{node.name} is in maintenance mode in Headroom's name" in said(rush)
    assert rush.cloud.cut == []


def test_an_instance_that_is_restarted_by_hand_while_it_is_retired(rush: Stage) -> None:
    rush.minutes(15)
    retired = at_work(rush, "stop-")
    machine = next(each for each in rush.cloud.machines.values() if each.node.name == retired.variables["node"])
    rush.cloud.switch_off(machine)
    rush.minutes(1)
    rush.cloud.switch_on(machine)
    rush.minutes(5)
    assert machine.state == "running"
    rush.minutes(60)
    all_is_well(rush)


def test_pexip_unreachable_for_an_hour(rush: Stage) -> None:
    rush.minutes(10)
    rush.hazards.unreachable_until = rush.now + 3600
    on = [node.on for node in rush.overflow]
    rush.minutes(59)
    assert "No news from Pexip for 58 min" in said(rush)
    assert "Meanwhile Headroom closes and stops nothing" in said(rush)
    assert [node.on for node in rush.overflow] == on
    rush.minutes(30)
    all_is_well(rush)


def test_500s_and_429s(rush: Stage) -> None:
    rush.minutes(1)
    rush.hazards.errors_until = BEGIN + 20 * 60
    rush.minutes(20)
    assert rush.hazards.happened["Pexip answers 429"] + rush.hazards.happened["Pexip answers 500"] > 20
    rush.hazards.errors_until = 0.0
    rush.minutes(40)
    all_is_well(rush)


def test_a_token_that_expires_in_the_middle(rush: Stage) -> None:
    for minute in range(40):
        rush.after(60 * minute + 7, rush.manager.access.tokens.clear)
    rush.minutes(45)
    assert "No news" not in said(rush)
    all_is_well(rush)


def test_a_status_that_lies(stage: Stage) -> None:
    """Pexip denies the call on a closed node; EC2, which sees what it sends, is believed."""
    stage.after(0, stage.every_minute)
    stage.minutes(1)
    node = stage.overflow[0]
    stage.world.dial(node, 3600)
    stage.minutes(20)
    stage.world.denied.add(node.name)
    stage.minutes(30)
    assert f"stop refused {node.name}: It sent 0.7 MB a minute lately, more than the 0.3 MB of an empty node" in said(
        stage
    )
    assert node.on
    stage.minutes(60)
    all_is_well(stage)


def test_a_status_that_lags(rush: Stage) -> None:
    rush.world.switches.activity_delay = rush.world.switches.status_delay = 25.0
    rush.minutes(60)
    all_is_well(rush)


def test_a_person_opens_a_node_while_it_is_retired_and_the_status_shows_it_late(stage: Stage) -> None:
    """The status still says that it is closed at the second look; the newest reading knows its configuration."""
    stage.world.switches.status_delay, stage.world.switches.activity_delay = 90.0, 25.0
    stage.after(0, stage.every_minute)
    retired = at_work(stage, "stop-")
    until(stage, lambda: retired.state == "Wait before looking again")
    stage.minutes(0.9)  # a minute before the second look
    node = next(each for each in stage.overflow if each.name == retired.variables["node"])
    stage.world.set_closed(node, closed=False, reason=node.closed_reason)
    stage.minutes(1)
    stage.world.dial(node, 600)
    stage.minutes(9)
    assert node.on
    assert stage.cloud.cut == []
    assert f"stop refused {node.name}: Its configuration says that it is open" in said(stage)
    stage.minutes(80)
    all_is_well(stage)


@pytest.mark.parametrize("skew", [-45.0, 45.0])
def test_clock_skew(rush: Stage, skew: float) -> None:
    rush.world.clock_skew = skew
    rush.minutes(60)
    all_is_well(rush)


@pytest.mark.parametrize("off", [-40.0, 40.0])
def test_while_the_management_nodes_clock_is_off_nothing_is_stopped_and_an_issue_says_so(
    rush: Stage, off: float
) -> None:
    rush.world.switches.manager_clock = off
    rush.minutes(45)
    assert [machine.stopped_by_us for machine in rush.cloud.machines.values()] == [[], [], []]
    assert any(node.on for node in rush.overflow[1:]), "it starts all the same"
    side = "ahead of" if off > 0 else "behind"
    assert re.search(
        rf"The Management Node's clock is (39|40|41) s {side} Headroom's\. Headroom stops no node", said(rush)
    )
    rush.world.switches.manager_clock = 0.0
    rush.minutes(30)
    all_is_well(rush)


def test_a_management_node_that_does_not_say_the_time_has_no_node_stopped(rush: Stage) -> None:
    rush.world.switches.says_the_time = False
    rush.minutes(45)
    assert [machine.stopped_by_us for machine in rush.cloud.machines.values()] == [[], [], []]
    assert "stop refused burst-1: The Management Node does not say what time it is" in said(rush)
    planned = rush.ledger.last_plan()
    assert planned
    assert any("its answers carry no Date" in issue.what for issue in planned.plan.issues)
    rush.world.switches.says_the_time = True
    rush.minutes(30)
    all_is_well(rush)


@pytest.mark.parametrize("off", [-120.0, 120.0])
@pytest.mark.parametrize("function", ["check_empty", "stop_instance", "set_maintenance", "observe", "decide", "claim"])
def test_a_function_whose_clock_is_two_minutes_off_makes_no_stop_come_too_early(
    rush: Stage, function: str, off: float
) -> None:
    """Truly apart: between a node's closing and its stop lie the replication time and the time between two looks."""
    rush.clocks[function] = off
    rush.minutes(45)
    rush.clocks.clear()
    rush.minutes(40)
    for machine in rush.cloud.machines.values():
        for stopped in machine.stopped_by_us:
            looks = [at for at, name, did, _ in rush.journal if did == "check_empty" and machine.node.name in name]
            before = [at for at in looks if at <= stopped]
            assert before[-2] - before[-3] > 115, "two looks, and the last question"
            assert stopped - before[-1] < 20
    all_is_well(rush)


def test_dynamodb_throttling(rush: Stage) -> None:
    """boto3 raises it as a class of its own: every step that meets it is tried again."""
    rush.hazards.rates = {"DynamoDB": 0.02}
    rush.minutes(40)
    rush.hazards.rates = {}
    rush.minutes(30)
    assert rush.hazards.happened["DynamoDB throttles"] > 5
    assert not [each.name for each in rush.executions.values() if "Throughput" in each.error]
    assert "Throughput" not in said(rush)
    all_is_well(rush)


def test_duplicated_late_and_lost_invocations(rush: Stage) -> None:
    rush.hazards.message_lost, rush.hazards.message_doubled, rush.hazards.late = 0.2, 0.3, 0.3
    rush.minutes(45)
    rush.hazards.calm()
    rush.minutes(30)
    all_is_well(rush)


def test_a_function_that_dies_after_its_effect_and_before_its_answer(rush: Stage) -> None:
    rush.hazards.answer_lost = 0.3
    rush.minutes(45)
    rush.hazards.calm()
    rush.minutes(30)
    assert rush.hazards.happened["an answer is lost"] > 10
    all_is_well(rush)


def test_a_workflow_that_is_aborted(rush: Stage) -> None:
    started = at_work(rush, "start-", "reserve-")
    started.abort()
    rush.minutes(14)
    assert f"The workflow {started.name} on {started.variables['node']} was aborted; its claim is free again" in said(
        rush
    )
    rush.minutes(40)
    all_is_well(rush)


def abort_before(stage: Stage, function: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Execution, float]:
    """Abort the first start before a function that it calls; return it, and when that was."""
    invokes = stage.invoke
    aborted: list[tuple[Execution, float]] = []

    def invoke(execution: Execution, name: str, payload: Any) -> None:
        if name == function and execution.name.startswith(("start-", "reserve-")) and not aborted:
            aborted.append((execution, stage.now))
            execution.abort()
        else:
            invokes(execution, name, payload)

    monkeypatch.setattr(stage, "invoke", invoke)
    until(stage, lambda: aborted)
    return aborted[0]


@pytest.mark.parametrize("function", ["Claim", "StartInstance"])
def test_a_start_that_is_aborted_before_ec2_has_it_is_made_again_within_a_minute_and_a_half(
    rush: Stage, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    started, at = abort_before(rush, function, monkeypatch)
    assert not any(node.on for node in rush.overflow[1:])
    until(rush, lambda: any(node.on for node in rush.overflow[1:]))
    assert rush.now - at < 90
    rush.minutes(2)
    assert f"The workflow {started.name} on " in said(rush)
    rush.minutes(60)
    all_is_well(rush)


def test_a_workflow_is_not_taken_for_ended_where_step_functions_cannot_say(
    rush: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: Any) -> None:
        raise aws_error("ThrottlingException")

    monkeypatch.setattr(rush.parts.workflows.client, "describe_execution", fails)
    started, at = abort_before(rush, "StartInstance", monkeypatch)
    others = [node for node in rush.overflow[1:] if node.name != started.variables["node"]]
    until(rush, lambda: any(node.on for node in others))
    assert rush.now - at < 120, "another node is started, as this one is not coming"
    rush.minutes(60)
    all_is_well(rush)


def test_a_step_functions_that_hangs_holds_no_plan_up(rush: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question may hang for as long as the SDK waits; the others are left to the next plan."""
    asked: list[float] = []

    def hangs(**_: Any) -> None:
        asked.append(rush.now)
        rush.sleep(14)
        raise EndpointConnectionError(endpoint_url="https://states.eu-central-1.amazonaws.com")

    monkeypatch.setattr(rush.parts.workflows.client, "describe_execution", hangs)
    now = rush.moment()
    for number in range(20):
        rush.ledger.claim(f"gone-{number}", f"stop-{number}", Action.STOP, "of the past", now)
    rush.minutes(2.9)
    plans = [decision.plan.at for decision in rush.ledger.decisions(now, rush.moment())]
    assert len(plans) >= 2
    assert asked
    assert all(later - before > 40 for before, later in pairwise(asked)), "one question a plan"


def test_an_upgrade_of_pexip(rush: Stage) -> None:
    rush.minutes(8)
    rush.world.upgrading = True
    rush.minutes(20)
    assert "Pexip is being upgraded: nothing is changed until the upgrade ends" in said(rush)
    stops = [request for _, request in rush.cloud.requests if request == "StopInstances"]
    rush.minutes(10)
    assert [request for _, request in rush.cloud.requests if request == "StopInstances"] == stops
    rush.world.upgrading = False
    rush.minutes(30)
    all_is_well(rush)


def test_a_change_of_settings(rush: Stage) -> None:
    rush.minutes(3)
    rush.set_policy(threshold="8", minimum_lifetime_minutes="6")
    rush.minutes(50)
    rush.set_policy(threshold="1")
    rush.minutes(30)
    all_is_well(rush)


def test_daylight_saving(rush: Stage) -> None:
    """The clocks of London go forward forty minutes into this morning; reasons give the operator's time."""
    rush.expect(*[(45 + n / 4, f"after the change {n % 4}", 15.0) for n in range(24)])
    rush.minutes(90)
    assert rush.moment() == rush.moment().replace(hour=1, minute=50)
    until = set(re.findall(r"rises faster than usual, by \d+ until (\d\d):", said(rush)))
    assert {"00", "02"} <= until, "there is no hour between one and two in London this night"
    assert "01" not in until
    all_is_well(rush)


def test_a_pause_is_obeyed_within_a_minute_and_opens_what_is_closed(rush: Stage) -> None:
    rush.minutes(15)
    until(rush, lambda: any(node.closed.now for node in rush.overflow))
    rush.ledger.keep_pause(Pause(reason="fire drill", by="anna"), rush.moment())
    rush.minutes(2)
    assert not any(node.closed.now for node in rush.overflow if node.on)
    assert "Headroom is paused by anna: fire drill" in said(rush)
    requests = len([1 for _, request in rush.cloud.requests if request != "DescribeInstances"])
    rush.minutes(20)
    assert len([1 for _, request in rush.cloud.requests if request != "DescribeInstances"]) == requests
    rush.ledger.end_pause()
    rush.minutes(30)
    all_is_well(rush)


def test_figures_that_cloudwatch_publishes_late(stage: Stage) -> None:
    """Without its second witness nothing stops; as soon as it speaks the node does."""
    stage.cloud.published_after = 3600
    stage.after(0, stage.every_minute)
    node = stage.overflow[0]
    stage.minutes(50)
    why = "EC2 has no NetworkOut figure yet for the time since it was closed"
    assert f"stop refused {node.name}: {why}" in said(stage)
    assert "and cannot be stopped: EC2 has no NetworkOut figure yet" in said(stage)
    assert node.on
    stage.cloud.published_after = 0
    stage.minutes(20)
    assert not node.on
    all_is_well(stage)


def test_an_instance_that_ec2_refuses_to_stop(stage: Stage) -> None:
    """Stop protection, or a policy of the organisation: it stays on, and after half an hour people are told."""
    node = stage.overflow[0]
    machine = stage.cloud.machines[node.instance]
    machine.protected = True
    stage.after(0, stage.every_minute)
    stage.minutes(60)
    assert f"{node.name} has not been needed for" in said(stage)
    assert "and cannot be stopped: OperationNotPermitted" in said(stage)
    machine.protected = False
    stage.minutes(20)
    assert not node.on
    all_is_well(stage)


def test_a_pause_that_comes_while_a_stop_waits_for_its_turn_holds_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_a_turn = stage.ledger.turn_within

    def pause_then_take_a_turn(patience: timedelta, now: datetime) -> datetime | None:
        stage.ledger.keep_pause(Pause(reason="fire drill", by="anna"), now)
        return take_a_turn(patience, now)

    monkeypatch.setattr(stage.ledger, "turn_within", pause_then_take_a_turn)
    stage.after(0, stage.every_minute)
    node = stage.overflow[0]
    stage.minutes(20)
    assert node.on
    assert f"stop refused {node.name}: Headroom is paused: fire drill" in said(stage)
    monkeypatch.undo()
    stage.ledger.end_pause()
    stage.minutes(40)
    all_is_well(stage)


def test_when_headroom_itself_dies(rush: Stage) -> None:
    """Nodes that are on stay on, open ones stay open; a workflow that runs ends by itself, and stops nothing late."""
    rush.minutes(13)
    rush.observing = False
    on = {node.name for node in rush.overflow if node.on}
    is_open = {node.name for node in rush.overflow if node.on and not node.closed.now}
    rush.minutes(60)
    assert {node.name for node in rush.overflow if node.on} == on
    assert {node.name for node in rush.overflow if node.on and not node.closed.now} >= is_open
    assert rush.at_work == []
    rush.observing = True
    rush.minutes(45)
    all_is_well(rush)


def test_two_workflows_begun_by_hand_on_one_node(rush: Stage) -> None:
    rush.minutes(1)
    given: Any = {"node": "burst-2", "reason": "by hand"}
    one, two = (rush.begin("start_node", f"by-hand-{n}", given) for n in range(2))
    rush.minutes(6)
    assert sorted([one.ended, two.ended]) == ["FAILED", "SUCCEEDED"]
    assert {one.error, two.error} == {"", "ClaimLostError"}
    rush.minutes(90)
    all_is_well(rush)


def test_a_need_relieves_a_retirement_at_once(rush: Stage) -> None:
    rush.minutes(15)
    retired = at_work(rush, "stop-")
    node = next(each for each in rush.overflow if each.name == retired.variables["node"])
    begins = (rush.now - BEGIN) / 60
    rush.expect(*[(begins + n / 60, "the next one", 10.0) for n in range(30)])
    rush.minutes(4)
    assert not node.closed.now
    told = [event for event in rush.ledger.events("2026-03-29") if event.node == node.name]
    wanted = next(event.at for event in told if event.kind == "open wanted")
    opened = min(event.at for event in told if event.kind == "opened" and event.at > wanted)
    assert opened - wanted < timedelta(seconds=10)
    rush.minutes(60)
    all_is_well(rush)


def test_a_start_that_step_functions_does_not_take_costs_no_other_and_is_made_good(
    rush: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = rush.parts.workflows.client.start_execution
    refused: list[str] = []

    def start_execution(**given: Any) -> Any:
        if not refused and given["name"].startswith(("start", "reserve")):
            refused.append(given["name"])
            raise aws_error("ThrottlingException")
        return begin(**given)

    monkeypatch.setattr(rush.parts.workflows.client, "start_execution", start_execution)
    rush.ledger.promise(
        Hold(
            id="h",
            begins=rush.moment(),
            ready_by=rush.moment() + timedelta(minutes=10),
            until=rush.moment() + timedelta(minutes=25),
            reason="all-hands",
            by="anna",
            nodes=("burst-2", "burst-3"),
        )
    )
    name = until(rush, lambda: next(iter(refused), ""))
    rush.minutes(0.1)
    other = "burst-3" if "burst-2" in name else "burst-2"
    assert [each for each in rush.executions if f"-{other}-" in each], "the plan begins its other start at once"
    rush.minutes(12)
    serving = {event.node for event in rush.ledger.events("2026-03-29") if event.kind in {"serving", "in reserve"}}
    assert {"burst-2", "burst-3"} <= serving
    rush.minutes(45)
    all_is_well(rush)


def test_what_cannot_be_told_of_issues_costs_no_start(rush: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from headroom.usecases.decide import Decider  # noqa: PLC0415 - it is the stage's own

    def fails(*_: Any) -> None:
        raise dynamodb_error("ProvisionedThroughputExceededException")

    monkeypatch.setattr(Decider, "_write_news", fails)
    rush.minutes(45)
    assert "serving burst-2: It serves 5 HD connections" in said(rush)
    all_is_well(rush)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://states.eu-central-1.amazonaws.com"),
        ConnectionClosedError(endpoint_url="https://states.eu-central-1.amazonaws.com"),
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "StartExecution"),
    ],
    ids=["no connection", "a connection that breaks", "throttled"],
)
def test_a_workflow_that_cannot_be_begun_costs_the_others_nothing_and_itself_a_minute(
    stage: Stage, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins, failing = stage.parts.workflows.client.start_execution, [error]
    asked: list[float] = []

    def start_execution(**given: Any) -> Any:
        asked.append(stage.now)
        if failing:
            raise failing.pop()
        return begins(**given)

    stage.after(0, stage.every_minute)
    stage.minutes(1.5)
    monkeypatch.setattr(stage.parts.workflows.client, "start_execution", start_execution)
    now, nodes = stage.moment(), ("burst-2", "burst-3")
    until = now + timedelta(hours=1)
    stage.ledger.promise(
        Hold(id="h", begins=now, ready_by=now, until=until, reason="all-hands", by="anna", nodes=nodes)
    )
    stage.minutes(3)
    first = asked[0]
    assert sum(at == first for at in asked) == 2, "the other one begins in the same plan"
    launched = sorted(stage.cloud.machines[node.instance].launched_at for node in stage.overflow[1:] if node.on)
    assert len(launched) == 2
    assert launched[1] - first < 75
    assert [finding for finding in stage.findings if "not begun" not in finding] == []
    stage.findings.clear()
