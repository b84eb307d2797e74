"""Provision, convert and remove nodes with the optional stack, and show each step as it happens."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import click
import msgspec
from botocore.exceptions import ClientError

from headroom import clock
from headroom.domain.fleet.tags import TAG
from headroom.domain.people.orders import Do
from headroom.domain.texts import line, listed
from headroom.usecases.order import Order
from headroom_cli import acting, waiting
from headroom_cli.saying import say
from headroom_cli.stack import Deployed, spoken

LOOKS_AGAIN = 2.0  # real seconds
OWN = "-provisioning"  # ends the optional stack's name
NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """On what instances an overflow location's nodes are, for the next one."""

    subnet: str
    security_groups: list[str]
    instance_type: str
    key: str
    tenancy: str


def machines_of(deployed: Deployed) -> dict[str, str]:
    """Return the optional stack's state machines; raise ClickException where it is not deployed."""
    name = f"{deployed.name}{OWN}"
    try:
        [found] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        raise click.ClickException(
            f"{deployed.name} cannot make or remove nodes: it has no right to. `headroom install --provisioning` deploys a "
            f"second stack, {name}, that has them."
        ) from error
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def names_of(deployed: Deployed, given: tuple[str, ...], count: int, location: str) -> list[str]:
    """Return the names that were given; else those that were begun and are not whole; else the next: burst-14 after burst-13."""
    if given:
        return list(given)
    with spoken():
        here = [worker for worker in deployed.ledger.reading().workers if worker.location == location]
    if begun := [worker.name for worker in here if worker.is_being_provisioned]:
        say(f"Going on with {listed(begun)}, which {'was' if len(begun) == 1 else 'were'} begun before.")
        return begun
    numbered = [found for worker in here if (found := NUMBERED.fullmatch(worker.name))]
    if not numbered:
        raise click.UsageError(f"No node of {location} has a number at its end: name the new nodes yourself.")
    last = max(numbered, key=lambda found: int(found["number"]))
    width, number = len(last["number"]), int(last["number"])
    return [f"{last['stem']}{number + n:0{width}}" for n in range(1, count + 1)]


def like(deployed: Deployed, location: str) -> Like | None:
    """Return on what the newest node of a location is, as a pattern for the next; None if there is none."""
    with spoken():
        workers = deployed.ledger.reading().workers
        here = {worker.address for worker in workers if worker.location == location}
        found = _instances({f"tag:{TAG}": deployed.parameters["TagValue"]})
    there = [one for one in found if one.get("PrivateIpAddress") in here and one["State"]["Name"] != "terminated"]
    if not there:
        return None
    newest = max(there, key=lambda one: one["LaunchTime"])
    return Like(
        subnet=newest.get("SubnetId", ""),
        security_groups=[group["GroupId"] for group in newest.get("SecurityGroups", [])],
        instance_type=newest["InstanceType"],
        key=newest.get("KeyName", ""),
        tenancy=newest.get("Placement", {}).get("Tenancy", "default"),
    )


def _instances(where: Mapping[str, str]) -> list[Any]:
    """Return the instances that EC2 knows, as it describes them."""
    filters: list[Any] = [{"Name": name, "Values": [value]} for name, value in where.items()]
    pages = boto3.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    return [one for page in pages for group in page["Reservations"] for one in group["Instances"]]


def instance_of(deployed: Deployed, node: str) -> str:
    """Return the id of a node's instance, by its private address; raise ClickException where there is not just one."""
    with spoken():
        worker = next((each for each in deployed.ledger.reading().workers if each.name == node), None)
        addressed = {"private-ip-address": worker.address} if worker else {}
        found = _instances(addressed or {"tag:headroom-stack": deployed.name, "tag:headroom-node": node})
    living = [one["InstanceId"] for one in found if one["State"]["Name"] not in {"terminated", "shutting-down"}]
    if len(living) != 1:
        where = f"the address {worker.address}" if worker else f"the tag headroom-node = {node}"
        raise click.ClickException(f"{len(living)} instances have {where}, instead of one.")
    return str(living[0])


def taken_out(deployed: Deployed, node: str, reason: str) -> None:
    """Take a node out, unless it is out already: it is closed, emptied and stopped by Headroom's own rules."""
    with spoken():
        plan, commitments = deployed.ledger.plan(), deployed.ledger.commitments(clock.now())
    if node in {each.name for each in plan.nodes} and node not in commitments.taken_out():
        done = acting.ordered(deployed, Order(do=Do.TAKE_OUT, nodes=(node,), reason=reason))
        say(f"{done.sentence}.")


def put_back(deployed: Deployed, node: str) -> None:
    """End what says that a node is out."""
    with spoken():
        is_out = node in deployed.ledger.commitments(clock.now()).taken_out()
    if is_out:
        acting.ordered(deployed, Order(do=Do.REINSTATE, nodes=(node,)))


def begun(machine: str, name: str, given: Mapping[str, Any]) -> str:
    """Begin an execution."""
    with spoken():
        said = boto3.client("stepfunctions").start_execution(
            stateMachineArn=machine,
            name=f"{name}-{clock.now():%Y%m%dT%H%M%S}",
            input=msgspec.json.encode(given).decode(),
        )
    return str(said["executionArn"])


def followed(executions: Mapping[str, str], zone: str) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Print each step of several nodes as it happens, by the site's clock; return what came of each, and why others failed."""
    states, told = boto3.client("stepfunctions"), dict.fromkeys(executions, 0)
    done: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    while True:
        for node in [node for node in executions if node not in done and node not in failed]:
            with spoken():
                found = states.describe_execution(executionArn=executions[node])
                steps = list(_steps(states, executions[node]))
            for number, (at, step) in enumerate(steps):
                again = step in {earlier for _, earlier in steps[:number]}  # it waits, and looks again
                if number >= told[node] and not again:
                    say(f"{at.astimezone(ZoneInfo(zone)):%H:%M:%S}  {node}: {step}")
            told[node] = len(steps)
            if found["status"] == "SUCCEEDED":
                done[node] = dict(msgspec.json.decode(found["output"]))
            elif found["status"] != "RUNNING":
                failed[node] = line(_why(found.get("cause") or "", found["status"], steps[-1][1] if steps else ""))
        if len(done) + len(failed) == len(executions):
            return done, failed
        waiting.wait(LOOKS_AGAIN)


def ended(execution: str, node: str, zone: str) -> dict[str, Any]:
    """Print each step of one node, and return what came of it; raise ClickException with the reason if it failed."""
    done, failed = followed({node: execution}, zone)
    if failed:
        raise click.ClickException(failed[node])
    return done[node]


def _why(cause: str, status: str, step: str) -> str:
    """Return the sentence in what Step Functions says, which for a function's error is Lambda's JSON."""
    if not cause:
        how = {"TIMED_OUT": "took longer than it may", "ABORTED": "was aborted by somebody"}.get(
            status, "ended without a reason"
        )
        return f"Its workflow {how}, at «{step}». Give the same command again: it goes on with what is there."
    try:
        return str(msgspec.json.decode(cause)["errorMessage"])
    except (msgspec.DecodeError, TypeError, KeyError):
        return cause


def _steps(states: Any, execution: str) -> Iterator[tuple[datetime, str]]:
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution, includeExecutionData=False)
    for page in pages:
        for event in page["events"]:
            if entered := event.get("stateEnteredEventDetails"):
                yield event["timestamp"], entered["name"]
