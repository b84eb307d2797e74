"""Step Functions: begin the workflow that a change asks for, and ask whether one has ended."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import ClientError

from headroom.domain.fleet.lifecycle import Action, Claim
from headroom.domain.planning.plans import Change
from headroom.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

# A plan has a minute, and its starts come first: who does not answer at once is asked by the next plan
QUICKLY = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=2, read_timeout=5)
ENDINGS = {
    "FAILED": "failed",
    "TIMED_OUT": "took too long",
    "ABORTED": "was aborted",
    "SUCCEEDED": "ended without a result",
}


@dataclass
class Workflows:
    """Starts executions of the state machines, each named by its claim's token, and looks after them."""

    settings: Settings

    @cached_property
    def client(self) -> "SFNClient":
        """Made when first needed."""
        return boto3.client("stepfunctions", config=QUICKLY)

    def _machine(self, action: Action) -> str:
        return {
            Action.START: self.settings.start_node_arn,
            Action.START_CLOSED: self.settings.start_node_arn,
            Action.OPEN: self.settings.set_open_arn,
            Action.CLOSE: self.settings.set_open_arn,
            Action.STOP: self.settings.retire_node_arn,
        }[action]

    def begin(self, change: Change, token: str) -> None:
        """Start one workflow, named by its claim's token; one that was started already is left alone."""
        machine = self._machine(change.action)
        given: dict[str, object] = {"node": change.node, "reason": change.reason}
        if machine == self.settings.set_open_arn:
            given["open"] = change.action is Action.OPEN
        if change.action is Action.START_CLOSED:
            given["reserve"] = True
        try:
            self.client.start_execution(stateMachineArn=machine, name=token, input=msgspec.json.encode(given).decode())
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise

    def ending(self, claim: Claim) -> str:
        """Say how the workflow that has a claim ended; empty while it runs. What the SDK raises is raised."""
        machine = self._machine(claim.action).replace(":stateMachine:", ":execution:")
        try:
            status = self.client.describe_execution(executionArn=f"{machine}:{claim.token}")["status"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return "never began"
            raise
        return ENDINGS.get(status, "")
