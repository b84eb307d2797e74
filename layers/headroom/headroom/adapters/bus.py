"""EventBridge: what happened, for other programs, in a published shape (docs/schemas/event.json)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import msgspec

from headroom.domain.history.events import Event, Kind

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE, VERSION = "headroom", "1"
PROMISES = {Kind.HOLD, Kind.WOULD_HOLD, Kind.PROMISE_KEPT, Kind.PROMISE_MISSED, Kind.PROMISE_REFUSED}
ISSUES = {Kind.ISSUE, Kind.ISSUE_OVER}


class BusError(Exception):
    """The bus refused an event; the message says why. The stream delivers the batch again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """An event's detail. `version` grows when a field changes its meaning or is removed; new fields may be added at any time.

    If an event is delivered twice, `id` is the same.
    """

    version: str
    id: str
    platform: str
    at: datetime
    kind: str
    reason: str
    by: str
    node: str = ""
    topic: str = ""
    about: str = ""


def detail_type(event: Event) -> str:
    """Name what a rule may match on."""
    if event.kind in PROMISES:
        return "Headroom Promise"
    if event.kind in ISSUES or event.topic:
        return "Headroom Issue"
    return "Headroom Node Changed" if event.node else "Headroom Event"


@dataclass
class Bus:
    """The bus, and the platform whose events go there."""

    name: str
    platform: str

    @cached_property
    def client(self) -> "EventBridgeClient":
        """Made when first needed."""
        return boto3.client("events")

    def put(self, events: Sequence[Event]) -> int:
        """Put up to ten events on the bus; raise BusError if it does not take one of them."""
        if not events:
            return 0
        said = self.client.put_events(
            Entries=[
                {
                    "EventBusName": self.name,
                    "Source": SOURCE,
                    "DetailType": detail_type(event),
                    "Time": event.at,
                    "Detail": msgspec.json.encode(self._announced(event)).decode(),
                }
                for event in events
            ]
        )
        failed = [entry for entry in said["Entries"] if entry.get("ErrorCode")]
        if failed:
            raise BusError(f"{failed[0]['ErrorCode']}: {failed[0].get('ErrorMessage', 'no reason given')}")
        return len(events)

    def _announced(self, event: Event) -> Announced:
        return Announced(
            version=VERSION,
            id=event.id,
            platform=self.platform,
            at=event.at,
            kind=event.kind,
            reason=event.reason,
            by=event.by,
            node=event.node,
            topic=event.topic,
            about=event.about,
        )
