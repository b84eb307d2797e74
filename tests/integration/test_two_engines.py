"""Two engines that know nothing of each other, moto and the embedded one, answer the adapters alike, and as AWS says.

Where they differ, `DIFFERS` says which of them is like AWS, and by what source.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from headroom.adapters.ec2 import Ec2, Ec2Error
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.errors import ClaimLostError, PlanChangedError
from headroom.adapters.looks import Looks
from headroom.adapters.notify import Notify
from headroom.adapters.workflows import Workflows
from headroom.domain.fleet.fleet import Power
from headroom.domain.fleet.lifecycle import Action
from headroom.domain.fleet.lifecycle import Claim as ClaimOf
from headroom.domain.planning.plans import Change
from headroom.settings import Settings
from headroom_lab.aws.embedded import REGION, EmbeddedAws
from headroom_lab.clock import LabClock
from tests.integration.conftest import REAL_SESSION, make_instance, make_table
from tests.support.builders import NOW, hold

TAG_VALUE = "manager.example.com"
DONE = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
ANYBODY = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "states.amazonaws.com"}}

DIFFERS = {
    (
        "moto",
        "a start of what is terminated",
    ): "the embedded one is like AWS: IncorrectInstanceState (EC2's error codes)",
    ("moto", "one that has ended"): "the embedded one is like AWS: moto runs no state machine, and so none ever ends",
}


@dataclass
class Engine:
    """What speaks to one of them."""

    name: str
    client: Callable[[str], Any]

    def answer(self, what: str, like_aws: Any, does: Callable[[], Any]) -> None:
        """Hold an answer, or the class of an error, against AWS's; what is said to differ must differ."""
        try:
            found = does()
        except Exception as error:  # whose class is the answer
            found = type(error)
        if (self.name, what) in DIFFERS:
            assert found != like_aws, f"{self.name}: {what} does not differ any more"
        else:
            assert found == like_aws, f"{self.name}: {what}"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    clock = LabClock(tmp_path_factory.mktemp("clock") / "clock.json", time.time(), speed=10)
    engine = EmbeddedAws(clock=clock.path)
    engine.start()
    yield engine
    engine.clean()


@pytest.fixture(params=["moto", "embedded"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine to which all clients speak that the adapters make."""
    if request.param == "embedded":
        for name, value in request.getfixturevalue("embedded").environment.items():
            monkeypatch.setenv(name, value)
        session = REAL_SESSION(region_name=REGION)
        monkeypatch.setattr(boto3, "client", session.client)
        monkeypatch.setattr(boto3, "resource", session.resource)
        yield Engine("embedded", cast("Any", session.client))
    else:
        with mock_aws():
            monkeypatch.setattr(boto3, "client", REAL_SESSION().client)
            yield Engine("moto", cast("Any", boto3.client))


def test_ec2(engine: Engine) -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference: StartInstances, StopInstances, errors-overview."""
    ec2, clients = Ec2(TAG_VALUE), engine.client("ec2")
    mine, gone = make_instance(clients, "burst-1")["InstanceId"], make_instance(clients, "burst-2")["InstanceId"]
    make_instance(clients, "another's", tag="another.example.com")
    engine.answer("only the tagged ones", {mine, gone}, lambda: {each.id for each in ec2.instances()})
    engine.answer("one by its id", [mine], lambda: [each.id for each in ec2.instances(instance_id=mine)])
    engine.answer(
        "an address of its own", 1, lambda: len({each.private_ip for each in ec2.instances(instance_id=mine)})
    )
    wait_until(lambda: ec2.instances(instance_id=mine)[0].power is Power.STOPPED)
    engine.answer("a start", None, lambda: ec2.start(mine))
    engine.answer("a start of what starts", None, lambda: ec2.start(mine))
    engine.answer("an unknown id", "InvalidInstanceID.NotFound", lambda: code(lambda: ec2.start(f"i-{'0' * 17}")))
    clients.terminate_instances(InstanceIds=[gone])
    engine.answer("a start of what is terminated", "IncorrectInstanceState", lambda: code(lambda: ec2.start(gone)))
    engine.answer("a stop", None, lambda: ec2.stop(mine))
    engine.answer("a stop of what stops", None, lambda: ec2.stop(mine))


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what AWS takes its time for."""
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def code(does: Callable[[], Any]) -> str:
    """EC2's own code, which the adapter's error begins with."""
    try:
        does()
    except Ec2Error as error:
        return str(error).partition(":")[0]
    return "no error"


def test_cloudwatch(engine: Engine) -> None:
    """GetMetricStatistics (its API reference): sums by period, of this dimension alone, from StartTime on, before EndTime."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    now -= timedelta(minutes=now.minute % 5)
    for instance, at, sent in (("i-1", 25, 300.0), ("i-1", 24, 200.0), ("i-1", 20, 50.0), ("i-2", 20, 7000.0)):
        dimensions = [{"Name": "InstanceId", "Value": instance}]
        told = {
            "MetricName": "NetworkOut",
            "Dimensions": dimensions,
            "Value": sent,
            "Timestamp": now - timedelta(minutes=at),
        }
        engine.client("cloudwatch").put_metric_data(Namespace="AWS/EC2", MetricData=[told])
    ec2, since = Ec2(TAG_VALUE), now - timedelta(minutes=30)
    engine.answer(
        "by period", (100.0, 10.0), lambda: tuple(sent for _, sent in sorted(ec2._sent("i-1", since, now).items()))
    )
    engine.answer("the newest", 10.0, lambda: ec2.network_out("i-1", since, now))
    engine.answer("an instance without any", None, lambda: ec2.network_out("i-3", since, now))
    engine.answer("one is missing", None, lambda: ec2.sent_since("i-1", since - timedelta(minutes=10), now))


def test_dynamodb(engine: Engine) -> None:
    """Conditions and transactions: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference."""
    make_table()
    ledger, later = Ledger("ledger", TAG_VALUE), NOW + timedelta(minutes=6)
    engine.answer("no item", None, ledger.last_reading)
    engine.answer("a claim", "off", lambda: ledger.claim("burst-1", "one", Action.STOP, "idle", NOW).wanted)
    engine.answer("another's claim", ClaimLostError, lambda: ledger.claim("burst-1", "two", Action.STOP, "idle", NOW))
    version = ledger.memory("burst-1").version
    engine.answer("the last word", None, lambda: ledger.last_word("burst-1", "one", version, NOW))
    ledger.remember("burst-1", "one", version=version + 1)
    engine.answer("of another plan", PlanChangedError, lambda: ledger.last_word("burst-1", "one", version, NOW))
    engine.answer("of another workflow", ClaimLostError, lambda: ledger.last_word("burst-1", "two", version, NOW))
    engine.answer("a lease that is over", "two", lambda: token(ledger, "two", later))
    engine.answer("who lost it", ClaimLostError, lambda: ledger.renew("burst-1", "one", later))
    engine.answer("what is new once", [True, False], lambda: [ledger.promise(hold()), ledger.promise(hold())])
    mine, other = ledger.lease("observe"), ledger.lease("observe")
    engine.answer("a lease", [True, False, True], lambda: [mine.take(), other.take(), mine.keep()])
    mine.give_back()
    engine.answer("a lease given back", True, other.take)
    engine.answer("conditions of a transaction", ["None", "ConditionalCheckFailed"], lambda: reasons(engine))
    engine.answer("nothing of it is written", None, lambda: ledger._get("a", "1"))


def token(ledger: Ledger, mine: str, now: datetime) -> str:
    """Who has the claim once another one's lease is over."""
    claim = ledger.claim("burst-1", mine, Action.STOP, "idle", now).claim
    assert claim
    return claim.token


def reasons(engine: Engine) -> list[str]:
    """Why a transaction of two writes is refused, of which the second's condition fails."""
    writes: list[Any] = [
        {"Put": {"TableName": "ledger", "Item": {"pk": {"S": "a"}, "sk": {"S": "1"}}}},
        {
            "Put": {
                "TableName": "ledger",
                "Item": {"pk": {"S": "a"}, "sk": {"S": "2"}},
                "ConditionExpression": "attribute_exists(pk)",
            }
        },
    ]
    client = engine.client("dynamodb")
    try:
        client.transact_write_items(TransactItems=writes)
    except client.exceptions.TransactionCanceledException as error:
        return [each["Code"] for each in error.response["CancellationReasons"]]
    return []


def test_step_functions(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """StartExecution (its API reference): a name is taken for 90 days, and with the same input the start succeeds again."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": [ANYBODY]})
    role = engine.client("iam").create_role(RoleName="states", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    states = engine.client("stepfunctions")
    made = states.create_state_machine(name="headroom-start-node", definition=DONE, roleArn=role)
    monkeypatch.setenv("START_NODE_ARN", made["stateMachineArn"])
    workflows, change = Workflows(Settings.from_env()), Change(node="burst-1", action=Action.START, reason="the rush")
    engine.answer("a start", None, lambda: workflows.begin(change, "one"))
    engine.answer("the same once more", None, lambda: workflows.begin(change, "one"))
    other = Change(node="burst-1", action=Action.START, reason="another reason")
    engine.answer("its name with another input", None, lambda: workflows.begin(other, "one"))
    claims = [ClaimOf(token=name, action=Action.START, until=NOW) for name in ("one", "two")]
    engine.answer("one that has ended", "ended without a result", lambda: ended(workflows, claims[0]))
    engine.answer("one that never began", "never began", lambda: workflows.ending(claims[1]))
    running = states.list_executions(stateMachineArn=made["stateMachineArn"])["executions"]
    engine.answer("there is one", ["one"], lambda: [each["name"] for each in running])


def ended(workflows: Workflows, claim: ClaimOf) -> str:
    """How an execution ended, once it has."""
    wait_until(lambda: workflows.ending(claim) != "")
    return workflows.ending(claim)


def test_sns_and_sqs(engine: Engine) -> None:
    """Publish: subjects of under 100 ASCII characters. SendMessage: nobody receives a message before its delay is over."""
    sns, sqs = engine.client("sns"), engine.client("sqs")
    topic = sns.create_topic(Name="people")["TopicArn"]
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    from_topic = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    allowed = json.dumps({"Version": "2012-10-17", "Statement": [from_topic]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": allowed})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    engine.answer("a message", None, lambda: Notify(topic).people("Zürich: " + 200 * "ü", "It is full."))
    engine.answer("what is heard of it", "It is full.", lambda: json.loads(messages(sqs, url, 20)[0])["Message"])
    too_long = {"TopicArn": topic, "Subject": 200 * "x", "Message": "no"}
    engine.answer("a subject that is too long", "InvalidParameter", lambda: refused(lambda: sns.publish(**too_long)))
    looks = sqs.create_queue(QueueName="looks", Attributes={"MessageRetentionPeriod": "60", "VisibilityTimeout": "60"})
    engine.answer("another look", None, lambda: Looks(looks["QueueUrl"]).again(timedelta(seconds=3)))
    engine.answer("at once", [], lambda: messages(sqs, looks["QueueUrl"], 0))
    engine.answer("after its time", ["again"], lambda: messages(sqs, looks["QueueUrl"], 10))
    engine.answer("not twice", [], lambda: messages(sqs, looks["QueueUrl"], 0))


def refused(does: Callable[[], Any]) -> str:
    """The code of AWS's refusal."""
    try:
        does()
    except Exception as error:  # of a client's own classes
        return str(getattr(error, "response", {}).get("Error", {}).get("Code", error))
    return "not refused"


def messages(sqs: Any, url: str, seconds: int) -> list[str]:
    """What is there, or comes within so many seconds."""
    found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=seconds).get("Messages", [])
    return [each["Body"] for each in found]
