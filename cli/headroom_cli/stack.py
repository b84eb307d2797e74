"""A deployed stack, found by its name with the operator's own AWS profile."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import click
import msgspec
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
    WaiterError,
)

import headroom
from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.policy import Mode, Policy
from headroom.usecases.order import Operator

RIGHTS = "ask for a role that may describe the stack and read its table (docs/install.md, «Permissions»)."
SIGN_IN = "sign in again (`aws sso login`, or new keys)."
KEYS = "the access key is not valid: check AWS_PROFILE."
ADVICE = {
    "AccessDenied": RIGHTS,
    "AccessDeniedException": RIGHTS,
    "ExpiredToken": SIGN_IN,
    "ExpiredTokenException": SIGN_IN,
    "InvalidClientTokenId": KEYS,
    "UnrecognizedClientException": KEYS,
    "InvalidSignatureException": "if it says «expired», correct this machine's clock; otherwise check the secret access key.",
    "SignatureDoesNotMatch": "the secret access key is not valid, or this machine's clock is wrong.",
    "RequestExpired": "this machine's clock is wrong.",
}


@contextmanager
def spoken() -> Iterator[None]:
    """Turn AWS errors into a ClickException that says what to do."""
    try:
        yield
    except ProfileNotFound as error:
        raise click.ClickException(f"{error}: choose one of `aws configure list-profiles` with AWS_PROFILE.") from error
    except NoCredentialsError as error:
        raise click.ClickException("There are no AWS credentials: set AWS_PROFILE, or sign in.") from error
    except NoRegionError as error:
        raise click.ClickException("No region is set: set AWS_REGION to where Headroom is deployed.") from error
    except (SSOTokenLoadError, UnauthorizedSSOTokenError, TokenRetrievalError, CredentialRetrievalError) as error:
        raise click.ClickException(f"Your sign-in at AWS has expired ({error}): {SIGN_IN}") from error
    except WaiterError as error:
        raise click.ClickException(
            f"The stack was not updated ({error}): look at its events in CloudFormation."
        ) from error
    except ClientError as error:
        said = error.response["Error"]
        message = said.get("Message", str(error))
        advice = ADVICE.get(said["Code"], "")
        raise click.ClickException(f"AWS says: {message}. {advice[:1].upper()}{advice[1:]}".strip()) from error
    except BotoCoreError as error:
        raise click.ClickException(f"AWS cannot be reached: {error}") from error
    except msgspec.ValidationError as error:
        raise click.ClickException(
            f"This command (version {headroom.__version__}) cannot read a record of the stack ({error}): use the command "
            "of the stack's version. Its output Version names that version."
        ) from error


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

    def who(self) -> str:
        """Return who asks, as the stack wants people to be named."""
        name = identity()
        return name.partition("@")[0] if self.outputs.get("PeopleNames") == "short" else name

    @property
    def mode(self) -> Mode:
        """What it may do."""
        return Mode(self.parameters["Mode"])

    @property
    def zone(self) -> str:
        """The site's time zone."""
        return self.parameters.get("TimeZone", "UTC")

    @property
    def price(self) -> float | None:
        """What the stack says a node costs an hour; None if it does not say."""
        return float(self.parameters.get("NodeHourPrice") or 0) or None

    def set_mode(self, mode: Mode) -> None:
        """Deploy it again with another mode and nothing else changed, and wait until that is done."""
        self.set_parameters(Mode=str(mode))

    def set_parameters(self, **given: str) -> None:
        """Deploy it again with other values of these parameters and nothing else changed, and wait until that is done."""
        client = boto3.client("cloudformation")
        kept: Any = [{"ParameterKey": name, "UsePreviousValue": True} for name in self.parameters if name not in given]
        changed: Any = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
        client.update_stack(
            StackName=self.name,
            UsePreviousTemplate=True,
            Parameters=[*kept, *changed],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        client.get_waiter("stack_update_complete").wait(StackName=self.name, WaiterConfig={"Delay": 5})
        self.parameters |= given


def stack_of(name: str) -> Deployed:
    """Return a deployed stack; raise ClickException if there is none of that name, or no way to it."""
    _check_clock()
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region  # boto3 knows only this one, the AWS CLI prefers the other
    with spoken():
        found = _described(name)
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        given = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found.get("Parameters", [])}
        if "Ledger" not in outputs or "TagValue" not in given:
            raise click.ClickException(f"{name} is not a Headroom stack: name the one that `make deploy` made.")
        if words := other_version(outputs.get("Version", ""), headroom.__version__):
            click.echo(f"Warning: {words}", err=True)
        table = boto3.resource("dynamodb").Table(outputs["Ledger"])
        return Deployed(name, Ledger(outputs["Ledger"], given["TagValue"], table), given, outputs)


def _check_clock() -> None:
    """Raise ClickException if this terminal was set up for a demo that has ended."""
    path = os.environ.get("HEADROOM_CLOCK")
    if path and not Path(path).exists():
        raise click.ClickException(
            "The demo that this terminal was set up for has ended: open a new terminal, or start a demo and repeat the line that "
            "it prints."
        )


def _described(name: str) -> Any:
    """Return what CloudFormation says of a stack; raise ClickException that names those that are there instead."""
    client = boto3.client("cloudformation")
    try:
        [found] = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        stacks = client.describe_stacks()["Stacks"]
        ours = [one["StackName"] for one in stacks if any(o["OutputKey"] == "Ledger" for o in one.get("Outputs", []))]
        there = (
            f"Headroom's stacks there: {', '.join(ours)} (choose one with --stack)"
            if ours
            else "there is no other stack of Headroom there"
        )
        raise click.ClickException(
            f"There is no stack {name} in {client.meta.region_name}; {there}. For another region set AWS_REGION, for another "
            "account AWS_PROFILE."
        ) from error
    return found


def other_version(stack: str, command: str) -> str:
    """Say which of stack and command is newer, and what to do; empty if they are of one version."""
    if stack == command:
        return ""
    versions = f"the stack has version {stack or 'unknown (an old one)'}, this command {command}"
    if _parts(stack) > _parts(command):
        return f"{versions}. The stack is newer: install the command of {stack} (`pipx install --force ./cli` in its checkout)."
    return f"{versions}. The command is newer: update the stack (`make deploy`), or use the command of the stack's version."


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def identity() -> str:
    """Return who asks, as AWS knows them: a user's name, or a role and its session."""
    arn = str(boto3.client("sts").get_caller_identity()["Arn"])
    name = arn.rpartition(":")[2]
    return name.partition("/")[2] or name


def ledger_of(stack: str) -> Ledger:
    """Return the ledger of a deployed stack."""
    return stack_of(stack).ledger
