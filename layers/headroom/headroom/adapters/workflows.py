"""Step Functions: begin the workflow that a change asks for."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import msgspec
from botocore.exceptions import ClientError

from headroom.domain.fleet.lifecycle import Action
from headroom.domain.planning.plans import Change
from headroom.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


@dataclass
class Workflows:
    """Starts executions of the state machines."""

    settings: Settings

    @cached_property
    def client(self) -> "SFNClient":
        """Made when first needed."""
        return boto3.client("stepfunctions")

    def begin(self, change: Change, token: str) -> None:
        """Start one workflow, named by its claim's token; one that was started already is left alone."""
        machine = {
            Action.START: self.settings.start_node_arn,
            Action.START_CLOSED: self.settings.start_node_arn,
            Action.OPEN: self.settings.set_open_arn,
            Action.CLOSE: self.settings.set_open_arn,
            Action.STOP: self.settings.retire_node_arn,
        }[change.action]
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
