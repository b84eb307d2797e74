"""EC2: the tagged instances, starting and stopping one, and what it sends.

Start and stop errors are told apart by the SDK's error code, and raised as classes that workflows catch by name.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from headroom.domain.fleet.fleet import Instance, Power, Worker, alive, canonical
from headroom.domain.fleet.tags import TAG
from headroom.domain.safety.permission import NotNowError
from headroom.domain.safety.safety import PERIOD, PUBLISHED, next_period

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client

WITNESSED = timedelta(hours=1)  # older periods of what an instance sent say nothing about now
OLDEST = timedelta(days=4)  # CloudWatch answers with 1,440 points at the most
CONSOLE = 120  # characters of its last line
READING = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=3, read_timeout=10)
ACTING = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=3, read_timeout=10)


class Ec2Error(Exception):
    """EC2 did not do it; the message is EC2's own. `unanswered` says that EC2 may do it all the same, a little later."""

    unanswered = False


class InsufficientCapacityError(Ec2Error):
    """AWS has no room for this instance now: try again shortly, or another node."""


class ThrottledError(Ec2Error):
    """Too many requests to EC2 in this account: try again with back-off."""


class NotAllowedError(Ec2Error):
    """The role may not do this: the instance lacks the pexip-cloud tag, or its volume's key is not a parameter."""


class NotStartableError(Ec2Error):
    """This instance cannot be started as it is."""


ERRORS: dict[str, type[Ec2Error]] = {
    "InsufficientInstanceCapacity": InsufficientCapacityError,
    "InsufficientHostCapacity": InsufficientCapacityError,
    "InsufficientReservedInstanceCapacity": InsufficientCapacityError,
    "InstanceLimitExceeded": InsufficientCapacityError,
    "VcpuLimitExceeded": InsufficientCapacityError,
    "RequestLimitExceeded": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottlingException": ThrottledError,
    "Unavailable": ThrottledError,
    "ServiceUnavailable": ThrottledError,
    "InternalError": ThrottledError,
    "InternalFailure": ThrottledError,
    "UnauthorizedOperation": NotAllowedError,
}


UNANSWERED = {"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"}


def as_ec2_error(error: ClientError | BotoCoreError) -> Ec2Error:
    """Turn the SDK's error into one whose class says what it means."""
    if isinstance(error, BotoCoreError):
        told = Ec2Error(str(error))
        told.unanswered = True
        return told
    code = error.response["Error"]["Code"]
    told = ERRORS.get(code, NotStartableError)(f"{code}: {error.response['Error']['Message']}")
    told.unanswered = code in UNANSWERED
    return told


@dataclass
class Ec2:
    """The instances whose `pexip-cloud` tag is the Management Node's hostname, and nothing else."""

    tag_value: str

    @cached_property
    def client(self) -> "EC2Client":
        """For describing instances, with retries by the SDK; made when first needed."""
        return boto3.client("ec2", config=READING)

    @cached_property
    def acting(self) -> "EC2Client":
        """For starting and stopping, without retries by the SDK: Headroom paces and counts every request."""
        return boto3.client("ec2", config=ACTING)

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        """Made when first needed."""
        return boto3.client("cloudwatch", config=READING)

    def instances(self, **filters: str) -> tuple[Instance, ...]:
        """Return the tagged instances, those that match `filters` if given (`instance_id`)."""
        wanted: list[Any] = [{"Name": f"tag:{TAG}", "Values": [self.tag_value]}]
        wanted += [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        try:
            pages = self.client.get_paginator("describe_instances").paginate(Filters=wanted)
            found = [
                instance for page in pages for group in page["Reservations"] for instance in group.get("Instances", [])
            ]
        except (ClientError, BotoCoreError) as error:
            raise as_ec2_error(error) from error
        return tuple(sorted(map(as_instance, found), key=lambda instance: instance.id))

    def instance_of(self, worker: Worker) -> Instance:
        """Return the one living instance of a node; raise NotNowError where there is none, or more than one."""
        found = [each for each in alive(self.instances()) if canonical(worker.address) in each.addresses]
        if len(found) != 1:
            raise NotNowError(
                f"{worker.name} ({worker.address}) has {len(found)} tagged instances instead of one: see `headroom issues`."
            )
        return found[0]

    def start(self, instance_id: str) -> None:
        """Start an instance; starting one that runs changes nothing."""
        try:
            self.acting.start_instances(InstanceIds=[instance_id])
        except (ClientError, BotoCoreError) as error:
            raise as_ec2_error(error) from error

    def stop(self, instance_id: str) -> None:
        """Stop an instance. Only the stop step of `retire_node` calls this, after the safety rules have allowed it."""
        try:
            self.acting.stop_instances(InstanceIds=[instance_id])
        except (ClientError, BotoCoreError) as error:
            raise as_ec2_error(error) from error

    def network_out(self, instance_id: str, since: datetime, now: datetime) -> float | None:
        """Return the bytes a minute that an instance sent in EC2's newest final period since then; None if there is none.

        Basic monitoring has periods of five minutes, so traffic of calls that have just ended delays a stop a little.
        """
        sent = self._sent(instance_id, max(since, now - WITNESSED), now)
        return sent[max(sent)] if sent else None

    def sent_since(self, instance_id: str, since: datetime, now: datetime) -> tuple[float, ...] | None:
        """Return the bytes a minute that an instance sent in each whole period since then; None if one is missing.

        Of the last four days. The newest period has no figure for a while: it is not waited for.
        """
        first = next_period(max(since, now - OLDEST))
        sent = self._sent(instance_id, first, now)
        due = max(0, (now - PUBLISHED - first) // PERIOD)
        if any(first + number * PERIOD not in sent for number in range(due)):
            return None
        return tuple(sent[at] for at in sorted(sent))

    def _sent(self, instance_id: str, since: datetime, now: datetime) -> dict[datetime, float]:
        """Return the bytes a minute that an instance sent, by the beginning of each whole period since then."""
        statistics = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/EC2",
            MetricName="NetworkOut",
            Dimensions=[{"Name": "InstanceId", "Value": instance_id}],
            StartTime=since,  # CloudWatch refuses to answer with more than 1,440 points
            EndTime=now,
            Period=int(PERIOD.total_seconds()),
            Statistics=["Sum"],
        )
        minutes = PERIOD.total_seconds() / 60
        final = now - PERIOD - PUBLISHED  # before that a period's figure may still grow
        whole = (point for point in statistics["Datapoints"] if since <= point["Timestamp"] <= final)
        return {point["Timestamp"]: point["Sum"] / minutes for point in whole}

    def health(self, instance_id: str) -> str:
        """Return what EC2 says of an instance that does not come up: its status checks, and the end of its console's output."""
        try:
            found = self.client.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
            console = self.client.get_console_output(InstanceId=instance_id).get("Output", "")
        except (ClientError, BotoCoreError) as error:
            return f"EC2 does not say why ({error})"
        checks = [
            f"its system status check is {each['SystemStatus']['Status']}, its instance status check "
            f"{each['InstanceStatus']['Status']}"
            for each in found
        ]
        lines = console.strip().splitlines()
        ends = f"its console ends with «{lines[-1].strip()[:CONSOLE]}»" if lines else "its console says nothing"
        return ", ".join([*checks, ends])


def as_instance(described: Any) -> Instance:
    """Read an instance as DescribeInstances gives it."""
    public = [
        association
        for interface in described.get("NetworkInterfaces", [])
        if (association := interface.get("Association"))
    ]
    interfaces = described.get("NetworkInterfaces", [])
    return Instance(
        id=described["InstanceId"],
        name=next((tag["Value"] for tag in described.get("Tags", []) if tag["Key"] == "Name"), ""),
        power=Power(described["State"]["Name"]),
        private_ip=described.get("PrivateIpAddress"),
        tag=next((tag["Value"] for tag in described.get("Tags", []) if tag["Key"] == TAG), ""),
        public_ip=described.get("PublicIpAddress") or None,
        elastic=any(association.get("IpOwnerId") != "amazon" for association in public),
        launched_at=described["LaunchTime"],
        zone=described.get("Placement", {}).get("AvailabilityZone", ""),
        type=described.get("InstanceType", ""),
        state_reason=(described.get("StateReason") or {}).get("Message", ""),
        more_addresses=(
            *(one["PrivateIpAddress"] for each in interfaces for one in each.get("PrivateIpAddresses", [])),
            *(one["Ipv6Address"] for each in interfaces for one in each.get("Ipv6Addresses", [])),
        ),
    )
