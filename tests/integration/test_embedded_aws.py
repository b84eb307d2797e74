"""The embedded AWS behaves as AWS does where Headroom relies on it: one contract test a patch, with AWS's own words."""

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from headroom.domain.policy import Mode
from headroom_cli.stack import stack_of
from headroom_lab.aws.embedded import ACCOUNT, REGION, EmbeddedAws
from headroom_lab.aws.patches import EngineChangedError, replace
from headroom_lab.clock import LabClock
from headroom_lab.proof.asl import Execution, FailedError
from tests.support import template as stack

MONDAY_0500 = 1772427600.0  # 2026-03-02 05:00 UTC
SPEED = 60.0
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
WITHIN = 60.0  # real seconds
ANYBODY = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> LabClock:
    return LabClock(tmp_path_factory.mktemp("clock") / "clock.json", MONDAY_0500, SPEED)


@pytest.fixture(scope="module")
def aws(clock: LabClock) -> Iterator[EmbeddedAws]:
    engine = EmbeddedAws(clock=clock.path)
    engine.start()
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    engine.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument=policy(ANYBODY))
    engine.client("iam").put_role_policy(RoleName="any", PolicyName="all", PolicyDocument=policy(everything))
    yield engine
    engine.clean()


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def eventually(look: Callable[[], Any], what: str = "it did not happen") -> Any:
    until = time.monotonic() + WITHIN
    while not (found := look()):
        assert time.monotonic() < until, what
        time.sleep(0.05)
    return found


def packed(name: str, body: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, body)
    return file.getvalue()


def function(aws: EmbeddedAws, name: str, body: str, *layers: str) -> str:
    made = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": packed("app.py", body)},
        Layers=layers,
    )
    return str(made["FunctionArn"])


def invoked(aws: EmbeddedAws, name: str) -> Any:
    return json.loads(aws.client("lambda").invoke(FunctionName=name, Payload=b"{}")["Payload"].read())


def queue(aws: EmbeddedAws, name: str) -> tuple[str, str]:
    url = aws.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def received(aws: EmbeddedAws, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.client("sqs").receive_message(QueueUrl=url).get("Messages", [])
    return found


def state_machine(aws: EmbeddedAws, name: str, states: dict[str, Any], **more: Any) -> str:
    definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **more}
    made = aws.client("stepfunctions").create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    return str(made["stateMachineArn"])


def finished(aws: EmbeddedAws, arn: str) -> Any:
    states = aws.client("stepfunctions")
    started = states.start_execution(stateMachineArn=arn)["executionArn"]

    def done() -> Any:
        described = states.describe_execution(executionArn=started)
        return described if described["status"] != "RUNNING" else None

    return eventually(done)


def instance(aws: EmbeddedAws, **tags: str) -> str:
    given = [{"Key": key.replace("__", ":"), "Value": value} for key, value in {"pexip-cloud": "m", **tags}.items()]
    made = aws.client("ec2").run_instances(
        ImageId="ami-1", MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": given}]
    )
    return str(made["Instances"][0]["InstanceId"])


def describe(aws: EmbeddedAws, instance_id: str) -> dict[str, Any]:
    groups = aws.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
    found: dict[str, Any] = groups[0]["Instances"][0]
    return found


def test_an_engine_that_changed_is_noticed_at_once() -> None:
    with pytest.raises(EngineChangedError, match="no_such_name"):
        replace(json, "no_such_name", lambda original: original)


def as_role(aws: EmbeddedAws, name: str, statement: dict[str, Any]) -> Any:
    """EC2's client of a role that has this statement."""
    iam = aws.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(ANYBODY))
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(statement))
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "ec2",
        region_name=REGION,
        endpoint_url=aws.endpoint,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def test_a_role_can_do_what_its_policies_say_and_no_more(aws: EmbeddedAws) -> None:
    only = {"StringEquals": {"aws:ResourceTag/pexip-cloud": "m"}}
    stop = {"Effect": "Allow", "Action": "ec2:StopInstances", "Resource": f"arn:aws:ec2:*:{ACCOUNT}:instance/*"}
    ec2 = as_role(aws, "stopper", stop | {"Condition": only})
    ec2.stop_instances(InstanceIds=[instance(aws)])
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        ec2.stop_instances(InstanceIds=[instance(aws, **{"pexip-cloud": "another"})])
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        ec2.describe_instances()
    assert {"ec2:StopInstances"} == aws.asked()["stopper"]


def test_an_instance_is_tagged_by_who_may_tag_that_one_with_that_tag(aws: EmbeddedAws) -> None:
    """AWS: CreateTags and DeleteTags are on the resources that they name (Service Authorization Reference)."""
    allowed = {
        "Effect": "Allow",
        "Action": ["ec2:CreateTags", "ec2:DeleteTags"],
        "Resource": f"arn:aws:ec2:*:{ACCOUNT}:instance/*",
        "Condition": {
            "StringEquals": {"aws:ResourceTag/made": "by us"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["mark"]},
        },
    }
    ec2 = as_role(aws, "tagger", allowed)
    ours, another = instance(aws, made="by us"), instance(aws)
    ec2.create_tags(Resources=[ours], Tags=[{"Key": "mark", "Value": "x"}])
    ec2.delete_tags(Resources=[ours], Tags=[{"Key": "mark", "Value": "x"}])
    for resource, key in ((another, "mark"), (ours, "made")):
        with pytest.raises(ClientError, match="UnauthorizedOperation"):
            ec2.create_tags(Resources=[resource], Tags=[{"Key": key, "Value": "x"}])


def test_the_whole_stack_runs_on_the_labs_clock(aws: EmbeddedAws, clock: LabClock) -> None:
    arn = state_machine(aws, "waits", {"Wait": {"Type": "Wait", "Seconds": 120, "End": True}})
    began = time.monotonic()
    described = finished(aws, arn)
    assert time.monotonic() - began < 10
    assert abs((described["stopDate"] - described["startDate"]).total_seconds() - 120) < 40
    assert abs(described["startDate"].timestamp() - clock.seconds()) < 900


def test_a_schedule_fires_in_its_own_time_zone_with_its_context_filled_in(aws: EmbeddedAws, clock: LabClock) -> None:
    """AWS: «the schedule is evaluated in the time zone you specify»; `<aws.scheduler.scheduled-time>` is replaced."""
    url, arn = queue(aws, "zoned")
    local = time.gmtime(clock.seconds() + 120 + 9 * 3600)  # two minutes from now, as a clock in Tokyo shows it
    aws.client("scheduler").create_schedule(
        Name="zoned",
        ScheduleExpression=f"cron({local.tm_min} {local.tm_hour} * * ? *)",
        ScheduleExpressionTimezone="Asia/Tokyo",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": ROLE, "Input": '{"at": "<aws.scheduler.scheduled-time>"}'},
    )
    [message] = eventually(lambda: received(aws, url), "the schedule did not fire in its time zone")
    told = json.loads(message["Body"])["at"]
    utc = (
        time.gmtime(time.mktime(local) - 9 * 3600 - time.timezone)
        if time.timezone
        else time.gmtime(time.mktime(local) - 9 * 3600)
    )
    assert told[11:16] == time.strftime("%H:%M", utc)


@pytest.mark.parametrize(("expression", "zone"), [("cron(bad)", "UTC"), ("rate(1 minute)", "Mars/Olympus")])
def test_a_schedule_that_can_never_fire_is_refused(aws: EmbeddedAws, expression: str, zone: str) -> None:
    """AWS: CreateSchedule answers ValidationException."""
    with pytest.raises(ClientError, match="ValidationException"):
        aws.client("scheduler").create_schedule(
            Name="bad",
            ScheduleExpression=expression,
            ScheduleExpressionTimezone=zone,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:none", "RoleArn": ROLE},
        )


def test_what_a_schedule_cannot_deliver_goes_to_its_dead_letter_queue(aws: EmbeddedAws, clock: LabClock) -> None:
    """AWS: «EventBridge Scheduler … delivers failed events to a dead-letter queue» after the RetryPolicy."""
    url, arn = queue(aws, "dead")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(clock.seconds() + 60))
    aws.client("scheduler").create_schedule(
        Name="lost",
        ScheduleExpression=f"at({moment})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:none",
            "RoleArn": ROLE,
            "Input": '{"count": 1}',
            "RetryPolicy": {"MaximumRetryAttempts": 0},
            "DeadLetterConfig": {"Arn": arn},
        },
    )
    [message] = eventually(lambda: received(aws, url))
    assert json.loads(message["Body"]) == {"count": 1}


def test_an_instance_takes_its_time_and_gets_a_new_launch_time_and_address(aws: EmbeddedAws) -> None:
    """AWS: «pending», «stopping»; a public address that is not Elastic is released at the stop."""
    one, ec2 = instance(aws), aws.client("ec2")
    first = describe(aws, one)
    stopping = ec2.stop_instances(InstanceIds=[one])["StoppingInstances"][0]
    assert (stopping["PreviousState"]["Name"], stopping["CurrentState"]["Name"]) == ("running", "stopping")
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[one])
    eventually(lambda: describe(aws, one)["State"]["Name"] == "stopped")
    assert "PublicIpAddress" not in describe(aws, one)
    starting = ec2.start_instances(InstanceIds=[one])["StartingInstances"][0]
    assert starting["CurrentState"]["Name"] == "pending"
    eventually(lambda: describe(aws, one)["State"]["Name"] == "running")
    again = describe(aws, one)
    assert again["LaunchTime"] > first["LaunchTime"]
    assert again["PublicIpAddress"] != first["PublicIpAddress"]


def test_an_elastic_address_stays(aws: EmbeddedAws) -> None:
    one = instance(aws, lab__elastic="yes")
    address = describe(aws, one)["PublicIpAddress"]
    aws.client("ec2").stop_instances(InstanceIds=[one])
    eventually(lambda: describe(aws, one)["State"]["Name"] == "stopped")
    stopped = describe(aws, one)
    assert stopped["PublicIpAddress"] == address
    assert stopped["NetworkInterfaces"][0]["Association"]["IpOwnerId"] == ACCOUNT


def test_instances_are_filtered_by_address_and_id_as_by_tag(aws: EmbeddedAws) -> None:
    """AWS: a filter that matches nothing answers nothing, never everything."""
    one = instance(aws)
    ec2 = aws.client("ec2")
    for name, value in (("private-ip-address", describe(aws, one)["PrivateIpAddress"]), ("instance-id", one)):
        [group] = ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])["Reservations"]
        assert group["Instances"][0]["InstanceId"] == one
        assert not ec2.describe_instances(Filters=[{"Name": name, "Values": ["10.255.255.255"]}])["Reservations"]


def test_a_start_can_be_refused_for_lack_of_capacity_and_can_fall_back(aws: EmbeddedAws) -> None:
    """AWS: InsufficientInstanceCapacity at once, or a StateReason after «pending»; here both are injected by tags."""
    ec2 = aws.client("ec2")
    one = instance(aws)
    refusals = {
        "Key": "lab:refuse-start",
        "Value": "InsufficientInstanceCapacity:3",
    }  # the SDK itself tries three times
    ec2.create_tags(Resources=[one], Tags=[refusals])
    ec2.create_tags(Resources=[one], Tags=[{"Key": "lab:fall-back", "Value": "Server.InternalError:1"}])
    ec2.stop_instances(InstanceIds=[one])
    eventually(lambda: describe(aws, one)["State"]["Name"] == "stopped")
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        ec2.start_instances(InstanceIds=[one])
    ec2.start_instances(InstanceIds=[one])
    eventually(lambda: describe(aws, one)["State"]["Name"] == "stopped")
    assert describe(aws, one)["StateReason"]["Message"] == "Server.InternalError"


def test_every_change_of_an_instance_is_an_event(aws: EmbeddedAws) -> None:
    """AWS: «EC2 Instance State-change Notification» with instance-id and state."""
    url, arn = queue(aws, "changes")
    events = aws.client("events")
    events.put_rule(Name="changes", EventPattern='{"source": ["aws.ec2"]}')
    events.put_targets(Rule="changes", Targets=[{"Id": "1", "Arn": arn}])
    one = instance(aws)
    seen: list[str] = []
    aws.client("ec2").stop_instances(InstanceIds=[one])

    def both() -> bool:
        seen.extend(json.loads(message["Body"])["detail"]["state"] for message in received(aws, url))
        return {"stopping", "stopped"} <= set(seen)

    assert eventually(both)
    events.remove_targets(Rule="changes", Ids=["1"])


def test_a_workflow_catches_an_exception_by_its_class(aws: EmbeddedAws) -> None:
    """AWS: errorType is the exception's class, which Catch and Retry match."""
    arn = function(
        aws, "raises", "class StopRefusedError(Exception): pass\ndef handler(e, c): raise StopRefusedError('a call')\n"
    )
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": arn, "Payload": {}},
        "Catch": [{"ErrorEquals": ["StopRefusedError"], "Next": "Kept"}],
        "End": True,
    }
    assert (
        finished(aws, state_machine(aws, "catches", {"Stop": task, "Kept": {"Type": "Succeed"}}))["status"]
        == "SUCCEEDED"
    )


def test_a_function_that_raised_is_not_started_anew(aws: EmbeddedAws) -> None:
    """AWS's own runtime (awslambdaric) posts an exception to its API and asks for the next event, in the same process.

    Were it started anew, a stop that is refused for being late would make the next one late.
    """
    counting = "import itertools\nnumbers = itertools.count(1)\ndef handler(event, context):\n"
    function(aws, "counts", counting + "    raise KeyError(next(numbers))")
    assert [invoked(aws, "counts")["errorMessage"] for _ in range(3)] == ["1", "2", "3"]
    told = aws.client("lambda").invoke(FunctionName="counts", Payload=b"{}", LogType="Tail")
    assert told["FunctionError"]
    assert "KeyError: 4" in base64.b64decode(told["LogResult"]).decode()


def test_functions_share_one_unpacked_layer(aws: EmbeddedAws) -> None:
    layer = aws.client("lambda").publish_layer_version(
        LayerName="shared", Content={"ZipFile": packed("python/shared.py", "")}
    )
    says = "import os, shared\ndef handler(event, context):\n    return os.path.realpath(shared.__file__)"
    for name in ("one", "other"):
        function(aws, name, says, layer["LayerVersionArn"])
    assert invoked(aws, "one") == invoked(aws, "other")


def test_a_workflow_that_takes_too_long_times_out(aws: EmbeddedAws) -> None:
    """AWS: «If the state machine runs longer than the specified time, the execution fails with a States.Timeout error»."""
    wait = {"Wait": {"Type": "Wait", "Seconds": 300, "End": True}}
    assert finished(aws, state_machine(aws, "slow", wait, TimeoutSeconds=60))["status"] == "TIMED_OUT"


def test_a_workflow_ends_with_the_output_of_its_last_state(aws: EmbeddedAws) -> None:
    """AWS, «Succeed workflow state»: where its language is JSONata it may have an Output."""
    states = {
        "Take": {"Type": "Pass", "Assign": {"node": "burst-1"}, "Next": "Done"},
        "Done": {"Type": "Succeed", "Output": {"node": "{% $node %}"}},
    }
    assert json.loads(finished(aws, state_machine(aws, "ends", states))["output"]) == {"node": "burst-1"}


def test_a_message_waits_for_its_time_and_then_invokes_its_function_once(
    aws: EmbeddedAws, clock: LabClock, tmp_path: Path
) -> None:
    """«Delay queues let you postpone the delivery of new messages»: for `DelaySeconds` nobody sees it (SQS's API reference)."""
    sqs = aws.client("sqs")
    looks, arn = queue(aws, "looks")
    sqs.set_queue_attributes(QueueUrl=looks, Attributes={"VisibilityTimeout": "60", "MessageRetentionPeriod": "60"})
    heard = tmp_path / "heard"
    body = f"def handler(event, context):\n    open({str(heard)!r}, 'a').write(event['Records'][0]['body'])\n"
    aws.client("lambda").create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName=function(aws, "looking", body),
        BatchSize=1,
        ScalingConfig={"MaximumConcurrency": 2},
    )
    sent = clock.seconds()
    sqs.send_message(QueueUrl=looks, MessageBody="again", DelaySeconds=15)
    eventually(heard.exists)
    assert heard.read_text() == "again"
    assert 15 <= clock.seconds() - sent < 15 + WITHIN * SPEED

    def is_gone() -> bool:
        left = sqs.get_queue_attributes(QueueUrl=looks, AttributeNames=["All"])["Attributes"]
        return {left[f"ApproximateNumberOfMessages{which}"] for which in ("", "NotVisible", "Delayed")} == {"0"}

    eventually(is_gone)


def test_an_asynchronous_failure_is_not_tried_again_and_reaches_its_destination(
    aws: EmbeddedAws, clock: LabClock
) -> None:
    """AWS: EventInvokeConfig's MaximumRetryAttempts and OnFailure hold for what Scheduler invokes."""
    url, arn = queue(aws, "failures")
    target = function(aws, "fails", "def handler(e, c): raise ValueError('no')\n")
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(clock.seconds() + 60))
    aws.client("scheduler").create_schedule(
        Name="fails",
        ScheduleExpression=f"at({moment})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": target, "RoleArn": ROLE},
    )
    [message] = eventually(lambda: received(aws, url))
    told = json.loads(message["Body"])
    assert told["requestContext"]["approximateInvokeCount"] == 1
    assert told["responsePayload"]["errorType"] == "ValueError"


def test_a_poisonous_record_is_given_up_after_its_retries_and_the_stream_goes_on(
    aws: EmbeddedAws, tmp_path: Path
) -> None:
    """AWS: MaximumRetryAttempts and an on-failure destination of an event source mapping."""
    url, failures = queue(aws, "poison")
    table = aws.client("dynamodb").create_table(
        TableName="streamed",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]
    seen = tmp_path / "seen"
    body = (
        "def handler(e, c):\n"
        "    key = e['Records'][0]['dynamodb']['Keys']['pk']['S']\n"
        f"    open({str(seen)!r}, 'a').write(key + '\\n')\n"
        "    assert 'poison' not in key\n"
    )
    function(aws, "reads", body)
    aws.client("lambda").create_event_source_mapping(
        EventSourceArn=table["LatestStreamArn"],
        FunctionName="reads",
        StartingPosition="TRIM_HORIZON",
        BatchSize=1,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": failures}},
        FilterCriteria={
            "Filters": [
                {"Pattern": '{"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "s#"}]}}}}'}
            ]
        },
    )
    for key in ("other", "s#poison", "s#fine"):
        aws.client("dynamodb").put_item(TableName="streamed", Item={"pk": {"S": key}})
    eventually(lambda: seen.exists() and "s#fine" in seen.read_text())
    assert seen.read_text().split() == ["s#poison", "s#poison", "s#fine"]
    [message] = eventually(lambda: received(aws, url))
    assert json.loads(message["Body"])["requestContext"]["condition"] == "RetryAttemptsExhausted"


def test_cloudformation_keeps_what_the_engine_would_drop(aws: EmbeddedAws) -> None:
    """AWS: a definition in S3 may be YAML; TTL is applied; Ref of a secret is its ARN; a schedule keeps its zone."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="definitions", CreateBucketConfiguration={"LocationConstraint": REGION})
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "A",
        "States": {"A": {"Type": "Wait", "Seconds": "${Pause}", "End": True}},
    }
    text = yaml.safe_dump(definition).replace("'${Pause}'", "${Pause}").replace('"${Pause}"', "${Pause}")
    s3.put_object(Bucket="definitions", Key="m.yaml", Body=text)
    template = {
        "Resources": {
            "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "{}"}},
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "BillingMode": "PAY_PER_REQUEST",
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                    "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
                },
            },
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": ROLE,
                    "DefinitionS3Location": {"Bucket": "definitions", "Key": "m.yaml"},
                    "DefinitionSubstitutions": {"Pause": 1},
                },
            },
            "Schedule": {
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {
                    "Name": "kept",
                    "ScheduleExpression": "cron(50 8 ? * MON-FRI *)",
                    "ScheduleExpressionTimezone": "Europe/Oslo",
                    "FlexibleTimeWindow": {"Mode": "OFF"},
                    "Target": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:none", "RoleArn": ROLE},
                },
            },
        },
        "Outputs": {
            "Secret": {"Value": {"Ref": "Secret"}},
            "Table": {"Value": {"Ref": "Table"}},
            "Machine": {"Value": {"Ref": "Machine"}},
        },
    }
    formation = aws.client("cloudformation")
    formation.create_stack(StackName="kept", TemplateBody=json.dumps(template))

    def outputs() -> Any:
        [stack] = formation.describe_stacks(StackName="kept")["Stacks"]
        assert "ROLLBACK" not in stack["StackStatus"], stack
        done = stack["StackStatus"] == "CREATE_COMPLETE"
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]} if done else None

    made = eventually(outputs)
    assert made["Secret"].startswith("arn:aws:secretsmanager:")
    ttl = aws.client("dynamodb").describe_time_to_live(TableName=made["Table"])["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED"
    assert aws.client("scheduler").get_schedule(Name="kept")["ScheduleExpressionTimezone"] == "Europe/Oslo"
    assert finished(aws, made["Machine"])["status"] == "SUCCEEDED"


def test_a_schedule_s_name_is_unique_in_its_group(aws: EmbeddedAws) -> None:
    """AWS: CreateSchedule answers ConflictException; «the name of a schedule must be unique within its schedule group»."""
    schedule = {
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:none", "RoleArn": ROLE},
    }
    group = {"Type": "AWS::Scheduler::ScheduleGroup"}
    formation = aws.client("cloudformation")

    def status(stack: str, **properties: Any) -> str:
        made = {"Type": "AWS::Scheduler::Schedule", "Properties": {"Name": "hourly", **schedule, **properties}}
        template = {"Resources": {"Schedule": made} | ({"Group": group} if properties else {})}
        formation.create_stack(StackName=stack, TemplateBody=json.dumps(template))

        def ended() -> Any:
            [found] = formation.describe_stacks(StackName=stack)["Stacks"]
            return found["StackStatus"] if "IN_PROGRESS" not in found["StackStatus"] else None

        return str(eventually(ended))

    assert status("first-in-default") == "CREATE_COMPLETE"
    assert status("second-in-default") == "ROLLBACK_COMPLETE"
    assert status("first-in-its-own", GroupName={"Ref": "Group"}) == "CREATE_COMPLETE"
    assert status("second-in-its-own", GroupName={"Ref": "Group"}) == "CREATE_COMPLETE"


GROUPS, SUBNETS, ROUTES = (
    {"SecurityGroupIds": "sg-1,sg-2"},
    {"SubnetIds": "subnet-1,subnet-2"},
    {"RouteTableIds": "rtb-1"},
)
VPC, SECRETS = {"VpcId": "vpc-1a"}, {"CreateSecretsEndpoint": "yes"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        (SUBNETS | GROUPS, ""),
        (SUBNETS | GROUPS | VPC | ROUTES | SECRETS, ""),
        (SUBNETS, "give SecurityGroupIds"),
        (GROUPS, "give SubnetIds"),
        (SUBNETS | GROUPS | ROUTES, "give VpcId"),
        (ROUTES | VPC, "Functions outside a VPC reach DynamoDB by themselves"),
        (SUBNETS | GROUPS | SECRETS, "give VpcId"),
        (SECRETS | VPC, "Functions outside a VPC reach Secrets Manager by themselves"),
    ],
)
def test_half_an_answer_about_the_network_is_refused_before_anything_is_made(
    aws: EmbeddedAws, given: dict[str, str], said: str
) -> None:
    """AWS: «CloudFormation validates rules before it creates or updates any resources» (User Guide, «Rules»)."""
    whole = stack.template()
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    body = json.dumps({"Parameters": whole["Parameters"], "Rules": whole["Rules"], "Resources": topic}, default=str)
    asked = {"PexipUrl": "https://manager.example.com", "TagValue": "manager.example.com"} | given
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in asked.items()]
    formation = aws.client("cloudformation")
    name = f"network-{len(formation.list_stacks()['StackSummaries'])}"
    if said:
        with pytest.raises(ClientError, match=said):
            formation.create_stack(StackName=name, TemplateBody=body, Parameters=parameters)
    else:
        formation.create_stack(StackName=name, TemplateBody=body, Parameters=parameters)


def test_a_stack_is_deployed_again_with_another_mode_and_nothing_else_changed(
    aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStack.html, «UsePreviousTemplate»."""
    template = {
        "Parameters": {name: {"Type": "String", "Default": ""} for name in ("Mode", "TagValue", "Threshold")},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Mode"}}}},
        "Outputs": {"Ledger": {"Value": "ledger"}},
    }
    given = {"Mode": "observe", "TagValue": "manager.example.com", "Threshold": "12"}
    client = aws.client("cloudformation")
    client.create_stack(
        StackName="by-hand",
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
    )
    client.get_waiter("stack_create_complete").wait(StackName="by-hand", WaiterConfig={"Delay": 1})
    monkeypatch.setattr(boto3, "client", aws.client)
    monkeypatch.setattr(boto3, "resource", lambda _: SimpleNamespace(Table=lambda _: object()))
    deployed = stack_of("by-hand")
    assert (deployed.mode, deployed.ledger.platform) == (Mode.OBSERVE, "manager.example.com")
    deployed.set_mode(Mode.CONTROL)
    assert stack_of("by-hand").parameters == given | {"Mode": "control"}


MOODY = """
class SulkyError(Exception):
    pass

def handler(event, context):
    if event.get("mood") == "sulky":
        raise SulkyError("leave me alone")
    return {"mood": event["mood"], "none": None}
"""
MACHINE: dict[str, Any] = {
    "Ask": {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "TimeoutSeconds": 60,
        "Arguments": {"FunctionName": "", "Payload": {"mood": "{% $states.input.mood %}"}},
        "Assign": {
            "mood": "{% $states.result.Payload.mood %}",
            "tries": 1,
            "none": "{% $states.result.Payload.none %}",
        },
        "Output": {"mood": "{% $states.result.Payload.mood & '!' %}", "list": ["{% $states.result.StatusCode %}"]},
        "Retry": [{"ErrorEquals": ["SulkyError"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1}],
        "Catch": [
            {
                "ErrorEquals": ["SulkyError"],
                "Assign": {"problem": "{% $states.errorOutput %}"},
                "Next": "Console it",
            }
        ],
        "Next": "Is it happy?",
    },
    "Is it happy?": {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $mood in ['happy', 'merry'] and $tries = 1 %}", "Next": "Wait a little"}],
        "Default": "Gloomy",
    },
    "Wait a little": {"Type": "Wait", "Seconds": "{% $tries + 1 %}", "Next": "Well"},
    "Well": {"Type": "Succeed"},  # the engine does not look at its Output
    "Gloomy": {"Type": "Fail", "Error": "GloomyError", "Cause": "{% 'It is ' & $mood %}"},
    "Console it": {"Type": "Succeed"},
}


@pytest.mark.parametrize("mood", ["happy", "sad", "sulky"])
def test_the_interpreter_of_the_simulations_runs_a_workflow_as_the_engine_does(aws: EmbeddedAws, mood: str) -> None:
    name = f"moody-{mood}"
    states = json.loads(json.dumps(MACHINE))
    states["Ask"]["Arguments"]["FunctionName"] = function(aws, name, MOODY)
    arn = state_machine(aws, name, states, TimeoutSeconds=600)
    client = aws.client("stepfunctions")
    started = client.start_execution(stateMachineArn=arn, name=name, input=json.dumps({"mood": mood}))["executionArn"]
    described = eventually(lambda: _ended(client, started))
    history = client.get_execution_history(executionArn=started, maxResults=200)["events"]
    entered = [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]

    due: list[tuple[float, int, Callable[[], None]]] = []
    now = 0.0

    def after(seconds: float, what: Callable[[], None]) -> None:
        due.append((now + seconds, len(due), what))

    def invoke(execution: Execution, _: str, payload: Any) -> None:
        sulky = FailedError("SulkyError", json.dumps({"errorMessage": "leave me alone"}))
        answer = sulky if payload["mood"] == "sulky" else {"mood": payload["mood"], "none": None}
        turn = execution.turn
        after(0.1, lambda: execution.hear(turn, answer))

    machine = {"StartAt": "Ask", "States": states, "TimeoutSeconds": 600}
    ours = Execution(name, machine, {"mood": mood}, lambda: now, after, invoke, Random(1))
    ours.begin()
    while not ours.ended:
        due.sort()
        now, _, what = due.pop(0)
        what()
    assert (ours.ended, ours.history) == (described["status"], entered)
    assert ours.error == described.get("error", "")
    if ours.ended == "SUCCEEDED":
        theirs = json.loads(described["output"])
        assert ours.output.get("Error") == theirs.get("Error")
        assert "Error" in theirs or ours.output == theirs == {"mood": "happy!", "list": [200]}


def _ended(client: Any, arn: str) -> Any:
    described = client.describe_execution(executionArn=arn)
    return described if described["status"] != "RUNNING" else None
