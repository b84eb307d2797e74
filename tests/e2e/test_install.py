"""The first hour on an account, and the last, as a user types it: install, a second stack, an update, a rollback, a removal."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import pytest

from headroom.adapters.ledger import Ledger
from headroom_lab.aws.embedded import REGION, architecture
from headroom_lab.demo.play import Stage, set_scene
from headroom_lab.demo.scenario import HOSTNAME, bundled
from tests.support.template import ROOT

SPEED = 20.0
WITHIN = 120.0  # real seconds
OTHER = "other.example.com"
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    quiet = replace(bundled(clock_time(8, 28), clock_time(23)), calls=(), booked=(), past=())
    with ExitStack() as stack:
        made = set_scene(quiet, stack, tell=print)
        (made.home.folder / "pexip.json").write_text(made.secret)
        made.clock.run(SPEED)
        yield made


def types(stage: Stage, *words: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    """Type a command in the checkout, and answer what it asks."""
    done = subprocess.run(
        [sys.executable, "-m", "headroom_cli", *words],
        cwd=ROOT,
        env=os.environ | stage.environment,
        input=answers,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    print(done.stdout)
    return done


def install(stage: Stage, *words: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    """Install with the credentials in a file, for this machine's processor, on which the functions run."""
    secret = ("--secret", str(stage.home.folder / "pexip.json"))
    return types(stage, "install", *secret, "--set", f"Architecture={architecture()}", *words, answers=answers)


def eventually(look: Callable[[], Any]) -> Any:
    until = time.monotonic() + WITHIN
    while not (found := look()):
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


def described(stage: Stage, stack: str) -> dict[str, Any]:
    [found] = stage.aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return dict(found)


def pairs(found: dict[str, Any], what: str) -> dict[str, str]:
    return {each[f"{what}Key"]: each[f"{what}Value"] for each in found[f"{what}s"]}


def ledger(stage: Stage, stack: str, platform: str) -> Ledger:
    table = pairs(described(stage, stack), "Output")["Ledger"]
    return Ledger(table, platform, stage.aws.resource("dynamodb").Table(table))


def test_five_answers_install_it_and_it_says_what_it_sees(stage: Stage) -> None:
    wrong = "manager.example.com"
    done = install(stage, answers=f"{wrong}\n{stage.url}\n\nMars\nEurope/Stockholm\n\nops\nops@example.com\ny\n")
    assert done.returncode == 0, done.stdout
    asked = re.findall(r"^([1-9])\. ", done.stdout, re.MULTILINE) + re.findall(r": ([1-9])\. ", done.stdout)
    assert set(asked) == set("12345")
    assert "Write it as https://manager.example.com" in done.stdout
    assert "Write an IANA time zone" in done.stdout
    assert "That is no e-mail address" in done.stdout
    assert f"12 instances in {REGION} carry pexip-cloud={HOSTNAME}" in done.stdout
    assert "Headroom reads Pexip and sees 12 overflow nodes" in done.stdout
    given = pairs(described(stage, "headroom"), "Parameter")
    assert (given["Mode"], given["TickState"], given["AlarmEmail"]) == ("observe", "ENABLED", "ops@example.com")
    assert "private_key" not in done.stdout


def test_while_the_credentials_are_asked_for_nothing_has_ticked(stage: Stage) -> None:
    """Without a tick nothing is read in vain, and the alarms about missing readings have no actions."""
    first = stage.aws.client("cloudformation").describe_stack_events(StackName="headroom")["StackEvents"]
    assert [event["ResourceStatus"] for event in first if event["LogicalResourceId"] == "headroom"].count(
        "UPDATE_COMPLETE"
    ) == 1
    events = ledger(stage, "headroom", HOSTNAME).table.query(
        KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": f"snapshot#{HOSTNAME}"}
    )["Items"]
    assert events
    assert not [each for each in events if each["problem"]]


def test_a_second_stack_for_another_platform_ticks_beside_the_first_and_shares_nothing(stage: Stage) -> None:
    done = install(stage, "--stack", "other", "--set", f"PexipUrl=https://{OTHER}", answers=f"{OTHER}\ny\n\n\n\ny\n")
    assert done.returncode == 1
    assert f"No instance in {REGION} carries pexip-cloud={OTHER}; 12 carry pexip-cloud={HOSTNAME}" in done.stdout
    assert f"Headroom is deployed, but has read nothing: https://{OTHER} cannot be reached" in done.stdout
    ours, others = (pairs(described(stage, name), "Output") for name in ("headroom", "other"))
    assert set(ours.values()) & set(others.values()) == {ours["Version"], ours["PeopleNames"]}
    assert ledger(stage, "other", OTHER).last_plan() is None or ledger(stage, "other", OTHER).last_problem()
    before = ledger(stage, "headroom", HOSTNAME).reading().read_at
    eventually(lambda: ledger(stage, "headroom", HOSTNAME).reading().read_at > before)
    schedules = stage.aws.client("scheduler").list_schedules()["Schedules"]
    groups = [
        sorted(one["Name"] for one in schedules if one["GroupName"].startswith(f"{name}-"))
        for name in ("headroom", "other")
    ]
    assert groups[0] == groups[1]
    assert len({one["Target"]["Arn"] for one in schedules}) == len(schedules) == 2 * len(groups[0])


def test_an_update_changes_what_is_given_and_keeps_what_was_switched_meanwhile(stage: Stage) -> None:
    client = stage.aws.client("cloudformation")
    there = described(stage, "headroom")
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in pairs(there, "Parameter") if name != "Mode"]
    switched = [*kept, {"ParameterKey": "Mode", "ParameterValue": "assist"}]  # as hand-over does
    client.update_stack(
        StackName="headroom",
        UsePreviousTemplate=True,
        Parameters=switched,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    eventually(lambda: described(stage, "headroom")["StackStatus"] == "UPDATE_COMPLETE")
    done = types(stage, "install", "--set", "Threshold=9", "--set", 'LocationThresholds={"Stockholm": 12}')
    assert done.returncode == 0, done.stdout
    assert "Updated." in done.stdout
    now = pairs(described(stage, "headroom"), "Parameter")
    assert now == pairs(there, "Parameter") | {
        "Mode": "assist",
        "Threshold": "9",
        "LocationThresholds": '{"Stockholm": 12}',
    }
    assert f"Building for {architecture()}" in done.stdout, "as it is deployed, not as the template says"


def test_an_update_that_fails_is_rolled_back_and_says_why(stage: Stage) -> None:
    before = pairs(described(stage, "headroom"), "Parameter")
    done = types(stage, "install", "--set", "PrewarmSchedule=cron(never)")
    assert done.returncode == 1
    assert "CloudFormation stopped at PrewarmBeforeThePeak: Invalid Schedule Expression cron(never)" in done.stdout
    assert described(stage, "headroom")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert pairs(described(stage, "headroom"), "Parameter") == before
    read = ledger(stage, "headroom", HOSTNAME).reading().read_at
    eventually(lambda: ledger(stage, "headroom", HOSTNAME).reading().read_at > read)


def test_a_first_deployment_that_fails_leaves_nothing_but_a_stack_that_uninstall_takes_away(stage: Stage) -> None:
    words = ("--stack", "third", "--set", f"PexipUrl={stage.url}", "--set", f"TagValue={HOSTNAME}")
    tables = stage.aws.client("dynamodb").list_tables()["TableNames"]
    done = install(stage, *words, "--set", "PrewarmSchedule=cron(never)", answers="\n\n\ny\n")
    assert "CloudFormation stopped at PrewarmBeforeThePeak" in done.stdout
    again = install(stage, *words)
    assert "The stack third is in ROLLBACK_COMPLETE" in again.stdout
    assert stage.aws.client("dynamodb").list_tables()["TableNames"] == tables
    removed = types(stage, "uninstall", "--stack", "third", answers="y\n")
    assert removed.returncode == 0, removed.stdout
    assert "third is deleted" in removed.stdout


def test_a_removal_takes_away_what_aws_would_refuse_to_and_says_what_it_keeps(stage: Stage) -> None:
    outputs = pairs(described(stage, "headroom"), "Output")
    iam, events = stage.aws.client("iam"), stage.aws.client("events")
    iam.create_user(UserName="ola")
    iam.attach_user_policy(UserName="ola", PolicyArn=outputs["Operators"])
    events.put_rule(Name="mine", EventBusName=outputs["Bus"], EventPattern='{"source": ["headroom"]}')
    events.put_targets(Rule="mine", EventBusName=outputs["Bus"], Targets=[{"Id": "1", "Arn": outputs["People"]}])
    prewarm = stage.aws.client("stepfunctions").start_execution(
        stateMachineArn=outputs["Prewarm"], input='{"count": 1, "ready_by": "23:50", "reason": "later"}'
    )
    optional = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'  # as if nodes could be made
    stage.aws.client("cloudformation").create_stack(StackName="headroom-provisioning", TemplateBody=optional)
    refused = types(stage, "uninstall", answers="n\n")
    assert refused.returncode == 1
    done = types(stage, "uninstall", answers="y\n")
    assert done.returncode == 0, done.stdout
    assert "Deleting headroom-provisioning first." in done.stdout
    for words in ("from the user ola", "your rule mine", "headroom is deleted", f"Kept: the table {outputs['Ledger']}"):
        assert words in done.stdout, words
    del prewarm
    assert outputs["Ledger"] in stage.aws.client("dynamodb").list_tables()["TableNames"]
    gone = types(stage, "status")
    assert "There is no stack headroom" in gone.stdout


def test_a_table_that_was_kept_is_taken_back_with_its_history(stage: Stage) -> None:
    there, dynamodb = ("--set", f"PexipUrl={stage.url}", "--set", f"TagValue={HOSTNAME}"), stage.aws.client("dynamodb")
    others = pairs(described(stage, "other"), "Output")["Ledger"]
    [kept] = set(dynamodb.list_tables()["TableNames"]) - {others}
    old = Ledger(kept, HOSTNAME, stage.aws.resource("dynamodb").Table(kept)).last_plan()
    assert old
    nowhere = install(stage, *there, "--set", "LedgerName=nowhere", answers="\n\n\ny\n")
    assert "There is no table nowhere" in nowhere.stdout
    assert "Building" not in nowhere.stdout, "it is said before anything is asked or built"
    done = install(stage, *there, "--set", f"LedgerName={kept}", answers="\n\n\ny\n")
    assert done.returncode == 0, done.stdout
    assert "Headroom reads Pexip and sees 12 overflow nodes" in done.stdout
    assert pairs(described(stage, "headroom"), "Output")["Ledger"] == kept
    assert dynamodb.describe_table(TableName=kept)["Table"].get("DeletionProtectionEnabled", False) is False
    eventually(lambda: (new := ledger(stage, "headroom", HOSTNAME).last_plan()) and new.number > old.number)
    again = install(stage, "--set", "LedgerName=another")
    assert "LedgerName is for the first deployment" in again.stdout


def test_what_is_wrong_is_said_before_anything_is_made(stage: Stage, tmp_path: Path) -> None:
    said = {
        "cannot be a stack's name": ("--stack", "1st"),
        "Architecture=sparc is none": ("--set", "Architecture=sparc"),
        "is no IANA time zone": ("--set", "TimeZone=Mars"),
        "is no regular expression": ("--set", "CapacityReasons=("),
        "LocationThresholds is not what it should be": ("--set", 'LocationThresholds={"a": 1'),
        "There is no": ("--template", str(tmp_path / "none.yaml")),
        "has no value": ("--set", "Mode"),
    }
    for words, given in said.items():
        done = types(stage, "install", *given)
        assert words in done.stdout, done.stdout
        assert done.returncode in {1, 2}
