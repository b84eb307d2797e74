"""Making, tagging and ending instances, against moto's EC2."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from headroom.adapters.ec2 import Ec2Error
from headroom.adapters.making import Making
from headroom.domain.fleet.fleet import Power
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.safety.permission import NotNowError

OURS = "123456789012"  # moto's account
NAME = "Pexip Infinity Conferencing Node 37 (build 80989.0.0)"


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield boto3.client("ec2")


@pytest.fixture
def order(ec2: Any) -> dict[str, Any]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.16.0/20")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="pexip", Description="pexip", VpcId=vpc)["GroupId"]
    ec2.create_key_pair(KeyName="pexip")
    image = ec2.register_image(Name=NAME, RootDeviceName="/dev/sda1")["ImageId"]
    return {
        "image": image,
        "subnet": subnet,
        "security_groups": [group],
        "instance_type": "c6i.2xlarge",
        "key": "pexip",
        "tenancy": "default",
    }


@pytest.fixture
def making(ec2: Any) -> Making:
    return Making("headroom", "manager.example.com")


def test_an_instance_is_run_once_found_by_its_tags_tagged_and_ended(
    making: Making, order: dict[str, Any], ec2: Any
) -> None:
    assert making.made("burst-9") is None
    making.run("burst-9", "token", order=order)
    made = making.made("burst-9")
    assert made is not None
    assert (made.name, made.power, made.tag) == ("burst-9", Power.RUNNING, "")
    [described] = ec2.describe_instances(InstanceIds=[made.id])["Reservations"][0]["Instances"]
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == {
        "Name": "burst-9",
        "headroom-stack": "headroom",
        "headroom-node": "burst-9",
        "headroom-run": "token",
    }
    assert making.why_ended("burst-9", "token") == ""
    assert (described["KeyName"], described["SubnetId"]) == ("pexip", order["subnet"])
    assert making.made("burst-8") is None
    assert Making("another", "manager.example.com").made("burst-9") is None
    making.tag(made.id)
    assert making.instance(made.id).tag == "manager.example.com"
    making.untag(made.id)
    assert making.instance(made.id).tag == ""
    making.terminate(made.id)
    assert making.made("burst-9") is None
    assert making.why_ended("burst-9", "token").startswith(f"{made.id}: ")
    assert making.why_ended("burst-9", "of another execution") == ""


def test_an_elastic_ip_is_given_and_never_taken_from_another(making: Making, order: dict[str, Any], ec2: Any) -> None:
    allocation = ec2.allocate_address(Domain="vpc")
    for name in ("burst-8", "burst-9"):
        making.run(name, name, order=order)
    first, second = (making.made(name) for name in ("burst-8", "burst-9"))
    assert first
    assert second
    making.associate(allocation["AllocationId"], first.id)
    there = making.instance(first.id)
    assert (there.public_ip, there.elastic) == (allocation["PublicIp"], True)
    with pytest.raises(Ec2Error, match="AlreadyAssociated"):
        making.associate(allocation["AllocationId"], second.id)


def test_two_of_one_name_are_told_of(making: Making, order: dict[str, Any]) -> None:
    making.run("burst-9", "one", order=order)
    making.run("burst-9", "another", order=order)
    with pytest.raises(BadRequestError, match="2 instances carry headroom-node = burst-9"):
        making.made("burst-9")


def test_images_are_those_of_one_owner_or_the_one_that_is_named(making: Making, order: dict[str, Any]) -> None:
    assert [image.name for image in making.images(OURS)] == [NAME]
    assert making.images("686087431763") == []
    assert [image.id for image in making.images("686087431763", order["image"])] == [order["image"]]


def test_a_subnet_says_its_addresses_and_its_zone(making: Making, order: dict[str, Any]) -> None:
    cidr, zone = making.subnet(order["subnet"])
    assert cidr == "10.0.16.0/20"
    assert zone.startswith("eu-central-1")


def test_what_is_not_there_is_said_in_ec2_s_words(making: Making, order: dict[str, Any]) -> None:
    with pytest.raises(Ec2Error, match=r"InvalidSubnetID\.NotFound"):
        making.subnet("subnet-0123456789abcdef0")
    with pytest.raises(Ec2Error, match="InvalidAMIID"):
        making.images(OURS, "ami-0fffffffffffffff0")
    with pytest.raises((Ec2Error, NotNowError)):
        making.instance("i-0123456789abcdef0")
