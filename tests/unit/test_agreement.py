"""Template, settings, functions, events, packages and docs agree with one another."""

import ast
import json
import re
from dataclasses import fields

import pytest

import headroom
from headroom.domain.safety.claims import LONGEST_STEP
from headroom.observability import ALWAYS
from headroom.settings import Settings
from headroom_lab.proof.environment import ENVIRONMENT
from tests.support import template as stack
from tests.support.alarms import matches

FOLDERS = sorted(path.name for path in (stack.ROOT / "functions").iterdir() if (path / "app.py").exists())


def test_the_template_sets_every_variable_that_settings_reads_and_no_other() -> None:
    variables = set(stack.template()["Globals"]["Function"]["Environment"]["Variables"])
    assert variables - {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_METRICS_NAMESPACE", "DETAILED_METRICS"} == {
        field.name.upper() for field in fields(Settings)
    }


def test_the_lab_sets_every_variable_that_settings_reads_and_no_other() -> None:
    given = {name for name in ENVIRONMENT if not name.startswith(("AWS_", "POWERTOOLS_"))}
    assert given == {field.name.upper() for field in fields(Settings)}


def test_every_parameter_reaches_a_function_or_says_what_else_it_is_for() -> None:
    """A parameter that is in the template alone would change nothing."""
    text = (stack.ROOT / "template.yaml").read_text()
    groups = stack.template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(stack.template()["Parameters"])
    assert all(text.count(name) > 2 for name in stack.template()["Parameters"])


def test_every_folder_is_a_function_and_every_function_a_folder() -> None:
    assert sorted(stack.functions()) == FOLDERS


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_s_description_is_its_first_sentence(folder: str) -> None:
    text = (stack.ROOT / "functions" / folder / "app.py").read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert docstring.splitlines()[0].replace("`", "") == stack.functions()[folder]["Description"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_is_one_short_file_with_a_golden_event(folder: str) -> None:
    assert [path.name for path in (stack.ROOT / "functions" / folder).glob("*.*")] == ["app.py"]
    assert json.loads((stack.ROOT / "events" / f"{folder}.json").read_text()) is not None


def test_every_workflow_has_a_documented_input() -> None:
    for name in stack.MACHINES:
        assert (stack.ROOT / "events" / f"{name}.json").exists(), name


def test_only_one_function_may_stop_instances_and_only_one_call_does() -> None:
    allowed = [
        folder
        for folder, properties in stack.functions().items()
        for statement in stack.statements(properties)
        if any("StopInstances" in action or action in {"ec2:*", "*"} for action in stack.actions_of(statement))
    ]
    assert allowed == ["stop_instance"]
    shipped = [*(stack.ROOT / "layers").rglob("*.py"), *(stack.ROOT / "functions").rglob("*.py")]
    calls = [path.name for path in shipped for _ in re.findall(r"\.stop_instances\(", path.read_text())]
    assert calls == ["ec2.py"]
    callers = [path.name for path in shipped for _ in re.findall(r"ec2\.stop\(", path.read_text())]
    assert callers == ["stop_instance.py"]


def test_nothing_anywhere_may_do_more_to_instances_than_start_stop_and_describe() -> None:
    text = re.sub(
        r"\n  Bounds:.*?\n\n", "", (stack.ROOT / "template.yaml").read_text(), flags=re.DOTALL
    )  # it grants nothing
    looks = {"ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "ec2:GetConsoleOutput"}
    looks |= {"ec2:DescribeInstanceAttribute", "ec2:DescribeInstanceTypes", "ec2:DescribeVolumes"}
    looks |= {"ec2:DescribeCapacityReservations"}
    assert set(re.findall(r"ec2:\w+", text)) == {"ec2:StartInstances", "ec2:StopInstances"} | looks
    assert text.count("ec2:StopInstances") == 1
    machines = "".join(stack.text_of(name) for name in stack.MACHINES)
    assert "aws-sdk" not in machines
    assert set(re.findall(r"Resource: (\S+)", machines)) == {"arn:${Partition}:states:::lambda:invoke"}


def test_no_step_of_a_workflow_runs_longer_than_its_lease_allows() -> None:
    longest = stack.template()["Globals"]["Function"]["Timeout"]
    assert longest == LONGEST_STEP.total_seconds()
    own = {folder for folder, properties in stack.functions().items() if "Timeout" in properties}
    used = {hole.removesuffix("FunctionArn") for name in stack.MACHINES for hole in stack.holes(name)}
    assert not {folder.title().replace("_", "") for folder in own} & used


def test_starting_and_stopping_is_limited_to_tagged_instances() -> None:
    for folder in ("start_instance", "stop_instance"):
        [statement] = [
            one
            for one in stack.statements(stack.functions()[folder])
            if {"ec2:StartInstances", "ec2:StopInstances"} & set(stack.actions_of(one))
        ]
        assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/pexip-cloud": {"Ref": "TagValue"}}}


def test_no_statement_allows_everything_and_each_wide_one_says_why() -> None:
    text = (stack.ROOT / "template.yaml").read_text()
    for block in text.split("- Sid: ")[1:]:
        head = block.split("- Sid:")[0]
        if re.search(r'Resource: "\*"', head):
            assert "#" in head.splitlines()[0], head.splitlines()[0]
    for properties in stack.functions().values():
        for statement in stack.statements(properties):
            assert not [action for action in stack.actions_of(statement) if action.endswith("*")]


def test_grants_on_keys_are_for_ec2_itself_and_for_named_keys_only() -> None:
    [grant] = [
        one
        for one in stack.statements(stack.functions()["start_instance"])
        if "kms:CreateGrant" in stack.actions_of(one)
    ]
    assert grant["Resource"] == {"Ref": "KeyArns"}
    assert grant["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": True}}


def test_functions_that_talk_to_pexip_reach_nothing_else_but_the_ledger_and_their_secret() -> None:
    inside = {folder for folder, properties in stack.functions().items() if "VpcConfig" in properties}
    reading = {
        folder
        for folder, properties in stack.functions().items()
        if any("secretsmanager:GetSecretValue" in stack.actions_of(one) for one in stack.statements(properties))
    }
    assert (
        inside
        == reading
        == {"observe", "read_bookings", "count_turned_away", "start_cloudnode", "set_maintenance", "check_empty"}
    )
    for folder in inside:
        services = {
            action.partition(":")[0]
            for one in stack.statements(stack.functions()[folder])
            for action in stack.actions_of(one)
        }
        assert services <= {"dynamodb", "secretsmanager", "sqs"}


def test_every_log_group_forgets_and_the_ledger_stays() -> None:
    for properties in stack.resources("AWS::Logs::LogGroup").values():
        assert properties["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    ledger = stack.template()["Resources"]["Ledger"]
    assert (ledger["DeletionPolicy"], ledger["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert ledger["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_every_parameter_is_described_and_used() -> None:
    text = (stack.ROOT / "template.yaml").read_text()
    for name, parameter in stack.template()["Parameters"].items():
        assert len(parameter["Description"]) > 10, name
        assert re.search(rf"!Ref {name}\b|\$\{{{name}\}}", text), name


ALARMS = {
    name: resource["Properties"]
    for name, resource in stack.template()["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
TOLD = {
    "PromiseMissedAlarm", "StartFailuresAlarm", "NodeStuckAlarm", "NotEnoughNodesAlarm", "ControlRefusedAlarm",
    "PexipUnreachableAlarm", "NoLoadAlarm", "CallsLikelyTurnedAwayAlarm", "HomeLostAlarm",
}  # fmt: skip  # of these `tell` tells people, in its own words and not too often


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_has_its_section_in_the_runbook(name: str) -> None:
    found = re.search(r"See docs/operating\.md, «(.+)»\.", ALARMS[name]["AlarmDescription"])
    assert found, ALARMS[name]["AlarmDescription"]
    _, heading, after = (stack.ROOT / "docs/operating.md").read_text().partition(f"\n## {found[1]}\n")
    assert heading, found[1]
    section = after.split("\n#")[0]
    assert [words for words in ("- Headroom: ", "- Check: ", "- To hold still: ") if words not in section] == []


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_is_of_a_metric_that_somebody_sends(name: str) -> None:
    alarm = ALARMS[name]
    shipped = [*(stack.ROOT / "layers").rglob("*.py"), *(stack.ROOT / "functions").rglob("*.py")]
    sent = {found for path in shipped for found in re.findall(r'measure\(\s*"(\w+)"', path.read_text())}
    filtered = {
        each["MetricName"]
        for resource in stack.template()["Resources"].values()
        if resource["Type"] == "AWS::Logs::MetricFilter"
        for each in resource["Properties"]["MetricTransformations"]
    }
    assert alarm["Namespace"] == "AWS/SQS" or alarm["MetricName"] in sent | filtered
    assert ("Dimensions" in alarm) is (alarm["MetricName"] not in filtered)


def test_a_stack_has_ten_metrics_and_ten_alarms_at_the_most_unless_it_wants_them_all() -> None:
    """AWS: ten custom metrics and ten alarms are always free (https://aws.amazon.com/cloudwatch/pricing, «Free tier»)."""
    made = stack.template()["Resources"]
    usual = {name for name in ALARMS if "Condition" not in made[name]}
    assert {made[name]["Condition"] for name in set(ALARMS) - usual} == {"Detailed"}
    assert len(usual) == 10
    own = {ALARMS[name]["MetricName"] for name in usual if ALARMS[name]["Namespace"] != "AWS/SQS"}
    assert own == ALWAYS | {"OwnErrors"}
    assert len(own) <= 10


def test_own_errors_are_all_but_those_that_are_raised_on_purpose() -> None:
    [given] = stack.resources("AWS::Logs::MetricFilter").values()
    shipped = [*(stack.ROOT / "layers").rglob("*.py"), *(stack.ROOT / "functions").rglob("*.py")]
    ours = {found for path in shipped for found in re.findall(r"^class (\w+Error)\(", path.read_text(), re.MULTILINE)}
    mistakes = {"SettingsError", "BusError", "SupersededError"}  # the last never leaves `decide`
    counted = {name for name in ours if matches(given["FilterPattern"], {"errorType": name})}
    assert counted == mistakes
    for name in (
        "Runtime.OutOfMemory",
        "Sandbox.Timedout",
        "UndefinedError",
        "ValidationError",
        "ClientError",
        "KeyError",
    ):
        assert matches(given["FilterPattern"], {"errorType": name}), name
    for name in ("ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"):
        assert not matches(given["FilterPattern"], {"errorType": name}), name
    assert matches(given["FilterPattern"], {"exception_name": "KeyError"})
    assert not matches(given["FilterPattern"], {"message": "planned"})
    assert len(given["FilterPattern"]) <= 1024


@pytest.mark.parametrize("name", ALARMS)
def test_people_are_told_by_alarms_of_what_nobody_else_tells_them(name: str) -> None:
    told = {"Ref": "People"} in ALARMS[name]["AlarmActions"]
    assert told is (name not in TOLD)
    assert ALARMS[name]["OKActions"] == ALARMS[name]["AlarmActions"]


def test_schedules_keep_to_their_retries_and_have_dead_letters() -> None:
    tick = stack.functions()["observe"]
    schedule = tick["Events"]["EveryMinute"]["Properties"]
    assert schedule["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert "DeadLetterConfig" in schedule
    prewarm = stack.machine_properties("prewarm")["Events"]["BeforeThePeak"]["Properties"]
    assert prewarm["RetryPolicy"]["MaximumEventAgeInSeconds"] == 600
    assert "DeadLetterConfig" in prewarm
    assert "<aws.scheduler.scheduled-time>" in prewarm["Input"]["Fn::Sub"]
    stream = stack.functions()["decide"]["Events"]["NewReading"]["Properties"]
    assert (stream["BatchSize"], stream["MaximumRetryAttempts"], stream["MaximumRecordAgeInSeconds"]) == (1, 2, 60)


def test_the_stack_says_the_version_of_its_code() -> None:
    assert stack.template()["Outputs"]["Version"]["Value"] == headroom.__version__


def test_the_layer_ships_no_boto3_and_nothing_that_only_a_desk_needs() -> None:
    shipped = set(
        re.findall(r"^([a-z0-9-]+)==", (stack.ROOT / "layers/headroom/requirements.txt").read_text(), re.MULTILINE)
    )
    assert {"requests", "msgspec", "aws-lambda-powertools", "pyjwt"} <= shipped
    assert not shipped & {"boto3", "botocore", "rich", "click", "starlette", "ministack", "moto", "pygal"}


def test_locks_have_hashes_and_record_no_address() -> None:
    for path in [*(stack.ROOT / "requirements").glob("*.txt"), stack.ROOT / "layers/headroom/requirements.txt"]:
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text, path


def test_a_forge_runs_the_same_script_with_actions_that_are_pinned_by_digest() -> None:
    for workflow in (stack.ROOT / ".github/workflows").iterdir():
        used = re.findall(r"uses: (\S+)", workflow.read_text())
        assert used
        assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each)] == []
    text = (stack.ROOT / ".github/workflows/ci.yaml").read_text()
    assert re.search(r"run: .*\.ci/run", text)
    assert "contents: read" in text
