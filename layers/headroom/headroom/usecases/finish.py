"""How a workflow ended: what is remembered of the node, and what history says."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self, assert_never

import msgspec

from headroom import clock
from headroom.adapters.ledger import ClaimLostError, Event, Ledger
from headroom.adapters.parts import Parts
from headroom.domain.fleet.lifecycle import Memory
from headroom.usecases.start_node import ME

BOOTS_KEPT = 20  # boot times of a node's last starts: what its next one is expected to take


class Outcome(StrEnum):
    """How a workflow can end."""

    SERVING = "serving"
    IN_RESERVE = "in reserve"
    GIVEN_UP = "given up"
    UNWANTED = "no longer wanted"
    CLOSED = "closed"
    OPENED = "opened"
    STOPPED = "stopped"
    KEPT = "stop refused"
    REOPENED = "re-opened"
    NOT_SET = "not opened or closed"


def in_words(error: dict[str, str]) -> str:
    """Say what a failed step said: `error` is Step Functions' `{"Error": …, "Cause": …}`."""
    try:
        return str(msgspec.json.decode(error.get("Cause", ""))["errorMessage"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return error.get("Cause") or error.get("Error", "no reason was given")


def _with(memory: Memory, seconds: int | None) -> list[int | None]:
    """Add a start to a node's last ones."""
    known = [None if boot is None else round(boot) for boot in memory.boots]
    return [*known, seconds][-BOOTS_KEPT:]


@dataclass
class Finisher:
    """The ledger."""

    ledger: Ledger

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Take what it needs from the parts there are."""
        return cls(parts.ledger)

    def finish(self, node: str, token: str, outcome: Outcome, reason: str, asked_at: str | None) -> None:
        """Write the end down and give the claim back; a claim that another has taken over is left to it."""
        now = clock.now()
        try:
            memory = self._remember(node, token, outcome, reason, asked_at, now)
            if outcome in {Outcome.SERVING, Outcome.IN_RESERVE} and memory.reason:
                reason = f"{reason}, as {memory.reason[0].lower()}{memory.reason[1:]}"
        except ClaimLostError:
            reason = f"{reason} (its claim had passed to another workflow)"
        self.ledger.tell(Event(at=now, kind=str(outcome), node=node, reason=reason, by=ME))
        self.ledger.release(node, token)

    def _remember(
        self, node: str, token: str, outcome: Outcome, reason: str, asked_at: str | None, now: datetime
    ) -> Memory:
        match outcome:
            case Outcome.SERVING | Outcome.IN_RESERVE:
                memory = self.ledger.remember(node, token, failed_at=None, given_up_at=None, refused_since=None)
                if memory.lifetime and asked_at:
                    booted = now - datetime.fromisoformat(asked_at)
                    self.ledger.remember(node, token, boots=_with(memory, round(booted.total_seconds())))
                    self.ledger.lifetime_note(
                        node,
                        memory.lifetime,
                        serving_at=now,
                        boot_seconds=round(booted.total_seconds()),
                        hd=memory.hd or 0,
                    )
            case Outcome.GIVEN_UP:
                memory = self.ledger.remember(node, token, failed_at=now, given_up_at=now)
                if asked_at:
                    self.ledger.remember(node, token, boots=_with(memory, None))
            case (
                Outcome.STOPPED
                | Outcome.REOPENED
                | Outcome.OPENED
                | Outcome.UNWANTED
                | Outcome.CLOSED
                | Outcome.NOT_SET
            ):
                memory = self.ledger.remember(node, token, refused_since=None)
            case Outcome.KEPT:
                since = self.ledger.memory(node).refused_since or now
                memory = self.ledger.remember(node, token, refused_since=since, refused_why=reason)
            case never:
                assert_never(never)
        return memory
