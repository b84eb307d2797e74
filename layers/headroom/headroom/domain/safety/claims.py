"""Who may change a node: the conditions of every write that takes, keeps, relieves or uses a claim.

Each condition is data, so that the ledger writes under the same conditions that the model of docs/safety.md explores.
"""

import hashlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from headroom.domain.fleet.lifecycle import Action, Claim, Memory, Wanted

LEASE = timedelta(minutes=5)  # a workflow renews its claim at every step, less than four minutes apart
NOT_BEGUN = timedelta(seconds=30)  # less than a tick: the next plan begins anew what could not be begun
ACCEPTED = timedelta(seconds=30)  # a start that EC2 was asked for, or soon will be, shows in EC2 by then
FIRST_LEASE = timedelta(minutes=3)  # a claim whose workflow never began is free again after this
LONGEST_STEP = timedelta(seconds=60)  # no function runs longer, so each step ends within the lease that it renewed

type Fact = str | int | datetime


class Compare(StrEnum):
    """How a field is compared."""

    ABSENT = "absent"
    IS = "is"
    AT_MOST = "at most"
    AFTER = "after"


_COMPARES: Mapping[Compare, Callable[[Any, Any], bool]] = {  # of a field, which has one type
    Compare.IS: operator.eq,
    Compare.AT_MOST: operator.le,
    Compare.AFTER: operator.gt,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of one field of what is remembered of a node."""

    field: str
    compare: Compare
    value: Fact | None = None

    def is_met(self, facts: Mapping[str, Fact]) -> bool:
        """Compare with an item; on a field that it lacks only ABSENT is true."""
        if self.compare is Compare.ABSENT or self.field not in facts:
            return self.compare is Compare.ABSENT and self.field not in facts
        return _COMPARES[self.compare](facts[self.field], self.value)


type Condition = tuple[tuple[Comparison, ...], ...]  # all lines must hold; a line holds if any of its comparisons does


def is_met(condition: Condition, facts: Mapping[str, Fact]) -> bool:
    """Say whether a write under this condition succeeds."""
    return all(any(each.is_met(facts) for each in line) for line in condition)


def is_free(now: datetime) -> Condition:
    """Nobody has the claim, or its lease has ended. The workflow that takes it over shuts the old one out."""
    return ((Comparison("claim_until", Compare.ABSENT), Comparison("claim_until", Compare.AT_MOST, now)),)


def is_unclaimed() -> Condition:
    """No workflow has claimed the node, dead or alive."""
    return ((Comparison("claim_token", Compare.ABSENT),),)


def is_claimed_by(token: str) -> Condition:
    """This workflow has the claim. Its lease may have ended, as long as no other workflow has taken the claim."""
    return ((Comparison("claim_token", Compare.IS, token),),)


def is_resting(token: str, now: datetime) -> Condition:
    """The workflow that has the claim only waits. A workflow that takes the claim now shuts it out before its next step."""
    return (*is_claimed_by(token), (Comparison("rests_until", Compare.AFTER, now),))


def is_unchanged(version: int) -> Condition:
    """The wanted state of the node has not changed since the plan was made."""
    return ((Comparison("version", Compare.IS, version) if version else Comparison("version", Compare.ABSENT),),)


def is_the_last_word(token: str, version: int, now: datetime) -> Condition:
    """This workflow's claim is valid, and the newest plan still wants the node off, as when the rules were checked."""
    return (
        *is_claimed_by(token),
        (Comparison("claim_until", Compare.AFTER, now),),
        (Comparison("wanted", Compare.IS, Wanted.OFF),),
        *is_unchanged(version),
    )


@dataclass(frozen=True, slots=True)
class Taking:
    """How a plan writes what it wants of a node: with a new claim or without one, and under which condition."""

    claims: bool
    condition: Condition


def taking(memory: Memory, action: Action, now: datetime) -> Taking:
    """Return how a plan takes a node: it claims one that is free, or whose workflow may be relieved.

    A working workflow keeps its claim: at its next step it sees what is wanted now, and turns round by itself.
    """
    unchanged = is_unchanged(memory.version)
    if memory.claim and memory.is_relieved_by(action, now):
        return Taking(claims=True, condition=unchanged + is_resting(memory.claim.token, now))
    if memory.is_at_work(now):
        return Taking(claims=False, condition=unchanged)
    return Taking(claims=True, condition=unchanged + is_free(now))


def is_the_same(memory: Memory) -> Condition:
    """The claim is as it was read: its workflow has not given a sign of life since."""
    if memory.claim is None:
        return is_unclaimed()
    return (*is_claimed_by(memory.claim.token), (Comparison("claim_until", Compare.IS, memory.claim.until),))


def last_sign(memory: Memory) -> datetime | None:
    """Return when the workflow that has the claim gave its last sign of life, or when its claim was written."""
    return _last_sign(memory.claim, memory) if memory.claim else None


def _last_sign(claim: Claim, memory: Memory) -> datetime:
    spoke = claim.until - LEASE
    return max(spoke, memory.wanted_at) if memory.wanted_at else spoke


def frees_when_ended(memory: Memory, now: datetime, *, is_off: bool) -> bool:
    """Say whether the claim of a workflow is free once that has ended, however it ended.

    A step that it had begun may still act, until the longest step is over. On a node that is off, a start can only start it.
    """
    if memory.claim is None:
        return False
    return now - _last_sign(memory.claim, memory) > (
        NOT_BEGUN if memory.claim.action.starts and is_off else LONGEST_STEP
    )


def is_on_its_way(memory: Memory, now: datetime) -> bool:
    """Say whether EC2 was asked to start a node that is off, or is about to be: a matter of seconds, once its turn has come.

    A workflow that is slow says so by its signs of life; one that is gone gives none.
    """
    if memory.claim is None or not memory.claim.action.starts or memory.wanted is Wanted.OFF:
        return False
    return any(since and now < since + ACCEPTED for since in (last_sign(memory), memory.start_due_at))


def token_for(node: str, action: Action, version: int, now: datetime) -> str:
    """Name a claim, and the execution that will hold it, within Step Functions' rules for names."""
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in node)
    whole = hashlib.sha256(node.encode()).hexdigest()[:8]  # long names may begin alike
    return f"{action}-{name[:24]}-{whole}-{now:%Y%m%dT%H%M%S}-{version}"
