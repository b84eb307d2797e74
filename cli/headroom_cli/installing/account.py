"""What can be known of an AWS account before anything is made in it."""

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

import boto3
import click
from botocore.exceptions import ClientError

from headroom_cli.stack import identity

LONGEST_NAME = 68  # characters of a stack's name: a state machine's has 80, and twelve of them are ours
GOES_ON = "wait until CloudFormation has ended what it does, and run this again."
STUCK = {
    "ROLLBACK_COMPLETE": "its first deployment failed. Run `headroom uninstall --stack {name}`, then this again.",
    "ROLLBACK_FAILED": "its first deployment failed, and so did taking it back: delete the stack in CloudFormation's console.",
    "DELETE_FAILED": "its removal has stopped half-way: `headroom uninstall --stack {name}` goes on with it.",
    "UPDATE_ROLLBACK_FAILED": "choose «Continue update rollback» in CloudFormation's console first.",
    "REVIEW_IN_PROGRESS": "a change set waits for a yes or no there: `headroom uninstall --stack {name}` takes it away.",
}


@dataclass(frozen=True, slots=True)
class Account:
    """One account and region, and who asks."""

    number: str
    region: str
    partition: str
    who: str

    @classmethod
    def here(cls) -> Self:
        """Return the account that the profile leads to; raise ClickException for one in which Pexip bursts not."""
        if region := os.environ.get("AWS_REGION"):
            os.environ["AWS_DEFAULT_REGION"] = region  # boto3 knows only this one, the AWS CLI prefers the other
        client = boto3.client("sts")
        arn = str(client.get_caller_identity()["Arn"])
        partition, number = arn.split(":")[1], arn.split(":")[4]
        if partition == "aws-cn":
            raise click.ClickException(
                "Pexip's deployment guide for AWS excludes the regions in China: choose another account with AWS_PROFILE."
            )
        return cls(number, str(client.meta.region_name), partition, identity())

    def stack(self, name: str) -> dict[str, Any] | None:
        """Return what CloudFormation says of a stack, None if there is none; raise ClickException for one that is stuck."""
        try:
            [found] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
        status = found["StackStatus"]
        if status in STUCK:
            raise click.ClickException(f"The stack {name} is in {status}: {STUCK[status].format(name=name)}")
        if status.endswith("IN_PROGRESS"):
            raise click.ClickException(f"The stack {name} is in {status}: {GOES_ON}")
        return dict(found)

    def taken(self, stack: str) -> list[str]:
        """Return what exists already under the names that a new stack would give: CloudFormation would fail at it."""
        found = []
        buses = boto3.client("events").list_event_buses(NamePrefix=stack)["EventBuses"]
        found += [f"the event bus {one['Name']}" for one in buses if one["Name"] == stack]
        machines = boto3.client("stepfunctions").get_paginator("list_state_machines").paginate()
        ours = {f"{stack}-{name}" for name in ("start-node", "set-open", "retire-node", "prewarm")}
        found += [
            f"the state machine {one['name']}"
            for page in machines
            for one in page["stateMachines"]
            if one["name"] in ours
        ]
        group = f"/aws/vendedlogs/states/{stack}"
        groups = boto3.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        found += [f"the log group {one['logGroupName']}" for one in groups if one["logGroupName"] == group]
        return found

    def tagged(self) -> Counter[str]:
        """Count the region's instances by what their pexip-cloud tag says."""
        pages = (
            boto3.client("ec2")
            .get_paginator("describe_instances")
            .paginate(
                Filters=[
                    {"Name": "tag-key", "Values": ["pexip-cloud"]},
                    {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
                ]
            )
        )
        instances = (one for page in pages for group in page["Reservations"] for one in group["Instances"])
        return Counter(tag["Value"] for one in instances for tag in one["Tags"] if tag["Key"] == "pexip-cloud")
