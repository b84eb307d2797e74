"""The deployed stack, begun by hand and killed in the middle: what an operator sees, and that it recovers by itself."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from headroom import clock
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.history.record import Decision
from headroom.domain.policy import Mode
from headroom_cli.main import main
from headroom_lab.demo.play import Stage, set_stage
from headroom_lab.demo.scenario import bundled
from tests.conftest import ENVIRONMENT
from tests.support.template import actions_of, resources, statements
from tests.unit.test_provisioning_stack import FOLDERS
from tests.unit.test_provisioning_stack import statements as of_optional

SPEED = 30.0
SLOWER = 5  # times, near a stop
PATIENCE = 4  # a slow desk may take so many times as long; only a failure waits for it
pytestmark = pytest.mark.timeout(1200)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    quiet = replace(bundled(clock_time(8, 28), clock_time(23)), calls=(), booked=(), past=())
    with ExitStack() as stack:
        made = set_stage(quiet, stack, tell=print, PrewarmState="DISABLED", MinimumLifetimeMinutes="5")
        for subscriber in SUBSCRIBERS:
            subscribe(made, subscriber)
        made.clock.jump(quiet.at(clock_time(8, 28)), SPEED)
        eventually(made.ledger.last_plan, made, 10)
        yield made


SUBSCRIBERS = ("People", "Chat", "Bus")


def subscribe(stage: Stage, output: str) -> None:
    """Have a queue for what people, chats and other programs are told."""
    sqs, sns, events = stage.aws.client("sqs"), stage.aws.client("sns"), stage.aws.client("events")
    url = sqs.create_queue(QueueName=f"to-{output}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    if output == "Bus":
        bus = stage.outputs[output]
        events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["headroom"]}))
        events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    else:
        sns.subscribe(TopicArn=stage.outputs[output], Protocol="sqs", Endpoint=arn)


def received(stage: Stage, output: str) -> list[dict[str, Any]]:
    """Take what has come to that queue."""
    sqs = stage.aws.client("sqs")
    url, bodies = sqs.get_queue_url(QueueName=f"to-{output}")["QueueUrl"], []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def eventually(look: Callable[[], Any], stage: Stage, minutes: float) -> Any:
    """Wait for something to come true within so many minutes of the lab's clock."""
    until, usual = stage.clock.seconds() + 60 * minutes * PATIENCE, stage.clock.pace.speed
    while not (found := look()):
        assert stage.clock.seconds() < until, _state(stage)
        pace = min(usual, SPEED / SLOWER) if stage.is_near_a_stop() else usual
        if stage.clock.pace.speed != pace:
            stage.clock.run(pace)
        time.sleep(0.1)
    stage.clock.run(usual)
    return found


def _state(stage: Stage) -> str:
    events = stage.ledger.events("2026-03-02", newest=30)
    return "\n".join(f"{event.at:%H:%M:%S} {event.kind} {event.node} {event.reason}" for event in events)


def begin(stage: Stage, machine: str, **given: Any) -> str:
    """Begin an execution by hand: StartExecution, the call behind the console and the AWS CLI."""
    states = stage.aws.client("stepfunctions")
    started = states.start_execution(stateMachineArn=stage.outputs[machine], input=json.dumps(given))
    return str(started["executionArn"])


def ended(stage: Stage, arn: str, minutes: float = 25) -> dict[str, Any]:
    states = stage.aws.client("stepfunctions")

    def look() -> Any:
        described = states.describe_execution(executionArn=arn)
        return described if described["status"] != "RUNNING" else None

    found: dict[str, Any] = eventually(look, stage, minutes)
    return found


def state_of(stage: Stage, name: str) -> NodeState:
    planned = stage.ledger.last_plan()
    assert planned
    return next(node.state for node in planned.plan.nodes if node.name == name)


def newest_record(stage: Stage) -> Decision:
    planned = stage.ledger.last_plan()
    assert planned
    record = stage.ledger.decision_at(planned.plan.at)
    assert record
    return record


def happened(stage: Stage, node: str) -> list[str]:
    return [event.kind for event in reversed(stage.ledger.events("2026-03-02")) if event.node == node]


def headroom(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type a command, with the embedded AWS for an account."""
    environment = os.environ | stage.aws.environment | {"HEADROOM_CLOCK": str(stage.clock.path)}
    command = [sys.executable, "-m", "headroom_cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)


def asked(stage: Stage, node: str) -> Any:
    """Wait until EC2 was asked to start the node, which no other test may have used: its events are looked at."""
    return eventually(lambda: "start asked" in happened(stage, node), stage, 5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"count": -1}, "count is -1", id="negative count"),
        pytest.param({"nodes": ["burst-99"]}, "No overflow node is called burst-99", id="unknown node"),
        pytest.param({"ready_by": "2026-03-01T09:00:00+01:00"}, "which is past", id="past time"),
        pytest.param({"ready_by": "nine"}, "cannot be read", id="no time"),
        pytest.param({"untill": "2026-03-02T11:00:00Z"}, "Unknown field untill", id="misspelt"),
    ],
)
def test_a_prewarm_that_cannot_be_promised_fails_at_once_and_touches_nothing(
    stage: Stage, given: dict[str, Any], words: str
) -> None:
    failed = ended(stage, begin(stage, "Prewarm", **given), 5)
    assert (failed["status"], failed["error"]) == ("FAILED", "BadRequestError")
    assert words in json.loads(failed["cause"])["errorMessage"]
    assert stage.ledger.holds(stage.ledger.last_plan().plan.at) == []  # type: ignore[union-attr]


def test_an_unknown_node_is_named_with_those_there_are(stage: Stage) -> None:
    failed = ended(stage, begin(stage, "StartNode", node="burst-99"), 5)
    assert failed["error"] == "UnknownNodeError"
    assert "there are: burst-01, burst-02" in failed["cause"]


def test_start_node_by_hand_ends_with_a_node_that_serves_and_its_lifetime(stage: Stage) -> None:
    done = ended(stage, begin(stage, "StartNode", node="burst-01", reason="all-hands at ten"))
    assert json.loads(done["output"])["outcome"] == "serving"
    [lifetime] = stage.ledger.lifetimes("burst-01")
    assert (lifetime.started_by, lifetime.start_reason) == ("Headroom", "all-hands at ten")
    assert lifetime.boot_seconds
    assert 200 < lifetime.boot_seconds < 1500
    order = [kind for kind in happened(stage, "burst-01") if kind in {"start wanted", "start asked", "serving"}]
    assert order == ["start wanted", "start asked", "serving"]


def test_a_reserve_comes_up_closed_and_opens_when_it_is_asked_for(stage: Stage) -> None:
    done = ended(stage, begin(stage, "StartNode", node="burst-08", reason="for later", reserve=True))
    assert json.loads(done["output"])["outcome"] == "in reserve"
    order = [kind for kind in happened(stage, "burst-08") if kind in {"start asked", "closed", "in reserve"}]
    assert order == ["start asked", "closed", "in reserve"]
    for _ in range(5):  # on a slow desk a plan may have begun to stop it meanwhile: then it is asked for again
        opened = ended(stage, begin(stage, "SetOpen", node="burst-08", open=True, reason="needed after all"))
        if opened["status"] == "SUCCEEDED":
            break
    assert opened["status"] == "SUCCEEDED"
    assert "opened" in happened(stage, "burst-08")


def test_prewarm_by_hand_answers_with_what_is_ready(stage: Stage) -> None:
    done = ended(stage, begin(stage, "Prewarm", nodes=["burst-02"], reason="board meeting"), 20)
    assert done["status"] == "SUCCEEDED"
    assert json.loads(done["output"])["ready"] == ["burst-02"]


def test_a_document_shows_how_to_start_a_node_by_hand() -> None:
    text = (ROOT / "docs/operating.md").read_text()
    assert "aws stepfunctions start-execution" in text
    assert '{"node": "burst-01", "reason": "all-hands at ten"}' in text


def test_killing_every_function_in_the_middle_of_a_start_changes_nothing(stage: Stage) -> None:
    arn = begin(stage, "StartNode", node="burst-04")
    asked(stage, "burst-04")
    for worker in stage.aws.workers():
        worker.kill()
    assert json.loads(ended(stage, arn, 40)["output"])["outcome"] == "serving"


def test_killing_the_platform_in_the_middle_of_a_start_changes_nothing(stage: Stage) -> None:
    arn = begin(stage, "StartNode", node="burst-05")
    asked(stage, "burst-05")
    stage.stop_platform(signal.SIGKILL)
    eventually(stage.ledger.last_problem, stage, 5)
    assert "cannot be reached" in stage.ledger.last_problem()
    stage.start_platform()
    assert json.loads(ended(stage, arn, 40)["output"])["outcome"] == "serving"
    assert stage.ledger.last_problem() == ""


def restart_engine(stage: Stage) -> None:
    """Kill the embedded AWS and start it again; the clock slows down, as a cold start takes real time."""
    stage.clock.run(1)
    stage.aws.stop()
    stage.aws.start()
    stage.aws.warm_up()
    stage.clock.run(SPEED)


def test_killing_the_engine_in_the_middle_of_a_start_ends_in_a_consistent_fleet_and_history(stage: Stage) -> None:
    arn = begin(stage, "StartNode", node="burst-06")
    asked(stage, "burst-06")
    restart_engine(stage)
    assert ended(stage, arn, 5)["status"] == "FAILED"  # it died with the engine
    eventually(lambda: state_of(stage, "burst-06") is NodeState.SERVING, stage, 15)
    eventually(lambda: any(life.node == "burst-06" for life in stage.ledger.lives()), stage, 5)
    [instance] = [one for one in instances(stage) if one["Tags"][0]["Value"] == "burst-06"]
    [lifetime] = stage.ledger.lifetimes("burst-06")
    assert lifetime.launched_at.replace(microsecond=0) == instance["LaunchTime"].replace(microsecond=0)


def test_prewarm_with_nothing_said_asks_for_every_overflow_node_and_says_loudly_which_is_missing(stage: Stage) -> None:
    """EC2 has no room for burst-03, and there is no other node to take its place."""
    stage.clock.run(SPEED / 2)  # twelve starts at once are much for a desk
    missed = ended(stage, begin(stage, "Prewarm"), 20)
    stage.clock.run(SPEED)
    assert (missed["status"], missed["error"]) == ("FAILED", "PromiseMissed")
    assert "of 12 nodes in AWS burst" in missed["cause"]
    assert "burst-03 is" in missed["cause"]
    [told] = [event for event in stage.ledger.events("2026-03-02") if event.kind == "promise missed"]
    assert "burst-03" in told.reason


def test_the_layer_alone_has_all_that_the_functions_import(stage: Stage, tmp_path: Path) -> None:
    """As Lambda runs it: nothing but the layer, and the boto3 that Lambda brings."""
    site = Path(boto3.__file__).parents[1]
    for name in ("boto3", "botocore", "s3transfer"):
        (tmp_path / name).symlink_to(site / name)
    path = os.pathsep.join([str(stage.built / "HeadroomLayer/python"), str(tmp_path)])
    for folder in sorted((ROOT / "functions").glob("*/app.py")):
        code = f"import runpy; runpy.run_path({str(folder)!r})"
        environment = ENVIRONMENT | {"PYTHONPATH": path, "PATH": os.environ["PATH"]}
        ran = subprocess.run(
            [sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, (folder, ran.stderr[-600:])


def instances(stage: Stage) -> list[dict[str, Any]]:
    groups = stage.aws.client("ec2").describe_instances()["Reservations"]
    return [one for group in groups for one in group["Instances"]]


def test_killing_the_engine_in_the_middle_of_a_stop_ends_in_a_consistent_fleet_and_history(stage: Stage) -> None:
    """Every node is idle by now: they are closed, proved empty and stopped one after the other."""
    stage.clock.run(2 * SPEED)  # nothing but minutes passes until nodes have been idle for long enough
    eventually(lambda: running(stage, "retire-node"), stage, 60)
    restart_engine(stage)

    def all_off() -> bool:
        planned = stage.ledger.last_plan()
        return planned is not None and all(node.state is NodeState.STOPPED for node in planned.plan.nodes)

    eventually(all_off, stage, 90)
    for number in range(1, 13):
        for lifetime in stage.ledger.lifetimes(f"burst-{number:02}"):
            assert lifetime.stopped_at, lifetime
            assert lifetime.stopped_at > lifetime.launched_at, lifetime
    offs = [line for line in stage.home.lines() if line["what"] == "powered off"]
    assert {line["node"] for line in offs} >= {f"burst-{number:02}" for number in range(1, 13) if number != 3}
    assert all(line["closed"] and not line["calls"] for line in offs)
    world = stage.home.load()
    assert not any(one.closed.now for one in world.nodes.values() if one.overflow and not one.static_nat_address)


def running(stage: Stage, machine: str) -> bool:
    return any(machine in one["executionArn"] and one["status"] == "RUNNING" for one in stage.executions())


def test_the_command_line_finds_the_stack_and_says_where_there_is_none(stage: Stage) -> None:
    exported = headroom(stage, "export", "--days", "2")
    assert exported.stdout.startswith("at,location,used,booked,hd"), exported.stderr
    assert "Stockholm" in exported.stdout
    missing = headroom(stage, "export", "--stack", "headrom")
    assert missing.returncode == 1
    assert "headrom" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_what_an_operator_types_reaches_the_deployed_stack_and_is_in_its_history(stage: Stage) -> None:
    started = headroom(stage, "start", "burst-02", "--reason", "a drill")
    assert started.returncode == 0, started.stderr
    assert "Serving: burst-02." in started.stdout
    shown = headroom(stage, "status")
    assert shown.returncode == 0, shown.stderr
    assert "a drill" in shown.stdout
    nodes = json.loads(headroom(stage, "nodes", "--json", "--state", "serving").stdout)
    assert "burst-02" in [node["name"] for node in nodes]
    assert headroom(stage, "release", "burst-02").stdout == "Released: a drill.\n"
    told = json.loads(headroom(stage, "history", "--json", "--kind", "asked to", "--day", "2026-03-02").stdout)
    assert [event["kind"] for event in told] == ["asked to release", "asked to start"]
    assert {event["by"] for event in told} not in ({""}, set())


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("issues --json", {0, 3}, "["),
        ("nodes --state stopped", {0}, "burst-11"),
        ("why burst-01", {0}, "burst-01"),
        ("why 08:31", {0}, "in control mode"),
        ("replay-decision 08:31", {0}, "bit for bit"),
        ("verify", {0}, "plans"),
        ("hold burst-11 --until 12:00 --reason rehearsal", {0}, "burst-11 to serve by"),
        ("open burst-12", {1}, "Only a node closed by Headroom can be opened"),
        ("close burst-12", {1}, "Only a node that serves can be closed"),
        ("pause rehearsal", {0}, "Paused."),
        ("resume", {0}, "Resumed; it was paused for: rehearsal"),
        ("release burst-11", {0}, "Released: rehearsal"),
        ("history --kind asked", {0}, "rehearsal"),
        ("report --days 1", {0}, "as recorded"),
        ("hand-over", {0}, "control"),
    ],
)
def test_every_command_answers_on_the_deployed_stack(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, typed: str, code: set[int], words: str
) -> None:
    for name, value in (stage.aws.environment | {"HEADROOM_CLOCK": str(stage.clock.path), "COLUMNS": "200"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    eventually(stage.ledger.last_plan, stage, 10)
    said = CliRunner().invoke(main, shlex.split(typed), catch_exceptions=False)
    assert said.exit_code in code, said.output
    assert words in said.output


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_page_of_a_deployed_stack_is_served_until_ctrl_c(stage: Stage, how: signal.Signals) -> None:
    """Or until it is killed; also as a script's background job, which begins with Ctrl-C ignored."""
    environment = (
        os.environ | stage.aws.environment | {"HEADROOM_CLOCK": str(stage.clock.path), "PYTHONUNBUFFERED": "1"}
    )
    ignoring = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    command = [*ignoring, sys.executable, "-m", "headroom_cli", "page"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout
        origin, _, token = page.stdout.readline().strip().partition("/#token=")
        answer = requests.get(f"{origin}/show/status", headers={"X-Headroom-Token": token}, timeout=60)
        assert (answer.status_code, "Pexip read" in answer.text) == (200, True)
        page.send_signal(how)
        assert page.stdout.read().splitlines()[-1] == "Ended."
        assert page.wait(20) == 0


def test_the_dashboard_s_widgets_show_and_act(stage: Stage) -> None:
    """What CloudWatch does: read the dashboard, call a widget's function with its parameters, then what a button calls."""
    board = stage.aws.client("cloudwatch").get_dashboard(DashboardName=stage.outputs["Dashboard"])["DashboardBody"]
    widgets = [widget["properties"] for widget in json.loads(board)["widgets"] if widget["type"] == "custom"]
    pages = {widget["title"]: called(stage, widget["endpoint"], widget["params"]) for widget in widgets}
    assert "Pexip read" in pages["Now"]
    assert "burst-01" in pages["Nodes"]
    assert "start asked" in pages["History"]
    act = widgets[0]["params"]["act"]
    assert "Only a node closed by Headroom can be opened" in called(stage, act, {"do": "open", "nodes": ["burst-12"]})
    assert "There is no such hold" in called(stage, act, {"do": "release", "hold": "mine"})
    paused = called(stage, act, {"do": "pause", "stops_only": True}, reason="a fire drill")
    assert "Within a minute Headroom opens the nodes that it has closed" in paused
    assert "it was paused for: a fire drill" in called(stage, act, {"do": "resume"})
    assert "burst-09 to serve by" in called(stage, act, {"do": "start", "nodes": ["burst-09"]}, reason="others follow")


def called(stage: Stage, function: str, given: dict[str, Any], **typed: str) -> str:
    event = given | {"widgetContext": {"forms": {"all": typed}, "theme": "light"}}
    said = stage.aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    answer = json.loads(said["Payload"].read())
    assert "FunctionError" not in said, answer
    return str(answer)


def test_people_chats_and_other_programs_are_told_of_what_happened(stage: Stage) -> None:
    """The dashboard's button has started a node."""
    people: list[dict[str, Any]] = []

    def started() -> bool:
        people.extend(received(stage, "People"))
        return any("started" in message["Subject"] for message in people)

    eventually(started, stage, 15)
    [chat, *_] = [json.loads(message["Message"]) for message in received(stage, "Chat")]
    assert (chat["version"], chat["source"], chat["metadata"]["summary"]) == ("1.0", "custom", people[0]["Subject"])
    announced = received(stage, "Bus")
    [serving, *_] = [event for event in announced if event["detail"]["kind"] == "serving"]
    assert (serving["source"], serving["detail-type"]) == ("headroom", "Headroom Node Changed")
    published = Draft202012Validator(json.loads((ROOT / "docs/schemas/event.json").read_text()))
    assert [error.message for event in announced for error in published.iter_errors(event["detail"])] == []
    written = {event.reason for event in stage.ledger.events("2026-03-02")}
    assert {event["detail"]["reason"] for event in announced} <= written


IMAGE = "ami-0abcdef1234567890"  # one of the embedded AWS's own


def test_the_optional_stack_is_deployed_beside_it_with_its_answers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = headroom(stage, "provision", "--location", "AWS burst", "--dry-run")
    assert refused.returncode == 1
    assert "`headroom install --provisioning` deploys a second stack, headroom-provisioning" in refused.stderr
    processor = resources_of(stage)["Architecture"]
    form = f"FormUrl={stage.url}/nodes/{{address}}/"
    said = headroom(stage, "install", "--provisioning", "--set", form, "--set", f"Architecture={processor}")
    assert said.returncode == 0, said.stderr
    assert "may run instances with its own tag" in said.stdout


def resources_of(stage: Stage) -> dict[str, str]:
    [found] = stage.aws.client("cloudformation").describe_stacks(StackName="headroom")["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in found["Parameters"]}


def test_from_an_image_to_a_node_that_serves_by_one_command(stage: Stage) -> None:
    would = headroom(stage, "provision", "--location", "AWS burst", "--image", IMAGE, "--dry-run")
    assert would.returncode == 0, would.stderr
    assert "burst-13 would\n  1. run c6i.2xlarge" in would.stdout
    done = headroom(stage, "provision", "--location", "AWS burst", "--image", IMAGE)
    assert done.returncode == 0, (done.stdout, done.stderr)
    for step in (
        "Run the instance",
        "Introduce it to Pexip",
        "Is it connected?",
        "Hand it over",
        "Let Headroom stop it",
    ):
        assert f"burst-13: {step}\n" in done.stdout
    assert "it is off, and is started when it is needed" in done.stdout
    # Without an Elastic IP its address has to be corrected before it is opened: that may take longer than ten minutes
    started = headroom(stage, "start", "burst-13", "--no-wait", "--reason", "the new one")
    assert started.returncode == 0, started.stderr
    eventually(lambda: state_of(stage, "burst-13") is NodeState.SERVING, stage, 20)


def test_it_is_emptied_stopped_and_converted_there_and_back_taken_out_and_put_back(stage: Stage) -> None:
    headroom(stage, "release", "burst-13")  # unless that promise is over already
    there = headroom(stage, "convert", "burst-13", "--to", "always-on", "--location", "Stockholm")
    assert there.returncode == 0, (there.stdout, there.stderr)
    for step in ("Take its tag away", "Move it", "Start it", "Is it connected?", "Open it"):
        assert f"burst-13: {step}\n" in there.stdout
    eventually(lambda: "burst-13" not in {node.name for node in newest_record(stage).plan.nodes}, stage, 5)
    ec2 = stage.aws.client("ec2")
    made = [{"Name": "tag:headroom-node", "Values": ["burst-13"]}]
    [found] = ec2.describe_instances(Filters=made)["Reservations"][0]["Instances"]
    ec2.stop_instances(InstanceIds=[found["InstanceId"]])  # as Pexip's guide says of an always-on node
    back = headroom(stage, "convert", "burst-13", "--to", "overflow", "--location", "AWS burst")
    assert back.returncode == 0, (back.stdout, back.stderr)
    eventually(lambda: state_of(stage, "burst-13") is NodeState.STOPPED, stage, 5)
    out = headroom(stage, "take-out", "burst-13", "--reason", "its disk is swapped")
    assert out.returncode == 0, out.stderr
    refused = headroom(stage, "start", "burst-13", "--no-wait")
    assert refused.returncode == 1
    assert "burst-13 was taken out" in refused.stderr
    assert headroom(stage, "reinstate", "burst-13").returncode == 0


def test_a_node_is_removed_for_ever_by_one_command_that_asks_for_its_name(stage: Stage) -> None:
    wrong = headroom(stage, "remove", "burst-13", "--yes", "burst-12")
    assert (wrong.returncode, wrong.stderr) == (1, "Error: Nothing was removed: burst-12 is not burst-13.\n")
    done = headroom(stage, "remove", "burst-13", "--yes", "burst-13", "--reason", "a test")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "burst-13: Delete it in Pexip\n" in done.stdout
    assert "it is deleted in Pexip, and i-" in done.stdout
    eventually(lambda: "burst-13" not in {node.name for node in newest_record(stage).plan.nodes}, stage, 5)
    assert {"provisioned", "removed"} <= set(happened(stage, "burst-13"))


def test_handing_back_waits_for_pexips_bursting_and_deploys_with_another_mode(stage: Stage) -> None:
    stage.stop_platform()
    world = stage.home.load()
    world.settings["bursting_enabled"] = True
    stage.home.keep(world)
    stage.start_platform()
    said = headroom(stage, "hand-back")
    assert said.returncode == 0, said.stderr
    assert "Deploying with Mode=observe" in said.stdout
    assert said.stdout.rstrip().endswith("the stack may be deleted.")
    eventually(lambda: newest_record(stage).policy.mode is Mode.OBSERVE, stage, 5)
    assert stage.ledger.pause(clock.now()) is None


def test_the_doctor_looks_at_the_deployed_site_by_itself(stage: Stage) -> None:
    said = stage.aws.client("lambda").invoke(FunctionName=function_named(stage, "Examine"))
    answer = json.loads(said["Payload"].read())
    assert "FunctionError" not in said, answer
    assert not {"tag", "half-made nodes", "versions"} & set(answer), answer


# The deployed roles, which the embedded AWS enforces, after all that was done above


def test_no_function_was_denied_anything(stage: Stage) -> None:
    """Whatever one asks for beyond its policies is refused; it then fails, and its log says so."""
    logs = stage.aws.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=stage.outputs["FunctionLogs"])
    messages = [event["message"] for page in pages for event in page["events"]]
    assert len(messages) > 1000
    assert [message for message in messages if "not authorized to perform" in message] == []


SELDOM = {  # what is granted for what does not happen here
    "ReadBookings": {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"},  # no meeting is booked
    "Decide": {"sns:Publish"},  # a day's head
    "Claim": {"ec2:DescribeInstances"},  # for a node that no plan has seen
    "StopInstance": {"ec2:DescribeInstanceStatus", "ec2:GetConsoleOutput"},  # where a start hung
    "StartInstance": {"kms:CreateGrant"},  # by EC2 in its name, where volumes have a key of one's own
    "Examine": {  # keys of one's own; the embedded AWS has no quotas
        *("kms:DescribeKey", "servicequotas:GetServiceQuota")
    },
    "StartCloudnode": {  # in assist mode
        *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "secretsmanager:GetSecretValue")
    },
}
SOMETIMES = {
    "Decide": {"dynamodb:DeleteItem"},  # for a stop that EC2's message told of later than a plan saw it
    "Examine": {"cloudwatch:GetMetricStatistics"},  # while a node is on and empty
}
BY_LAMBDA = {"sqs:SendMessage"}  # for a dead letter, in the function's name


def test_no_function_may_do_what_it_never_does(stage: Stage) -> None:
    stage.aws.client("lambda").invoke(FunctionName=function_named(stage, "Learn"))
    asked = {
        role.removeprefix("headroom-").split("FunctionRole")[0]: actions for role, actions in stage.aws.asked().items()
    }
    never = {}
    for logical_id, properties in resources("AWS::Serverless::Function").items():
        name = logical_id.removesuffix("Function")
        granted = {action for statement in statements(properties) for action in actions_of(statement)}
        assert SOMETIMES.get(name, set()) <= granted
        never[name] = granted - BY_LAMBDA - asked.get(name, set()) - SOMETIMES.get(name, set())
    assert {name: actions for name, actions in never.items() if actions} == SELDOM


def test_no_function_of_the_optional_stack_may_do_what_it_never_does(stage: Stage) -> None:
    """What it did above: a node was made, converted there and back, and removed."""
    named = {role.removeprefix("headroom-provisioning-"): actions for role, actions in stage.aws.asked().items()}
    asked = {role.split("FunctionRole")[0]: actions for role, actions in named.items()}
    never = {}
    for folder in FOLDERS:
        name = folder.title().replace("_", "")
        granted = {action for statement in of_optional(folder) for action in actions_of(statement)}
        never[name] = granted - asked.get(name, set())
    # An Elastic IP was not asked for, and the engine takes a new instance's tags without a look at CreateTags
    assert {name: actions for name, actions in never.items() if actions} == {
        "RunInstance": {"ec2:AssociateAddress", "ec2:CreateTags"}
    }


def function_named(stage: Stage, name: str) -> str:
    made = stage.aws.client("cloudformation").describe_stack_resource(
        StackName="headroom", LogicalResourceId=f"{name}Function"
    )
    return str(made["StackResourceDetail"]["PhysicalResourceId"])


def test_nothing_is_left_behind_when_the_demo_is_interrupted(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    demo = subprocess.Popen(
        [ROOT / ".venv/bin/headroom", "demo", "--out", str(tmp_path / "demo")],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout
    for line in demo.stdout:
        if "sam build" in line:
            break
    demo.send_signal(signal.SIGINT)
    said = demo.stdout.read()
    demo.stdout.close()
    assert demo.wait(60) == 130
    assert "All its processes have ended" in said
    assert list(tmp_path.iterdir()) == []
    until = time.monotonic() + 10  # a busy machine takes a moment to bury what was killed
    while left := subprocess.run(["pgrep", "-fa", str(tmp_path)], capture_output=True, text=True, check=False).stdout:
        assert time.monotonic() < until, left
        time.sleep(0.2)
