"""Take a stack away: first everything that AWS would not delete with it, then the stack; say what is kept."""

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import click
from botocore.exceptions import ClientError

from headroom.domain.policy import Mode
from headroom_cli import handing
from headroom_cli.installing import deploying
from headroom_cli.installing.account import GOES_ON, Account
from headroom_cli.provisioning import OWN
from headroom_cli.saying import say
from headroom_cli.stack import Deployed, spoken, stack_of

PRICE = 0.306  # dollars a month for a gigabyte of a DynamoDB table, eu-central-1; point-in-time recovery 0.2448 more
RECOVERY = 0.2448
WHOLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}


def uninstall(stack: str, *, force: bool) -> None:
    """Hand the nodes back, detach, end and delete; raise ClickException that says what to do."""
    with spoken():
        account = Account.here()
        status = _status(stack)
        if status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise click.ClickException(f"The stack {stack} is in {status}: {GOES_ON}")
        sentence = f"Delete the stack {stack} in {account.region} of account {account.number} ({status})?"
        if not click.confirm(sentence, default=False):
            raise click.Abort
        outputs = {}
        delete_optional(stack)
        if status in WHOLE:
            deployed = stack_of(stack)
            outputs = deployed.outputs
            _leave_the_nodes(deployed, force=force)
            _detach(deployed)
        say(f"Deleting {stack}.")
        client = boto3.client("cloudformation")
        client.delete_stack(StackName=stack)
        try:
            client.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 5})
        except Exception as error:
            if why := deploying.first_failure(stack):
                raise click.ClickException(f"CloudFormation stopped at {why}. Mend it and run this again.") from error
            raise
        say(f"{stack} is deleted.")
        if table := outputs.get("Ledger"):
            say(_kept(table))


def delete_optional(stack: str) -> None:
    """Delete the stack that may make nodes, if there is one: it is of no use without this one, and holds nothing."""
    name, client = f"{stack}{OWN}", boto3.client("cloudformation")
    there = [one["StackName"] for page in client.get_paginator("describe_stacks").paginate() for one in page["Stacks"]]
    if name in there:
        say(f"Deleting {name} first.")
        client.delete_stack(StackName=name)
        client.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 5})


def _status(stack: str) -> str:
    try:
        [found] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            raise click.ClickException(
                f"There is no stack {stack} here: look at AWS_PROFILE and AWS_REGION."
            ) from error
        raise
    return str(found["StackStatus"])


def _leave_the_nodes(deployed: Deployed, *, force: bool) -> None:
    """In control mode nodes may be closed by Headroom: they are handed back to Pexip's own bursting."""
    if deployed.mode is not Mode.CONTROL:
        return
    if force:
        say("Not handed back, as you asked: look in Pexip for nodes that «Headroom: …» has put into maintenance mode.")
        return
    say("Handing the nodes back first (--force leaves them as they are).")
    handing.hand_back(deployed, Mode.OBSERVE)


def _detach(deployed: Deployed) -> None:
    """CloudFormation deletes neither a policy that somebody has nor a bus that has rules, and does not end workflows."""
    for policy in (deployed.outputs.get("Operators"), deployed.outputs.get("Viewers")):
        if policy:
            for kind, name in _holders(policy):
                say(f"Detaching {policy.rpartition('/')[2]} from the {kind.lower()} {name}.")
                getattr(boto3.client("iam"), f"detach_{kind.lower()}_policy")(PolicyArn=policy, **{f"{kind}Name": name})
    if bus := deployed.outputs.get("Bus"):
        _remove_rules(bus)
    for machine in ("StartNode", "SetOpen", "RetireNode", "Prewarm"):
        if arn := deployed.outputs.get(machine):
            _end_workflows(arn)


def _holders(policy: str) -> Iterator[tuple[str, str]]:
    for page in boto3.client("iam").get_paginator("list_entities_for_policy").paginate(PolicyArn=policy):
        for kind in ("User", "Group", "Role"):
            held: Any = page.get(f"Policy{kind}s", [])
            yield from ((kind, str(one[f"{kind}Name"])) for one in held)


def _remove_rules(bus: str) -> None:
    events = boto3.client("events")
    rules: list[Mapping[str, Any]] = list(events.list_rules(EventBusName=bus)["Rules"])
    for rule in rules:
        name = str(rule["Name"])
        say(f"Removing your rule {name} from the event bus {bus}.")
        targets = [str(one["Id"]) for one in events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]]
        if targets:
            events.remove_targets(Rule=name, EventBusName=bus, Ids=targets)
        events.delete_rule(Name=name, EventBusName=bus)


def _end_workflows(machine: str) -> None:
    states = boto3.client("stepfunctions")
    pages = states.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter="RUNNING")
    for one in [one for page in pages for one in page["executions"]]:
        say(f"Ending the workflow {one['name']}.")
        states.stop_execution(executionArn=one["executionArn"], cause="Headroom is being removed")


def _kept(table: str) -> str:
    described = boto3.client("dynamodb").describe_table(TableName=table)["Table"]
    gigabytes = described.get("TableSizeBytes", 0) / 1e9
    cost = gigabytes * (PRICE + RECOVERY)
    return (
        f"Kept: the table {table}, your history ({gigabytes:.2f} GB, about ${cost:.2f} a month).\n"
        f"To take it back one day: headroom install --set LedgerName={table}\n"
        f"To delete it, too: aws dynamodb delete-table --table-name {table}"
    )
