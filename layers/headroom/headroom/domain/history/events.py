"""What happened: every kind of event there is, and which events a new plan makes of its issues."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headroom.domain.fleet.lifecycle import Action
from headroom.domain.planning.issues import Issue, Trouble
from headroom.domain.planning.plans import Plan

HEADROOM = "Headroom"  # `by` of what Headroom did itself


class Kind(StrEnum):
    """The kinds of events, as they stand in the history."""

    # A plan, or a person
    START_WANTED = "start wanted"
    RESERVE_WANTED = "reserve wanted"
    OPEN_WANTED = "open wanted"
    CLOSE_WANTED = "close wanted"
    STOP_WANTED = "stop wanted"
    TAKEN_OVER = "taken over"
    CLAIM_FREED = "claim freed"
    HELD_STILL = "held still"

    # A step of a workflow
    START_ASKED = "start asked"
    START_REFUSED = "start refused"
    CLOSED = "closed"
    OPENED = "opened"
    ADDRESS_CORRECTED = "address corrected"

    # The end of a workflow
    SERVING = "serving"
    IN_RESERVE = "in reserve"
    GIVEN_UP = "given up"
    NO_LONGER_WANTED = "no longer wanted"
    STOPPED = "stopped"
    STOP_REFUSED = "stop refused"
    REOPENED = "re-opened"
    NOT_SET = "not opened or closed"

    # EC2
    INSTANCE_PENDING = "instance pending"
    INSTANCE_RUNNING = "instance running"
    INSTANCE_STOPPING = "instance stopping"
    INSTANCE_STOPPED = "instance stopped"
    INSTANCE_SHUTTING_DOWN = "instance shutting-down"
    INSTANCE_TERMINATED = "instance terminated"

    # The optional stack
    PROVISIONED = "provisioned"
    CONVERTED = "converted"
    REMOVED = "removed"

    # Promises
    HOLD = "hold"
    WOULD_HOLD = "would hold"  # in observe mode
    PROMISE_KEPT = "promise kept"
    PROMISE_MISSED = "promise missed"
    PROMISE_REFUSED = "promise refused"

    # Issues
    ISSUE = "issue"
    ISSUE_OVER = "issue over"
    CONTROL_REFUSED = "control refused"
    HOME_LOST = "home lost"

    # What people asked for
    ASKED_TO_START = "asked to start"
    ASKED_TO_HOLD = "asked to hold"
    ASKED_TO_RELEASE = "asked to release"
    ASKED_TO_EXPECT = "asked to expect"
    ASKED_TO_TAKE_OUT = "asked to take out"
    ASKED_TO_REINSTATE = "asked to reinstate"
    ASKED_TO_OPEN = "asked to open"
    ASKED_TO_CLOSE = "asked to close"
    ASKED_TO_PAUSE = "asked to pause"
    ASKED_TO_RESUME = "asked to resume"
    ASKED_TO_HAND_OVER = "asked to hand over"
    ASKED_TO_HAND_BACK = "asked to hand back"

    UNKNOWN = "of a kind that this version does not know"

    @classmethod
    def wanted(cls, action: Action) -> "Kind":
        """Return the kind of event that says what a plan or a person wants of a node."""
        return cls(f"{action} wanted")

    @classmethod
    def read(cls, text: str) -> "Kind":
        """Read a kind as another version may have written it."""
        return cls(text) if text in cls else cls.UNKNOWN


URGENT = {
    Trouble.TWO_CONTROLLERS: Kind.CONTROL_REFUSED,
    Trouble.HOME_LOST: Kind.HOME_LOST,
}  # issues that people hear of at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened: what it concerns, why it happened, and who did it.

    `topic` is the kind of an issue. `about` is what the issue concerns if it is no node: a location, Pexip or EC2. `id`
    is the event's key in the ledger, empty until it is written.
    """

    at: datetime
    kind: Kind
    reason: str
    by: str = ""
    node: str = ""
    topic: str = ""
    about: str = ""
    id: str = ""

    @property
    def subject(self) -> str:
        """The issue's kind, else the event's kind; people are told together of all events with the same subject."""
        return self.topic or self.kind


def news_of(before: Plan | None, after: Plan, now: datetime) -> Iterator[Event]:
    """Yield events for issues that are new or over since the last plan, and for a new reason to change nothing."""
    known = {issue.same: issue for issue in before.issues} if before else {}
    there = {issue.same: issue for issue in after.issues}
    nodes = {node.name for made in (before, after) if made for node in made.nodes}
    for same, issue in there.items():
        if same not in known:
            kind = URGENT.get(issue.kind, Kind.ISSUE)
            yield _of_issue(kind, issue, f"{issue.what.rstrip('.')}. {issue.advice}", nodes, now)
    for same, issue in known.items():
        if same not in there:
            yield _of_issue(Kind.ISSUE_OVER, issue, issue.what, nodes, now)
    is_refused = any(issue.kind is Trouble.TWO_CONTROLLERS for issue in after.issues)
    if after.frozen and not is_refused and (before is None or before.frozen != after.frozen):
        yield Event(at=now, kind=Kind.HELD_STILL, reason=after.frozen, by=HEADROOM)


def _of_issue(kind: Kind, issue: Issue, reason: str, nodes: set[str], now: datetime) -> Event:
    node = issue.about if issue.about in nodes else ""
    about = "" if node else issue.same[1]
    return Event(at=now, kind=kind, node=node, reason=reason, by=HEADROOM, topic=issue.kind, about=about)
