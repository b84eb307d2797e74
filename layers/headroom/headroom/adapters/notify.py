"""Tell people, in plain words: what and where, why, and what they should do."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

SUBJECT = 100  # characters, ASCII: SNS's own limits


@dataclass
class Notify:
    """The topic that people subscribe to."""

    topic_arn: str

    @cached_property
    def client(self) -> "SNSClient":
        """Made when first needed."""
        return boto3.client("sns")

    def people(self, subject: str, body: str) -> None:
        """Send one message."""
        plain = subject.encode("ascii", "replace").decode()[:SUBJECT]
        self.client.publish(TopicArn=self.topic_arn, Subject=plain, Message=body)
