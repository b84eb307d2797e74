"""A tick at a desk: moto's DynamoDB, EC2 and Step Functions, and a simulated Pexip platform behind real TLS."""

import importlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts, using
from headroom.adapters.pexip.connection import Connection
from headroom.domain.history.events import Event
from headroom.domain.planning.plans import Plan
from headroom.settings import Settings
from headroom_lab.pexip.power import OwnInstances
from headroom_lab.pexip.resources import Platform
from headroom_lab.pexip.server import ManagementNode, Serving, serve
from headroom_replay.bursting import Bursting
from headroom_replay.switches import Switches
from headroom_replay.world import Call, Location, Node, World

CONTEXT: Any = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:function",
    aws_request_id="52fdfc07-2182-154f-163f-5f0f9a621d72",
)
HOSTNAME = "manager.example.com"


@dataclass
class Desk:
    """One platform, one account, and the handlers that connect them."""

    parts: Parts
    world: World
    node: ManagementNode
    ec2: Any
    serving: Serving | None = None

    def point_at(self, url: str, **secret: str) -> None:
        """Have every function read there, with these credentials."""
        boto3.client("secretsmanager").put_secret_value(SecretId="pexip-credentials", SecretString=json.dumps(secret))
        self.deploy(pexip_url=url)
        self.disconnect()
        self.parts.pexip = Connection(self.settings)

    def disconnect(self) -> None:
        if known := vars(self.parts).get("pexip"):
            known.close()

    def deploy(self, **settings: str) -> None:
        """Deploy with these settings changed."""
        self.parts.settings = replace(self.parts.settings, **settings)

    @property
    def settings(self) -> Settings:
        return self.parts.settings

    @property
    def ledger(self) -> Ledger:
        return self.parts.ledger

    def tick(self) -> Plan:
        """One minute: observe, then decide, as the stream would have it."""
        self.observe()
        self.call("decide")
        planned = self.ledger.last_plan()
        assert planned
        return planned.plan

    def observe(self) -> str:
        """Read once; return what went wrong, empty if nothing did."""
        self.ledger.table.delete_item(Key={"pk": f"now#{HOSTNAME}", "sk": "lease#observe"})
        self.call("observe")
        return self.ledger.last_problem()

    def events(self) -> list[Event]:
        return self.ledger.events(time.strftime("%Y-%m-%d", time.gmtime()))

    def states(self) -> list[str]:
        groups = self.ec2.describe_instances()["Reservations"]
        return [one["State"]["Name"] for group in groups for one in group["Instances"]]

    def call(self, function: str, **event: Any) -> Any:
        """Invoke a function as Lambda would."""
        return importlib.import_module(f"functions.{function}.app").handler(event, CONTEXT)


def make_table() -> Any:
    return boto3.resource("dynamodb").create_table(
        TableName="ledger",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "node_key")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_node",
                "KeySchema": [
                    {"AttributeName": "node_key", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def make_instance(ec2: Any, name: str, *, running: bool = False, tag: str = HOSTNAME) -> dict[str, Any]:
    tags = [{"Key": "Name", "Value": name}, {"Key": "pexip-cloud", "Value": tag}]
    [made] = ec2.run_instances(
        ImageId="ami-12345678", MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}]
    )["Instances"]
    if not running:
        ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    found: dict[str, Any] = made
    return found


REAL_SESSION = boto3.session.Session


@cache
def _shared() -> tuple[Any, Any]:
    """One session, and what makes its clients, each once."""
    one = REAL_SESSION()
    return one, cache(one.client)


@pytest.fixture(scope="module", autouse=True)
def _each_client_is_made_once() -> Iterator[None]:
    """To make a session, or a client, takes a tenth of a second; whoever asks for a client has a copy, which it may change.

    It ends with each module: tests elsewhere, in the same process, choose their regions.
    """
    one, make = _shared()

    def client(name: str, **settings: Any) -> Any:
        kept = make(name, **settings)
        copied = object.__new__(type(kept))
        vars(copied).update(vars(kept))
        return copied

    def session(*given: Any, **more: Any) -> Any:
        return REAL_SESSION(*given, **more) if given or more else one

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one, "client", client)
        patch.setattr(boto3.session, "Session", session)
        patch.setattr(boto3, "Session", session)
        yield


@pytest.fixture
def desk() -> Iterator[Desk]:
    with mock_aws():
        make_table()
        boto3.client("secretsmanager").create_secret(Name="pexip-credentials", SecretString="{}")
        boto3.client("sns").create_topic(Name="people")
        boto3.client("sqs").create_queue(QueueName="looks")
        states = boto3.client("stepfunctions")
        machine = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        for name in ("start-node", "set-open", "retire-node"):
            states.create_state_machine(
                name=f"headroom-{name}", definition=machine, roleArn="arn:aws:iam::123456789012:role/any"
            )
        ec2 = boto3.client("ec2")
        locations = [Location(id=1, name="Oslo", overflow1="Cloud"), Location(id=2, name="Cloud")]
        nodes = [Node(id=1, name="conf-1", address="10.1.0.1", location="Oslo", hd=20)]
        for number in (1, 2):
            made = make_instance(ec2, f"burst-{number}")
            address = made["PrivateIpAddress"]
            nodes.append(
                Node(id=10 + number, name=f"burst-{number}", address=address, location="Cloud", hd=15, overflow=True)
            )
        world = World(locations, nodes, now=time.time(), switches=Switches())
        power = OwnInstances(world)
        node = ManagementNode(Platform(world, power), Bursting(world, start=power.start, stop=power.stop))
        made_desk = Desk(parts=Parts(), world=world, node=node, ec2=ec2)
        with serve(node, pace=60) as serving, using(made_desk.parts):
            made_desk.serving = serving
            made_desk.point_at(serving.url, username=node.access.username, password=node.access.password, ca=serving.ca)
            yield made_desk
            made_desk.disconnect()


@pytest.fixture
def rush(desk: Desk) -> Desk:
    """The principal location is nearly full."""
    now = desk.world.now
    desk.world.expect(Call(now + 1 + n / 100, f"c{n}", "Oslo", 5000) for n in range(17))
    desk.world.advance(now + 10)
    return desk
