"""What a new overflow node needs, by Pexip's deployment guide for AWS, and how far its provisioning has come."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from headroom.domain.fleet.fleet import Instance, Power, Worker, is_in_step
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.texts import listed

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")  # Pexip takes 32 characters, a hostname these
# As Pexip's guides and others have called them, over the years: «Conferencing Node», «Configuration Node», «Conference Node»
IMAGE = re.compile(
    r"Pexip Infinity (?:Conferenc(?:e|ing)|Configuration) Node (?P<version>\S+) \(?build (?P<build>[^\s)]+)\)?"
)
VERSION = re.compile(r"(?P<version>[0-9]+(?:\.[0-9]+)*)(?: \((?P<build>[^)]+)\))?")
EARLY = timedelta(seconds=60)  # by which the Management Node's clock may be behind EC2's
CONNECTS_WITHIN = timedelta(minutes=30)  # Pexip's guide says about five minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An AMI: its id, its name, and when it was made, ISO 8601."""

    id: str
    name: str
    made_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a subnet says of a node's network: netmask, and gateway, which is its first usable address."""

    netmask: str
    gateway: str


def checked_name(name: str) -> str:
    """Return the name of a new node; raise BadRequestError for one that is no hostname."""
    if not NAME.fullmatch(name):
        raise BadRequestError(
            f"{listed([name])} cannot be a node's name: up to 32 small letters, digits and hyphens, as it is its hostname, too."
        )
    return name


def image_for(version: str, images: Iterable[Image]) -> Image:
    """Return the newest image of the Management Node's version; raise BadRequestError where there is none.

    `version` is as Pexip's status shows it: 37 (80989.0.0). An image is of it if its build, or else its version, is the same.
    """
    told, known = VERSION.fullmatch(version), [(each, IMAGE.search(each.name)) for each in images]
    if told is None:
        raise BadRequestError(f"Pexip's version {version!r} cannot be read: name the image yourself.")
    same = [
        each
        for each, name in known
        if name and (_same(name["build"], told["build"] or "") or _same(name["version"], told["version"]))
    ]
    exact = [each for each, name in known if name and _same(name["build"], told["build"] or "")]
    if found := exact or same:
        return max(found, key=lambda each: each.made_at)
    there = listed(sorted(each.name for each, name in known if name)) or "none"
    raise BadRequestError(
        f"There is no image of version {version} in this region; there are: {there}. Name one yourself if it is of that version."
    )


def _same(one: str, other: str) -> bool:
    """Say whether two versions are the same: 37 is 37.0.0."""
    return bool(other) and re.sub(r"(\.0)+$", "", one) == re.sub(r"(\.0)+$", "", other)


def network_of(cidr: str) -> Network:
    """Return what a node in a subnet is configured with; raise BadRequestError for what is no subnet of VPC's."""
    try:
        subnet = IPv4Network(cidr)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise BadRequestError(f"{cidr!r} is no IPv4 subnet: {error}") from error
    # The VPC's router has the first usable address: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
    return Network(netmask=str(subnet.netmask), gateway=str(IPv4Address(int(subnet.network_address) + 1)))


class Stage(StrEnum):
    """How far the provisioning of a node has come."""

    CONNECTING = "connecting"  # it has its configuration, and Pexip has not heard of it since
    CONNECTED = "connected"
    RESTING = "resting"  # it is off, and was an overflow node before
    IN_USE = "in use"
    MOVED = "moved"  # it belongs to its new location, and has to be started and opened
    WAITING = "waiting"  # it is an overflow node that is on, until Headroom stops it
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How far it has come, and why that is believed."""

    stage: Stage
    reason: str


def how_far(name: str, workers: Sequence[Worker], instance: Instance, begun: datetime, now: datetime) -> Found:
    """Say how far a node has come that was given its configuration; `begun` is when its workflow began to wait."""
    worker = next((each for each in workers if each.name == name), None)
    if worker and _is_connected(worker, instance):
        return Found(stage=Stage.CONNECTED, reason="Pexip has heard of it since its launch, and it is in sync")
    why = "Pexip has no node of this name yet" if worker is None else _why_not_connected(worker, instance)
    if now - begun > CONNECTS_WITHIN:
        return Found(stage=Stage.LATE, reason=f"for {CONNECTS_WITHIN.seconds // 60} minutes {why}")
    return Found(stage=Stage.CONNECTING, reason=why)


def _is_connected(worker: Worker, instance: Instance) -> bool:
    return (
        worker.address in instance.addresses
        and worker.boot_time is not None
        and instance.launched_at is not None
        and worker.boot_time >= instance.launched_at - EARLY
        and is_in_step(worker.sync_status)
        and not worker.upgrading
    )


def _why_not_connected(worker: Worker, instance: Instance) -> str:
    if worker.address not in instance.addresses:
        return f"Pexip's node of this name has the address {worker.address}, and its instance has {instance.private_ip}"
    if worker.boot_time is None or (instance.launched_at and worker.boot_time < instance.launched_at - EARLY):
        return "Pexip has not heard of it since its launch"
    return (
        f"its sync_status is {worker.sync_status}"
        if not is_in_step(worker.sync_status)
        else "Pexip changes its software"
    )


def how_it_rests(worker: Worker | None, instance: Instance, *, stops: bool) -> Found:
    """Say how things stand with a node that has become an overflow node; `stops` says whether Headroom may stop nodes."""
    if instance.power is Power.STOPPED:
        return Found(stage=Stage.RESTING, reason="it is off, and is started when it is needed")
    if worker and not worker.closed:
        return Found(stage=Stage.IN_USE, reason="it was needed at once, and is open")
    if not stops:
        return Found(
            stage=Stage.RESTING, reason="it is on and closed; Headroom stops no node in this mode, so stop it yourself"
        )
    return Found(stage=Stage.WAITING, reason="it is on and closed until Headroom has stopped it")
