"""Looks at Pexip between two ticks: a queue keeps each message until its time has come, and then invokes `observe`."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUICKLY = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2, read_timeout=3)


@dataclass
class Looks:
    """The queue that invokes `observe`."""

    queue_url: str

    @cached_property
    def client(self) -> "SQSClient":
        """Made when first needed."""
        return boto3.client("sqs", config=QUICKLY)

    def again(self, after: timedelta) -> None:
        """Have Pexip read again after that time, in whole seconds, 15 minutes at the most; a tick comes anyway.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html, «DelaySeconds».
        """
        self.client.send_message(QueueUrl=self.queue_url, MessageBody="again", DelaySeconds=int(after.total_seconds()))
