"""What a new overflow node needs, and how far it has come: names, images, networks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.fleet.fleet import Instance, Power, Worker
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.planning.provisioning import (
    Image,
    Stage,
    checked_name,
    how_far,
    how_it_rests,
    image_for,
    network_of,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
IMAGES = (
    Image(id="ami-36", name="Pexip Infinity Conferencing Node 36 (build 79000.0.0)", made_at="2026-02-01"),
    Image(id="ami-37", name="Pexip Infinity Conferencing Node 37 (build 80989.0.0)", made_at="2026-01-01"),
    Image(id="ami-37-again", name="Pexip Infinity Conferencing Node 37 (build 80989.0.0)", made_at="2026-01-09"),
    Image(id="ami-other", name="Something else", made_at="2026-02-02"),
)
INSTANCE = Instance(
    id="i-1", power=Power.RUNNING, private_ip="10.0.0.9", tag="", launched_at=NOW - timedelta(minutes=6)
)
WORKER = Worker(
    id=1,
    status_id=1,
    name="burst-9",
    address="10.0.0.9",
    location="burst",
    boot_time=NOW - timedelta(minutes=2),
    sync_status="SYNCED",
    maintenance_mode_configured=True,
    maintenance_mode_reason="Headroom: burst-9 is being provisioned",
)


@pytest.mark.parametrize(
    ("version", "image"),
    [("37 (80989.0.0)", "ami-37-again"), ("36 (79000.0.0)", "ami-36"), ("36", "ami-36"), ("36.0.0", "ami-36")],
)
def test_the_newest_image_of_the_management_node_s_own_version_is_taken(version: str, image: str) -> None:
    assert image_for(version, IMAGES).id == image


@pytest.mark.parametrize(
    "name",
    [
        "Pexip Infinity Configuration Node 15 build 29345.0.0",
        "Pexip Infinity Conference Node 15 (build 29345.0.0)",
        "Pexip Infinity Conferencing Node 15.0.0 (build 29345.0.0)",
    ],
)
def test_however_pexip_has_called_its_images_over_the_years(name: str) -> None:
    assert image_for("15 (29345.0.0)", [Image(id="ami", name=name)]).id == "ami"


def test_an_image_of_another_build_stands_in_only_where_its_version_is_the_same() -> None:
    [other] = [Image(id="ami", name="Pexip Infinity Conferencing Node 37.1 (build 81500.0.0)")]
    with pytest.raises(BadRequestError, match=r"no image of version 37 \(80989.0.0\) .* Node 37.1"):
        image_for("37 (80989.0.0)", [other])
    assert image_for("37.1 (81234.0.0)", [other]).id == "ami"
    with pytest.raises(BadRequestError, match="there are: none"):
        image_for("37 (80989.0.0)", [])


def test_a_version_that_cannot_be_read_is_said() -> None:
    with pytest.raises(BadRequestError, match="name the image yourself"):
        image_for("", IMAGES)


@pytest.mark.parametrize("name", ["", "Burst-1", "burst 1", "-burst", "burst-", "b" * 33, "burst.1", "bürst"])
def test_a_name_that_is_no_hostname_is_refused(name: str) -> None:
    with pytest.raises(BadRequestError, match="cannot be a node's name"):
        checked_name(name)


def test_a_hostname_is_a_name() -> None:
    assert [checked_name(name) for name in ("burst-9", "b", "b" * 32)] == ["burst-9", "b", "b" * 32]


@given(st.integers(0, 2**32 - 1), st.integers(16, 28))
def test_netmask_and_gateway_are_the_subnet_s(address: int, prefix: int) -> None:
    """Of the sizes that a VPC's subnet may have: /16 to /28."""
    subnet = IPv4Network((address, prefix), strict=False)
    network = network_of(str(subnet))
    assert IPv4Network(f"{network.gateway}/{network.netmask}", strict=False) == subnet
    assert IPv4Address(network.gateway) == subnet[1]


def test_the_guide_s_example_of_a_netmask() -> None:
    assert network_of("172.31.16.0/20").netmask == "255.255.240.0"
    assert network_of("172.31.16.0/20").gateway == "172.31.16.1"


@pytest.mark.parametrize("cidr", ["", "10.0.0.1/20", "2001:db8::/64", "10.0.0.0/33"])
def test_what_is_no_ipv4_subnet_is_refused(cidr: str) -> None:
    with pytest.raises(BadRequestError, match="no IPv4 subnet"):
        network_of(cidr)


@pytest.mark.parametrize(
    ("worker", "stage", "why"),
    [
        (WORKER, Stage.CONNECTED, "it is in sync"),
        (None, Stage.CONNECTING, "no node of this name"),
        (replace(WORKER, boot_time=None), Stage.CONNECTING, "not heard of it since its launch"),
        (replace(WORKER, boot_time=NOW - timedelta(days=1)), Stage.CONNECTING, "not heard of it since"),
        (replace(WORKER, sync_status="SYNCING"), Stage.CONNECTING, "its sync_status is SYNCING"),
        (replace(WORKER, upgrade_status="UPGRADING"), Stage.CONNECTING, "changes its software"),
        (replace(WORKER, address="10.0.0.8"), Stage.CONNECTING, "has the address 10.0.0.8, and its instance"),
    ],
)
def test_how_far_a_node_has_come(worker: Worker | None, stage: Stage, why: str) -> None:
    workers = [worker] if worker else []
    found = how_far("burst-9", workers, INSTANCE, NOW - timedelta(minutes=5), NOW)
    assert found.stage is stage
    assert why in found.reason


def test_a_node_that_does_not_connect_for_half_an_hour_is_late() -> None:
    found = how_far("burst-9", [], INSTANCE, NOW - timedelta(minutes=31), NOW)
    assert (found.stage, found.reason) == (Stage.LATE, "for 30 minutes Pexip has no node of this name yet")
    assert how_far("burst-9", [WORKER], INSTANCE, NOW - timedelta(days=1), NOW).stage is Stage.CONNECTED


def test_how_a_new_overflow_node_rests() -> None:
    off, open_ = replace(INSTANCE, power=Power.STOPPED), replace(WORKER, maintenance_mode_configured=False)
    assert how_it_rests(WORKER, off, stops=True).stage is Stage.RESTING
    assert how_it_rests(open_, INSTANCE, stops=True).stage is Stage.IN_USE
    assert how_it_rests(WORKER, INSTANCE, stops=True).stage is Stage.WAITING
    assert how_it_rests(None, INSTANCE, stops=True).stage is Stage.WAITING
    assert "stop it yourself" in how_it_rests(WORKER, INSTANCE, stops=False).reason
