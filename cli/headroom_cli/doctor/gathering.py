"""Look at a site: its Management Node and its instances. What cannot be looked at is written down, and spoils nothing else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from headroom import clock
from headroom.adapters.ec2 import TAG, Ec2, as_instance
from headroom.adapters.making import BY
from headroom.adapters.pexip.asking import ManagementNode
from headroom.adapters.pexip.credentials import Credentials
from headroom.adapters.pexip.errors import PexipError
from headroom.domain.fleet.fleet import Power, Worker
from headroom.domain.policy import Policy
from headroom.domain.texts import TOLD, line
from headroom_cli.doctor.facts import Facts, Machine, Monitored, Reservation
from headroom_cli.installing import manager

NEARLY = [TAG, "?exip?cloud*", "?exip?Cloud*", "PEXIP?CLOUD*", f" {TAG}*"]  # tag keys that were meant to be the tag
QUOTA = "L-1216C47A"  # Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances, in vCPUs
ADDRESSES = 200  # values that one filter of EC2 takes
SAMPLES = 3  # rows of each list that a file of facts has
OF_PEXIP = ("reading", "monitored", "versions", "licences", "alarms")
LISTS = ("status/v1/worker_vm", "status/v1/cloud_node", "status/v1/cloud_monitored_location", "status/v1/alarm")
OF_ALARMS = {"identifier", "name", "level"}  # what an alarm's details say may name anybody
OF_ROWS = {  # fields that say how this platform answers, and name nobody
    *("boot_time", "sync_status", "maintenance_mode", "upgrade_status", "version", "node_type", "deploy_status"),
    *("max_hd_calls", "max_sd_calls", "max_full_hd_calls", "max_audio_calls", "max_media_tokens", "media_tokens_used"),
    *("media_load", "signaling_count", "last_updated", "last_attempted_contact", "cpu_count", "cpu_capabilities"),
    *("cloud_instance_state", "cloud_instance_launch_time", "aws_instance_state", "free_hd_calls"),
}
BOOT, LATELY = (
    timedelta(minutes=15),
    timedelta(minutes=30),
)  # a node that boots sends more, an older figure says nothing of now
CALLS = ("port", "audio")  # the kinds of licences that a call takes


class Asked(ManagementNode):
    """The Management Node, asked for rows as it gives them."""

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list; raise PexipError where it is not given."""
        self._begin()
        rows, _ = self._rows(path)
        return [row for row in rows if isinstance(row, dict)]


@dataclass
class Looking:
    """What was seen so far, and why something was not."""

    seen: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def at(self, name: str, look: Callable[[], object]) -> None:
        """Look at one thing; write down why it cannot be seen."""
        try:
            self.seen[name] = look()
        except (ClientError, BotoCoreError) as error:
            self.unknown[name] = f"AWS did not say: {error}"
        except PexipError as error:
            self.unknown[name] = str(error)
        except (LookupError, ValueError, TypeError, AttributeError) as error:  # an answer of another shape
            self.unknown[name] = f"An answer could not be read: {type(error).__name__} {line(str(error), TOLD)}"


def gathered(
    *,
    stack: str,
    tag_value: str,
    url: str,
    credentials: Credentials | None,
    parameters: Mapping[str, str] | None,
    policy: Policy,
    peaks: Callable[[], Mapping[str, float]] | None = None,
) -> Facts:
    """Look at everything. Without `credentials` Pexip is not asked; `stack` is empty before there is one.

    `peaks` tells the most that past days had in use, by principal location.
    """
    looking, now = Looking(), clock.now()
    answer = manager.ask(url)
    if parameters is None:
        looking.unknown["parameters"] = "There is no stack yet."
    looking.seen["address"] = (answer.sentence, answer.answers, not answer.certificate)
    workers: Sequence[Worker] = ()
    if credentials is None:
        looking.unknown |= dict.fromkeys(OF_PEXIP, "No credentials were given: use --secret.")
    else:
        asked = Asked(url, credentials)
        try:
            looking.at("reading", lambda: asked.read(tag_value, now, stack=stack))
            looking.at("answers", lambda: _samples(asked))
            looking.at("monitored", lambda: _monitored(asked))
            looking.at("versions", lambda: _versions(asked))
            looking.at("licences", lambda: _licences(asked))
            looking.at("alarms", lambda: [str(row.get("name") or "") for row in asked.rows("status/v1/alarm")])
        finally:
            asked.close()
        workers = looking.seen["reading"].workers if "reading" in looking.seen else ()
    _look_at_ec2(looking, [worker.address for worker in workers if worker.address])
    looking.at("idle", lambda: _idle(tag_value, workers, looking.seen["machines"]))
    if peaks is not None:
        looking.at("peaks", peaks)
    else:
        looking.unknown["peaks"] = "There is no stack yet, so no past day is known."
    return Facts(
        now=now,
        tag_value=tag_value,
        host=urlsplit(url).hostname or "",
        policy=policy,
        parameters=parameters,
        unknown=looking.unknown,
        **looking.seen,
    )


# Pexip


def _samples(asked: Asked) -> dict[str, list[dict[str, Any]]]:
    """Return some rows of each list that a file of facts has; an empty list says that it was not given."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in LISTS:
        try:
            kept = OF_ALARMS if path.endswith("alarm") else OF_ROWS
            found[path] = [
                {name: value if name in kept else "there" for name, value in row.items()}
                for row in asked.rows(path)[:SAMPLES]
            ]
        except PexipError as error:
            found[path] = [{"not given": str(error)}]
    return found


def _monitored(asked: Asked) -> tuple[Monitored, ...]:
    rows = asked.rows("status/v1/cloud_monitored_location")
    return tuple(
        Monitored(
            name=str(row.get("name")),
            free_hd_calls=_whole(row, "free_hd_calls"),
            max_hd_calls=_whole(row, "max_hd_calls"),
        )
        for row in rows
    )


def _versions(asked: Asked) -> dict[str, str]:
    rows = [*asked.rows("status/v1/management_vm"), *asked.rows("status/v1/worker_vm")]
    return {str(row.get("name")): str(row["version"]) for row in rows if row.get("version")}


def _licences(asked: Asked) -> dict[str, tuple[int, int]]:
    """Return the licences in use and there that calls take, by kind; a total of 0 is none of this platform's."""
    rows = asked.rows("status/v1/licensing")
    return {
        kind: (_whole(row, f"{kind}_count") or 0, there)
        for row in rows
        for kind in CALLS
        if (there := _whole(row, f"{kind}_total"))
    }


def _whole(row: Mapping[str, Any], name: str) -> int | None:
    value = row.get(name)
    return value if isinstance(value, int) else None


# EC2


def _look_at_ec2(looking: Looking, addresses: Sequence[str]) -> None:
    looking.at("region", lambda: str(boto3.client("ec2").meta.region_name))
    looking.at("machines", lambda: _machines(addresses))
    machines: tuple[Machine, ...] = looking.seen.get("machines", ())
    types = sorted({each.instance.type for each in machines if each.instance.type})
    looking.at("vcpus", lambda: _vcpus(types))
    looking.at("vcpu_quota", _quota)
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
