"""Look at an account for the doctor. What cannot be looked at is written down, and spoils nothing else."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from headroom import clock
from headroom.adapters.ec2 import Ec2, Ec2Error, as_instance
from headroom.adapters.pexip.errors import PexipError
from headroom.domain.doctor.facts import Machine, Reservation
from headroom.domain.fleet.fleet import Power, Worker
from headroom.domain.fleet.tags import BY, TAG
from headroom.domain.texts import TOLD, line

NEARLY = [TAG, "?exip?cloud*", "?exip?Cloud*", "PEXIP?CLOUD*", f" {TAG}*"]  # tag keys that were meant to be the tag
QUOTA = "L-1216C47A"  # Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances, in vCPUs
ADDRESSES = 200  # values that one filter of EC2 takes
BOOT = timedelta(minutes=15)  # a node that boots sends more
LATELY = timedelta(minutes=30)  # an older figure says nothing of now


@dataclass
class Looking:
    """What was seen so far, and why something was not."""

    seen: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def at(self, name: str, look: Callable[[], object]) -> None:
        """Look at one thing; write down why it cannot be seen."""
        try:
            self.seen[name] = look()
        except (ClientError, BotoCoreError, Ec2Error) as error:
            self.unknown[name] = f"AWS did not say: {error}"
        except PexipError as error:
            self.unknown[name] = str(error)
        except (LookupError, ValueError, TypeError, AttributeError) as error:  # an answer of another shape
            self.unknown[name] = f"An answer could not be read: {type(error).__name__} {line(str(error), TOLD)}"


@dataclass(frozen=True, slots=True)
class Site:
    """The account in which the platform's instances are."""

    tag_value: str

    def look(self, looking: Looking, workers: Sequence[Worker]) -> None:
        """Look at instances, their types, the quota, reservations, and what empty nodes send."""
        _look(looking, self.tag_value, workers)


def _look(looking: Looking, tag_value: str, workers: Sequence[Worker]) -> None:
    addresses = [worker.address for worker in workers if worker.address]
    looking.at("region", lambda: str(boto3.client("ec2").meta.region_name))
    looking.at("machines", lambda: _machines(addresses))
    machines: tuple[Machine, ...] = looking.seen.get("machines", ())
    types = sorted({each.instance.type for each in machines if each.instance.type})
    looking.at("vcpus", lambda: _vcpus(types))
    looking.at("vcpu_quota", _quota)
    looking.at("idle", lambda: _idle(tag_value, workers, looking.seen["machines"]))
    looking.at("reservations", lambda: _reservations(boto3.client("ec2")))


def _machines(addresses: Sequence[str]) -> tuple[Machine, ...]:
    """Return the instances that carry the tag or one like it, those that Headroom has made, and those with a node's address."""
    described = {one["InstanceId"]: one for one in _described("tag-key", [*NEARLY, BY])}
    for begin in range(0, len(addresses), ADDRESSES):
        described |= {
            one["InstanceId"]: one for one in _described("private-ip-address", addresses[begin : begin + ADDRESSES])
        }
    keys = _volume_keys(described)
    return tuple(
        Machine(
            instance=as_instance(one),
            tags={tag["Key"]: tag["Value"] for tag in one.get("Tags", [])},
            key_name=one.get("KeyName", ""),
            stop_protected=_is_protected(one["InstanceId"]),
            volume_keys=tuple(sorted(keys.get(one["InstanceId"], ()))),
        )
        for one in sorted(described.values(), key=lambda one: str(one["InstanceId"]))
        if one["State"]["Name"] != "terminated"
    )


def _described(name: str, values: Iterable[str]) -> list[Any]:
    filters: Any = [{"Name": name, "Values": list(values)}]
    pages = boto3.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    return [one for page in pages for group in page["Reservations"] for one in group.get("Instances", [])]


def _is_protected(instance_id: str) -> bool | None:
    try:
        said = boto3.client("ec2").describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiStop")
    except (ClientError, BotoCoreError):
        return None
    return bool(said.get("DisableApiStop", {}).get("Value"))


def _volume_keys(instances: Iterable[str]) -> dict[str, set[str]]:
    """Return the customer keys of each instance's encrypted volumes; AWS's own key opens by itself."""
    wanted = list(instances)
    found: dict[str, set[str]] = {}
    for begin in range(0, len(wanted), ADDRESSES):  # a filter without a value would mean every volume
        filters: Any = [{"Name": "attachment.instance-id", "Values": wanted[begin : begin + ADDRESSES]}]
        for page in boto3.client("ec2").get_paginator("describe_volumes").paginate(Filters=filters):
            for volume in page["Volumes"]:
                for attachment in volume["Attachments"] if volume.get("Encrypted") else ():
                    found.setdefault(attachment["InstanceId"], set()).add(volume.get("KmsKeyId", ""))
    customers = {key for key in set().union(*found.values()) if key and _is_customers(key)}
    return {instance: keys & customers for instance, keys in found.items()}


def _is_customers(key: str) -> bool:
    try:
        said = boto3.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    except (ClientError, BotoCoreError):
        return True  # rather one key too many in KeyArns than a node that cannot start
    return str(said.get("KeyManager")) != "AWS"


def _idle(tag_value: str, workers: Sequence[Worker], machines: Sequence[Machine]) -> dict[str, float]:
    """Return the kB a minute that each overflow node sends which is on and empty, by EC2's newest figure."""
    ec2, now = Ec2(tag_value), clock.now()
    empty = {worker.address: worker.name for worker in workers if not worker.carries and worker.used_hd in {None, 0}}
    found = {}
    for machine in machines:
        instance = machine.instance
        name = next((empty[address] for address in sorted(instance.addresses) if address in empty), "")
        if name and machine.tags.get(TAG) == tag_value and instance.power is Power.RUNNING and instance.launched_at:
            sent = ec2.network_out(instance.id, max(instance.launched_at + BOOT, now - LATELY), now)
            if sent is not None:
                found[name] = sent / 1000
    return found


def _reservations(client: Any) -> tuple[Reservation, ...]:
    filters: Any = [{"Name": "state", "Values": ["active"]}]
    pages = client.get_paginator("describe_capacity_reservations").paginate(Filters=filters)
    return tuple(
        Reservation(
            type=one["InstanceType"],
            zone=one["AvailabilityZone"],
            total=one["TotalInstanceCount"],
            free=one["AvailableInstanceCount"],
        )
        for page in pages
        for one in page["CapacityReservations"]
    )


def _vcpus(types: Sequence[str]) -> dict[str, int]:
    if not types:
        return {}
    wanted: Any = list(types)
    pages = boto3.client("ec2").get_paginator("describe_instance_types").paginate(InstanceTypes=wanted)
    return {
        str(one["InstanceType"]): int(one["VCpuInfo"]["DefaultVCpus"])
        for page in pages
        for one in page["InstanceTypes"]
    }


def _quota() -> float:
    said = boto3.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=QUOTA)
    return float(said["Quota"]["Value"])
