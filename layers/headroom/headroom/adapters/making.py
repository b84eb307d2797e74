"""Making, tagging and ending instances: only the optional stack for provisioning nodes has the rights for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from headroom.adapters.ec2 import ACTING, READING, as_ec2_error, as_instance
from headroom.domain.fleet.fleet import Instance, Power
from headroom.domain.fleet.tags import BY, NODE, RUN, TAG
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.planning.provisioning import Image
from headroom.domain.safety.permission import NotNowError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

GONE = {Power.TERMINATED, Power.SHUTTING_DOWN}
NAMES = ["Pexip Infinity Conf*Node*"]


@dataclass
class Making:
    """The instances that a stack of Headroom has made, and those that it was told of."""

    stack: str
    tag_value: str

    @cached_property
    def client(self) -> "EC2Client":
        """For describing, with retries by the SDK."""
        return boto3.client("ec2", config=READING)

    @cached_property
    def acting(self) -> "EC2Client":
        """For changes, without retries by the SDK: the workflow repeats its steps."""
        return boto3.client("ec2", config=ACTING)

    def images(self, owner: str, image: str = "") -> list[Image]:
        """Return the images for Conferencing Nodes of an owner, or the one that was named."""
        given: dict[str, Any] = {"Owners": [owner], "Filters": [{"Name": "name", "Values": NAMES}]}
        found = self._read("describe_images", **({"ImageIds": [image]} if image else given))["Images"]
        return [
            Image(id=one["ImageId"], name=one.get("Name", ""), made_at=one.get("CreationDate", "")) for one in found
        ]

    def subnet(self, subnet: str) -> tuple[str, str]:
        """Return a subnet's addresses, as 10.0.0.0/20, and its zone."""
        [found] = self._read("describe_subnets", SubnetIds=[subnet])["Subnets"]
        return found["CidrBlock"], found["AvailabilityZone"]

    def made(self, node: str) -> Instance | None:
        """Return the living instance that this stack has made for a node; raise BadRequestError if there are several."""
        found = self._tagged({BY: self.stack, NODE: node})
        living = [each for each in found if each.power not in GONE]
        if len(living) > 1:
            raise BadRequestError(
                f"{len(living)} instances carry {NODE} = {node}: {', '.join(each.id for each in living)}. Terminate all but one."
            )
        return living[0] if living else None

    def why_ended(self, node: str, token: str) -> str:
        """Say why EC2 has ended the instance that an execution has run; empty if it has not.

        EC2 may accept a request and end the instance at once, for instance where it has no room, or may not use a volume's key.
        """
        found = self._tagged({BY: self.stack, NODE: node, RUN: token})
        return next((f"{each.id}: {each.state_reason or each.power}" for each in found if each.power in GONE), "")

    def _tagged(self, tags: Mapping[str, str]) -> list[Instance]:
        filters = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
        pages = self._read("describe_instances", Filters=filters)
        return [as_instance(one) for group in pages["Reservations"] for one in group["Instances"]]

    def instance(self, instance: str) -> Instance:
        """Return one instance; raise NotNowError if EC2 knows none of that id."""
        pages = self._read("describe_instances", InstanceIds=[instance])
        found = [as_instance(one) for group in pages["Reservations"] for one in group["Instances"]]
        if not found:
            raise NotNowError(f"EC2 knows no instance {instance}.")
        return found[0]

    def run(self, node: str, token: str, *, order: Mapping[str, Any]) -> None:
        """Run an instance for a node. A repetition with the same token makes no second one: that is EC2's promise.

        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
        """
        named = {"Name": node, BY: self.stack, NODE: node, RUN: token}
        tags = [{"Key": name, "Value": value} for name, value in named.items()]
        self._change(
            "run_instances",
            ImageId=order["image"],
            InstanceType=order["instance_type"],
            SubnetId=order["subnet"],
            SecurityGroupIds=list(order["security_groups"]),
            MinCount=1,
            MaxCount=1,
            ClientToken=token[:64],
            Placement={"Tenancy": order["tenancy"]},
            InstanceInitiatedShutdownBehavior="stop",
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
            **({"KeyName": order["key"]} if order["key"] else {}),
        )

    def associate(self, elastic_ip: str, instance: str) -> None:
        """Give an instance its Elastic IP, by its allocation's id; never one that another has."""
        self._change("associate_address", AllocationId=elastic_ip, InstanceId=instance, AllowReassociation=False)

    def tag(self, instance: str) -> None:
        """Make it an overflow instance."""
        self._change("create_tags", Resources=[instance], Tags=[{"Key": TAG, "Value": self.tag_value}])

    def untag(self, instance: str) -> None:
        """Make it an overflow instance no more."""
        self._change("delete_tags", Resources=[instance], Tags=[{"Key": TAG, "Value": self.tag_value}])

    def start(self, instance: str) -> None:
        """Start it."""
        self._change("start_instances", InstanceIds=[instance])

    def terminate(self, instance: str) -> None:
        """End it for ever. Only `terminate_instance` calls this, for an instance that is stopped."""
        self._change("terminate_instances", InstanceIds=[instance])

    def _read(self, what: str, **given: object) -> Any:
        try:
            return getattr(self.client, what)(**given)
        except (ClientError, BotoCoreError) as error:
            raise as_ec2_error(error) from error

    def _change(self, what: str, **given: object) -> None:
        try:
            getattr(self.acting, what)(**given)
        except (ClientError, BotoCoreError) as error:
            raise as_ec2_error(error) from error
