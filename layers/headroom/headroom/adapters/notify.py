"""Tell people, in plain words: what and where, why, and what they should do."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import msgspec
from botocore.config import Config

from headroom.domain.people.telling import Message, subject_of
from headroom.domain.texts import BODY, lines

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

# Less than a lease lasts; what was not sent is tried again in a minute
QUICKLY = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=1, read_timeout=3)


@dataclass
class Notify:
    """The topic that people subscribe to."""

    topic_arn: str

    @cached_property
    def client(self) -> "SNSClient":
        """Made when first needed."""
        return boto3.client("sns", config=QUICKLY)

    def chat(self, message: Message) -> None:
        """Send one message for Amazon Q Developer in chat applications, in its own format for custom notifications."""
        told: dict[str, object] = {
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": harmless(message.subject),
                "description": harmless(lines(message.body, BODY)),
            },
            "metadata": {"threadId": message.topic, "summary": message.subject, "eventType": message.topic},
        }
        self.client.publish(TopicArn=self.topic_arn, Message=msgspec.json.encode(told).decode())

    def people(self, subject: str, body: str) -> None:
        """Send one message."""
        self.client.publish(TopicArn=self.topic_arn, Subject=subject_of(subject), Message=lines(body, BODY))


def harmless(text: str) -> str:
    """Write a text for a chat so that nobody is called by it: neither `<!channel>` nor `@here` mean anything then.

    Slack's own escapes (https://api.slack.com/reference/surfaces/formatting, "Escaping text"); Teams takes them as HTML's.
    """
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "@\u200b")):
        text = text.replace(sign, written)
    return text
