"""What `headroom install` finds out beforehand: the network behind a subnet, the account, the packages' processor."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import click
import pytest
import trustme
from botocore.exceptions import ClientError
from moto import mock_aws

from headroom_cli.installing import deploying, guide, manager, network, optional, secret
from headroom_cli.installing.account import Account
from headroom_cli.installing.network import NetworkError, parameters_for

REGION = "eu-central-1"


@dataclass
class Vpc:
    """A VPC of the kind that is used for nodes: two private subnets, a group, a route table."""

    ec2: Any
    id: str
    subnets: list[str]
    group: str
    routes: str


@pytest.fixture
def vpc() -> Iterator[Vpc]:
    with mock_aws():
        yield made_vpc()


def made_vpc() -> Vpc:
    ec2 = boto3.client("ec2")
    made = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=made, EnableDnsHostnames={"Value": True})
    subnets = [
        ec2.create_subnet(VpcId=made, CidrBlock=f"10.77.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="functions", Description="functions", VpcId=made)["GroupId"]
    [table] = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [made]}])["RouteTables"]
    return Vpc(ec2, made, subnets, group, table["RouteTableId"])


def test_a_private_network_gets_both_endpoints(vpc: Vpc) -> None:
    found, said = parameters_for(vpc.subnets, [vpc.group])
    assert found == {
        "SubnetIds": ",".join(vpc.subnets),
        "SecurityGroupIds": vpc.group,
        "VpcId": vpc.id,
        "RouteTableIds": vpc.routes,
        "CreateSecretsEndpoint": "yes",
    }
    assert "free of charge" in " ".join(said)
    assert "$15 a month" in " ".join(said)


def test_what_is_there_is_not_made_again(vpc: Vpc) -> None:
    for service, more in (
        ("dynamodb", {"RouteTableIds": [vpc.routes]}),
        ("secretsmanager", {"VpcEndpointType": "Interface"}),
    ):
        vpc.ec2.create_vpc_endpoint(VpcId=vpc.id, ServiceName=f"com.amazonaws.{REGION}.{service}", **more)
    found, _ = parameters_for(vpc.subnets, [vpc.group])
    assert {"RouteTableIds", "CreateSecretsEndpoint"} & set(found) == set()


@pytest.mark.parametrize("way", ["nat", "internet"])
def test_a_nat_gateway_leads_to_aws_and_an_internet_gateway_does_not(vpc: Vpc, way: str) -> None:
    """Lambda's functions have no public address: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc-internet.html."""
    if way == "nat":
        gateway = vpc.ec2.create_nat_gateway(SubnetId=vpc.subnets[0])["NatGateway"]["NatGatewayId"]
        target = {"NatGatewayId": gateway}
    else:
        gateway = vpc.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        vpc.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc.id)
        target = {"GatewayId": gateway}
    vpc.ec2.create_route(RouteTableId=vpc.routes, DestinationCidrBlock="0.0.0.0/0", **target)
    found, _ = parameters_for(vpc.subnets, [vpc.group])
    assert ("RouteTableIds" in found) is ("CreateSecretsEndpoint" in found) is (way == "internet")


def test_a_way_to_a_gateway_that_is_gone_leads_nowhere(vpc: Vpc, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS: «blackhole» is the state of a route whose target is not available (EC2's API reference, «Route»)."""
    gone = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "blackhole"}
    assert not network._is_way_out(gone)
    assert network._is_way_out(gone | {"State": "active"})
    monkeypatch.setattr(network, "_route_tables", lambda *_: [])  # nothing is known of any route
    assert parameters_for(vpc.subnets, [vpc.group])[0]["CreateSecretsEndpoint"] == "yes"


def test_several_gateway_endpoints_count_together(vpc: Vpc) -> None:
    own = vpc.ec2.create_route_table(VpcId=vpc.id)["RouteTable"]["RouteTableId"]
    vpc.ec2.associate_route_table(RouteTableId=own, SubnetId=vpc.subnets[0])
    for table in (own, vpc.routes):
        service = f"com.amazonaws.{REGION}.dynamodb"
        vpc.ec2.create_vpc_endpoint(VpcId=vpc.id, ServiceName=service, RouteTableIds=[table])
    assert "RouteTableIds" not in parameters_for(vpc.subnets, [vpc.group])[0]


def test_a_subnet_s_own_route_table_is_the_one_that_counts(vpc: Vpc) -> None:
    own = vpc.ec2.create_route_table(VpcId=vpc.id)["RouteTable"]["RouteTableId"]
    vpc.ec2.associate_route_table(RouteTableId=own, SubnetId=vpc.subnets[0])
    found, _ = parameters_for(vpc.subnets, [vpc.group])
    assert set(found["RouteTableIds"].split(",")) == {own, vpc.routes}


def test_a_network_that_cannot_be_used_is_refused_with_what_to_do(vpc: Vpc) -> None:
    other = made_vpc()
    twice = vpc.ec2.create_subnet(VpcId=vpc.id, CidrBlock="10.77.9.0/24", AvailabilityZone=f"{REGION}a")["Subnet"][
        "SubnetId"
    ]
    wrong = {
        "are in several VPCs": ([vpc.subnets[0], other.subnets[0]], [vpc.group]),
        "one subnet in each Availability Zone": ([vpc.subnets[0], twice], [vpc.group]),
        "need a security group": (vpc.subnets, []),
        "belong to another VPC": (vpc.subnets, [other.group]),
        "Look at the id and the region": (["subnet-0123456789abcdef0"], [vpc.group]),
    }
    for words, (subnets, groups) in wrong.items():
        with pytest.raises(NetworkError, match=words):
            parameters_for(subnets, groups)
    vpc.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsHostnames={"Value": False})
    with pytest.raises(NetworkError, match="DNS hostnames is disabled in vpc-"):
        parameters_for(vpc.subnets, [vpc.group])


# The account


def test_a_stack_that_is_stuck_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every state of a stack: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html, «StackStatus»."""
    usual = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_FAILED"}
    shape: Any = boto3.client("cloudformation").meta.service_model.shape_for("StackStatus")
    here = Account("1", REGION, "aws", "ola")
    for status in shape.enum:
        found = {"Stacks": [{"StackName": "headroom", "StackStatus": status}]}
        formation = Mock(describe_stacks=Mock(return_value=found))
        monkeypatch.setattr(boto3, "client", Mock(return_value=formation))
        if status in usual:
            assert here.stack("headroom"), status
            continue
        if status.startswith("IMPORT") or status == "DELETE_COMPLETE":
            continue
        with pytest.raises(click.ClickException, match=f"is in {status}: "):
            here.stack("headroom")


@mock_aws
def test_names_that_are_taken_are_found_before_cloudformation_fails_at_them() -> None:
    boto3.client("events").create_event_bus(Name="headroom")
    boto3.client("events").create_event_bus(Name="headroom-other")
    boto3.client("logs").create_log_group(logGroupName="/aws/vendedlogs/states/headroom")
    assert Account("1", REGION, "aws", "ola").taken("headroom") == [
        "the event bus headroom",
        "the log group /aws/vendedlogs/states/headroom",
    ]


@mock_aws
def test_instances_are_counted_by_their_tag() -> None:
    ec2 = boto3.client("ec2")
    for value, count in (("manager.example.com", 2), ("other.example.com", 1)):
        tags: Any = [{"ResourceType": "instance", "Tags": [{"Key": "pexip-cloud", "Value": value}]}]
        ec2.run_instances(ImageId="ami-12c6146b", MinCount=count, MaxCount=count, TagSpecifications=tags)
    ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    assert Account("1", REGION, "aws", "ola").tagged() == {"manager.example.com": 2, "other.example.com": 1}


# A first installation that was broken off


@dataclass
class Broken:
    """A stack without ticks."""

    parameters: dict[str, str]
    outputs: dict[str, str]

    def set_parameters(self, **given: str) -> None:
        self.parameters |= given


@pytest.mark.parametrize("secret_there", [False, True], ids=["before its credentials", "by a person, later"])
@mock_aws
def test_an_update_ends_an_installation_that_was_broken_off_and_leaves_a_person_s_choice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, secret_there: bool
) -> None:
    secrets = boto3.client("secretsmanager")
    arn = secrets.create_secret(Name="s", SecretString='{"username": "a"}' if secret_there else "{}")["ARN"]
    stack = Broken({"TickState": "DISABLED"}, {"PexipCredentials": arn})
    monkeypatch.setattr(deploying, "build", lambda template, _: template)
    monkeypatch.setattr(deploying, "deploy", lambda *_: None)
    monkeypatch.setattr(guide, "stack_of", lambda _: stack)
    monkeypatch.setattr(guide, "_first_words", lambda _: "it reads")
    monkeypatch.setattr(secret, "ask", lambda: {"username": "ola", "password": "x"})
    guide.update("headroom", Path("t"), {}, {}, None)
    said = capsys.readouterr().out
    assert stack.parameters["TickState"] == ("DISABLED" if secret_there else "ENABLED")
    assert ("it reads" in said) is not secret_there
    assert ("TickState is DISABLED: Headroom reads nothing" in said) is secret_there
    assert ("ola" in secrets.get_secret_value(SecretId=arn)["SecretString"]) is not secret_there


def test_a_secret_that_may_not_be_read_is_taken_for_a_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")
    monkeypatch.setattr(boto3, "client", Mock(return_value=Mock(get_secret_value=Mock(side_effect=denied))))
    assert not secret.is_empty("arn")


# The packages, and the address


def library(path: Path, machine: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + bytes(40))
    return path


def test_a_library_for_another_processor_is_found(tmp_path: Path) -> None:
    """`e_machine`: 62 is x86-64, 183 is AArch64 (System V ABI, «ELF header»)."""
    intel = library(tmp_path / "HeadroomLayer/python/msgspec/_core.so", 62)
    arm = library(tmp_path / "HeadroomLayer/python/cryptography/_rust.abi3.so", 183)
    assert deploying.built_for_another(tmp_path, "arm64") == [intel]
    assert deploying.built_for_another(tmp_path, "x86_64") == [arm]


def test_an_address_says_how_it_answers(pexip_like: tuple[str, int]) -> None:
    host, port = pexip_like
    answer = manager.ask(f"https://{host}:{port}")
    assert answer.answers
    assert "its certificate is not trusted here" in answer.sentence
    assert answer.certificate == "", "an authority's signature is trusted by the authority's certificate alone"
    assert not manager.ask("https://127.0.0.1:1").answers
    assert "does not answer from here" in manager.ask("https://none.invalid").sentence


@pytest.fixture
def pexip_like() -> Iterator[tuple[str, int]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                    with line, context.wrap_socket(line, server_side=True):
                        pass
                except ssl.SSLError:
                    pass
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield "localhost", server.getsockname()[1]


@mock_aws
@pytest.mark.parametrize("protected", [True, False])
def test_a_kept_table_keeps_the_protection_that_it_had(
    protected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Until CloudFormation has imported it, it is protected either way."""
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        DeletionProtectionEnabled=protected,
    )
    monkeypatch.chdir(tmp_path)
    seen: list[bool] = []
    cloudformation = Mock()
    cloudformation.create_change_set.return_value = {"Id": "take-back"}
    cloudformation.execute_change_set = lambda **_: seen.append(deploying.is_protected("kept"))
    real = boto3.client
    monkeypatch.setattr(
        boto3,
        "client",
        lambda name: cloudformation if name == "cloudformation" else Mock() if name == "s3" else real(name),
    )
    template = "TableName:\n        Fn::If:\n        - Named\n        - Ref: LedgerName\n        - Ref: AWS::NoValue\n  CodeUri: s3://a-bucket/key\n"

    def packages(*words: str) -> None:
        Path(words[-1]).write_text(template)

    monkeypatch.setattr(deploying, "_run", packages)
    deploying.take_back("headroom", Path("template.yaml"), {"LedgerName": "kept"})
    assert seen == [True]
    assert deploying.is_protected("kept") is protected
    with pytest.raises(click.ClickException, match="There is no table nowhere"):
        deploying.is_protected("nowhere")


def test_the_optional_stack_has_its_answers_from_the_stack_that_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {
        "PexipUrl": "https://manager.example.com",
        "TagValue": "manager.example.com",
        "SubnetIds": "subnet-1,subnet-2",
        "SecurityGroupIds": "sg-1",
        "CreateSecretsEndpoint": "no",
        "Mode": "control",
        "LogRetentionDays": "30",
        "Architecture": "arm64",
    }
    deployed: Any = Mock(parameters=parameters, outputs={"Ledger": "table", "PexipCredentials": "arn:secret"})
    deployed.name = "headroom"
    assert optional.answers(deployed) == {
        "PexipUrl": "https://manager.example.com",
        "TagValue": "manager.example.com",
        "SubnetIds": "subnet-1,subnet-2",
        "LogRetentionDays": "30",
        "Architecture": "arm64",
        "HeadroomStack": "headroom",
        "LedgerTable": "table",
        "PexipSecretArn": "arn:secret",
        "SecurityGroupIds": "sg-1",
    }
    told = {"StackResourceDetail": {"PhysicalResourceId": "sg-endpoint"}}
    monkeypatch.setattr("boto3.client", lambda _: Mock(describe_stack_resource=lambda **_: told))
    deployed.parameters = parameters | {"CreateSecretsEndpoint": "yes"}
    assert optional.answers(deployed)["SecurityGroupIds"] == "sg-1,sg-endpoint"
