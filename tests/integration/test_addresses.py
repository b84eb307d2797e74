"""A node is found by any private address of its instance: on a second interface, as a secondary address, or by IPv6."""

from collections.abc import Callable
from typing import Any

import pytest

from headroom.adapters.ec2 import Ec2
from headroom.domain.safety.permission import NotNowError
from tests.integration.conftest import HOSTNAME, Desk


def instance_at(desk: Desk, address: str) -> str:
    found = desk.ec2.describe_instances()["Reservations"]
    at = {one["PrivateIpAddress"]: str(one["InstanceId"]) for group in found for one in group["Instances"]}
    return at[address]


def in_another_network(desk: Desk, instance: str) -> str:
    """Attach a second interface; return its address."""
    vpc = desk.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = desk.ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]
    made = desk.ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress="10.77.1.9")["NetworkInterface"]
    desk.ec2.attach_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"], InstanceId=instance, DeviceIndex=1)
    return "10.77.1.9"


def as_a_secondary_address(desk: Desk, instance: str) -> str:
    [described] = desk.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    interface = described["NetworkInterfaces"][0]["NetworkInterfaceId"]
    desk.ec2.assign_private_ip_addresses(NetworkInterfaceId=interface, PrivateIpAddresses=["10.20.77.7"])
    return "10.20.77.7"


@pytest.mark.parametrize("where", [in_another_network, as_a_secondary_address])
def test_a_node_is_matched_and_found_by_that_address(desk: Desk, where: Callable[[Desk, str], str]) -> None:
    node = desk.world.nodes["burst-1"]
    instance = instance_at(desk, node.address)
    node.address = where(desk, instance)
    decided = desk.tick()
    assert [each.name for each in decided.nodes] == ["burst-1", "burst-2"]
    assert decided.issues == ()
    reading = desk.ledger.last_reading()
    assert reading
    worker = next(worker for worker in reading.workers if worker.name == "burst-1")
    assert Ec2(HOSTNAME).instance_of(worker).id == instance


def test_a_node_is_found_by_its_ipv6_address_however_it_is_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    node = desk.world.nodes["burst-1"]
    page = described(desk, instance_at(desk, node.address), Ipv6Addresses=[{"Ipv6Address": "2001:db8::9"}])
    ec2 = Ec2(HOSTNAME)
    monkeypatch.setattr(ec2.client, "get_paginator", lambda _: Pages(page))
    [instance] = ec2.instances()
    assert "2001:db8::9" in instance.addresses
    node.address = "2001:DB8:0:0:0:0:0:9"
    desk.observe()
    reading = desk.ledger.last_reading()
    assert reading
    worker = next(worker for worker in reading.workers if worker.name == "burst-1")
    assert ec2.instance_of(worker) == instance
    other = next(worker for worker in reading.workers if worker.name == "burst-2")
    with pytest.raises(NotNowError, match="has 0 tagged instances instead of one"):
        ec2.instance_of(other)


def described(desk: Desk, instance: str, **interface: Any) -> dict[str, Any]:
    """An answer with one instance whose only interface has these addresses, too."""
    [found] = desk.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    return {"Reservations": [{"Instances": [found | {"NetworkInterfaces": [interface]}]}]}


class Pages:
    """One page of instances."""

    def __init__(self, page: dict[str, Any]) -> None:
        self.page = page

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [self.page]
