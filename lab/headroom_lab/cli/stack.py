"""A deployed stack, found by its name with the operator's own AWS profile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import click
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    WaiterError,
)

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.policy import Mode, Policy
from headroom.usecases.order import Operator

RIGHTS = "ask for a role that may describe the stack and read its table (README, «Permissions»)."
ADVICE = {
    "AccessDenied": RIGHTS,
    "AccessDeniedException": RIGHTS,
    "ExpiredToken": "sign in again (`aws sso login`).",
    "ExpiredTokenException": "sign in again (`aws sso login`).",
    "InvalidClientTokenId": "the access key is not valid: check AWS_PROFILE.",
}


stack_option = click.option(
    "--stack", default="headroom", show_default=True, help="The deployed stack; AWS_PROFILE chooses where."
)


@contextmanager
def spoken() -> Iterator[None]:
    """Say what went wrong with AWS in a sentence that says what to do."""
    try:
        yield
    except ProfileNotFound as error:
        raise click.ClickException(f"{error}: choose one of `aws configure list-profiles` with AWS_PROFILE.") from error
    except NoCredentialsError as error:
        raise click.ClickException("There are no AWS credentials: set AWS_PROFILE, or sign in.") from error
    except NoRegionError as error:
        raise click.ClickException("No region is set: set AWS_REGION to where Headroom is deployed.") from error
    except WaiterError as error:
        raise click.ClickException(
            f"The stack was not updated ({error}): look at its events in CloudFormation."
        ) from error
    except ClientError as error:
        said = error.response["Error"]
        message = said.get("Message", str(error))
        raise click.ClickException(f"AWS says: {message}. {ADVICE.get(said['Code'], '')}".strip()) from error
    except BotoCoreError as error:
        raise click.ClickException(f"AWS cannot be reached: {error}.") from error


@dataclass
class Deployed:
    """A stack of Headroom."""

    name: str
    ledger: Ledger
    parameters: dict[str, str]
    outputs: dict[str, str]

    def operator(self) -> Operator:
        """Return what carries out what people ask for."""
        decision = self.ledger.decision_at(clock.now())
        machines = {"prewarm": self.outputs["Prewarm"], "set_open": self.outputs["SetOpen"]}
        return Operator(self.ledger, boto3.client("stepfunctions"), machines, decision.policy if decision else Policy())

    @property
    def mode(self) -> Mode:
        """What it may do."""
        return Mode(self.parameters["Mode"])

    def set_mode(self, mode: Mode) -> None:
        """Deploy it again with another mode and nothing else changed, and wait until that is done."""
        client = boto3.client("cloudformation")
        kept: Any = [{"ParameterKey": name, "UsePreviousValue": True} for name in self.parameters if name != "Mode"]
        client.update_stack(
            StackName=self.name,
            UsePreviousTemplate=True,
            Parameters=[*kept, {"ParameterKey": "Mode", "ParameterValue": str(mode)}],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        client.get_waiter("stack_update_complete").wait(StackName=self.name, WaiterConfig={"Delay": 5})
        self.parameters["Mode"] = str(mode)


def stack_of(name: str) -> Deployed:
    """Return a deployed stack; raise ClickException if there is none of that name, or no way to it."""
    with spoken():
        [found] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        given = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found.get("Parameters", [])}
        if "Ledger" not in outputs or "TagValue" not in given:
            raise click.ClickException(f"{name} is no stack of Headroom: name the one that `make deploy` made.")
        table = boto3.resource("dynamodb").Table(outputs["Ledger"])
        return Deployed(name, Ledger(outputs["Ledger"], given["TagValue"], table), given, outputs)


def identity() -> str:
    """Return who asks, as AWS knows them: a user's name, or a role and its session."""
    arn = str(boto3.client("sts").get_caller_identity()["Arn"])
    return arn.rpartition(":")[2].partition("/")[2] or arn


def ledger_of(stack: str) -> Ledger:
    """Return the ledger of a deployed stack."""
    return stack_of(stack).ledger
