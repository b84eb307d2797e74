"""Tell people, in plain words: what and where, why, and what they should do."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import msgspec

from headroom.domain.people.telling import SUBJECT, Message

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


@dataclass
class Notify:
    """The topic that people subscribe to."""

    topic_arn: str

    @cached_property
    def client(self) -> "SNSClient":
        """Made when first needed."""
        return boto3.client("sns")

    def chat(self, message: Message) -> None:
        """Send one message for Amazon Q Developer in chat applications, in its own format for custom notifications."""
        told: dict[str, object] = {
            "version": "1.0",
            "source": "custom",
            "content": {"textType": "client-markdown", "title": message.subject, "description": message.body},
            "metadata": {"threadId": message.topic, "summary": message.subject, "eventType": message.topic},
        }
        self.client.publish(TopicArn=self.topic_arn, Message=msgspec.json.encode(told).decode())

    def people(self, subject: str, body: str) -> None:
        """Send one message."""
        plain = subject.encode("ascii", "replace").decode()[:SUBJECT]
        self.client.publish(TopicArn=self.topic_arn, Subject=plain, Message=body)
