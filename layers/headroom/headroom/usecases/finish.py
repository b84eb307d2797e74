"""The end of a workflow: update what is remembered of the node, and write the event."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, assert_never

import msgspec

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.codec import stamp
from headroom.adapters.ledger.errors import ClaimLostError
from headroom.adapters.parts import Parts
from headroom.domain.fleet.lifecycle import BOOTS_KEPT, Life, Memory
from headroom.domain.history.events import HEADROOM, Event, Kind
from headroom.domain.texts import TOLD, line
from headroom.usecases.record import Recorder


class Outcome(StrEnum):
    """How a workflow can end; each is a kind of event, too."""

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


IS_UP = frozenset({Outcome.SERVING, Outcome.IN_RESERVE})  # boot times of reserves count, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a workflow ended; `boot_seconds` is the time from the start command until the node was up."""

    node: str
    outcome: Outcome
    reason: str
    boot_seconds: int | None = None


def in_words(error: dict[str, str]) -> str:
    """Return the error message of a failed step; `error` is Step Functions' `{"Error": …, "Cause": …}`, of 32 KB at the most."""
    try:
        told = str(msgspec.json.decode(error.get("Cause", ""))["errorMessage"])
    except (msgspec.DecodeError, KeyError, TypeError):
        told = error.get("Cause") or error.get("Error", "no reason was given")
    return line(told)


def _with(memory: Memory, seconds: int | None, asked_at: datetime) -> dict[str, Any]:
    """Add a start to a node's last ones."""
    boots = [None if boot is None else round(boot) for boot in memory.boots]
    return {
        "boots": [*boots, seconds][-BOOTS_KEPT:],
        "started_at": [*map(stamp, memory.started_at), stamp(asked_at)][-BOOTS_KEPT:],
    }


@dataclass
class Finisher:
    """Records how workflows end."""

    ledger: Ledger
    recorder: Recorder

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, Recorder.of(parts))

    def finish(self, node: str, token: str, outcome: Outcome, reason: str, asked_at: str | None) -> Finished:
        """Record the outcome and release the claim, unless another workflow has taken the claim over."""
        now = clock.now()
        asked = datetime.fromisoformat(asked_at) if asked_at else now
        took = round((now - asked).total_seconds()) if asked_at else None
        told, counts = reason, False
        life = self._life(node)
        try:
            memory = self._remember(node, token, outcome, reason, took, life, asked, now)
            counts = outcome in IS_UP and life is not None
            if outcome in IS_UP and memory.reason:
                told = f"{reason}; reason for its start: {memory.reason}"
        except ClaimLostError:
            told = f"{reason} (another workflow had taken over the claim)"
        self.ledger.write(Event(at=now, kind=Kind(outcome), node=node, reason=told, by=HEADROOM))
        self.ledger.release(node, token)
        return Finished(node=node, outcome=outcome, reason=reason, boot_seconds=took if counts else None)

    def _life(self, node: str) -> Life | None:
        """Return the open lifetime of a node; its newest, if another node had that name before."""
        lives = (life for life in self.ledger.lives() if life.node == node)
        return max(lives, key=lambda life: life.launched_at, default=None)

    def _remember(
        self,
        node: str,
        token: str,
        outcome: Outcome,
        reason: str,
        took: int | None,
        life: Life | None,
        asked: datetime,
        now: datetime,
    ) -> Memory:
        match outcome:
            case Outcome.SERVING | Outcome.IN_RESERVE:
                memory = self.ledger.remember(
                    node,
                    token,
                    failed_at=None,
                    failed_why=None,
                    given_up_at=None,
                    refused_since=None,
                    hung=None,
                    hung_why=None,
                )
                if life and took is not None:
                    self.ledger.remember(node, token, **_with(memory, took, asked))
                    self.recorder.serves(life, memory.hd or 0, took, now)
            case Outcome.GIVEN_UP:
                memory = self.ledger.remember(
                    node, token, failed_at=now, failed_why=line(reason, TOLD), given_up_at=now
                )
                self.ledger.remember(node, token, **_with(memory, None, asked))
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
                memory = self.ledger.remember(node, token, refused_why=line(reason, TOLD))
                if memory.refused_since is None:
                    memory = self.ledger.remember(node, token, refused_since=now)
            case never:
                assert_never(never)
        return memory
