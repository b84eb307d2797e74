"""The one place that stops an instance, and only when `domain/safety/safety.py` allows it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from headroom import clock
from headroom.adapters.ec2 import Ec2, Ec2Error
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.errors import PlanChangedError
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Instance, NodeState, Power, find_worker, other_stacks
from headroom.domain.fleet.lifecycle import Memory, Wanted, is_heard, is_started_by_headroom
from headroom.domain.fleet.limits import minimum_lifetime
from headroom.domain.policy import Policy
from headroom.domain.safety.pace import A_MOMENT
from headroom.domain.safety.permission import conflict, promises_unread, unsure
from headroom.domain.safety.safety import (
    ASK_AGE,
    BOOTS_FOR,
    LOOK_AGE,
    Answer,
    Asked,
    EmptyCheck,
    Evidence,
    is_old,
    may_stop,
    witnessed_from,
)

LANDS_WITHIN = timedelta(seconds=30)  # a request to EC2 whose answer is lost has its effect by then, or never


class StopRefusedError(Exception):
    """A safety rule forbids this stop; the message says which. The node stays on."""


class AskAgainError(Exception):
    """The last question is too old by now: the workflow asks it again, as long as its second look is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """EC2 was asked to stop the instance; `again` says that an earlier try had asked already."""

    reason: str
    again: bool = False


@dataclass
class Stopper:
    """The ledger, EC2 and the operator's policy."""

    ledger: Ledger
    ec2: Ec2
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.ec2, parts.policy)

    def stop(self, node: str, token: str, checks: list[dict[str, Any]], asked: dict[str, Any] | None) -> StopAsked:
        """Stop the node's instance, or raise StopRefusedError with the first objection, or AskAgainError."""
        self._wait_for_an_earlier_try(self.ledger.memory(node), token)
        now = clock.now()
        looks = tuple(msgspec.convert(check, EmptyCheck) for check in checks)
        question = msgspec.convert(asked, Asked | None)
        reading, planned = self.ledger.reading(), self.ledger.last_plan()
        worker = find_worker(reading, node)
        commitments, memory = self.ledger.commitments(now), self.ledger.memory(node)
        instance = self.ec2.instance_of(worker)
        if instance.power in {Power.STOPPING, Power.STOPPED}:
            return StopAsked(reason="it is stopping already", again=True)  # the answer to an earlier try got lost
        if instance.power is not Power.RUNNING:
            raise StopRefusedError(f"Its instance is {instance.power}")
        nodes = planned.plan.nodes if planned else ()
        serving = sum(one.location == worker.location and one.state is NodeState.SERVING for one in nodes)
        if memory.wanted is not Wanted.OFF and memory.claim and memory.claim.token == token:
            raise PlanChangedError(f"The newest plan wants {node} {memory.wanted or 'as it is'}")
        evidence = Evidence(
            now=now,
            mode=self.policy.mode,
            stack=worker.read_by,
            other_stacks=other_stacks(reading),
            paused=commitments.pause.reason if commitments.pause else "",
            upgrading=reading.upgrading or worker.upgrading,
            conflict=conflict(self.policy.mode, reading.settings) or unsure(reading),
            switched_by_others=commitments.switched_by_others(now),
            tagged=instance.tag == self.ec2.tag_value,
            addresses=instance.addresses,
            launched_at=instance.launched_at,
            minimum_lifetime=minimum_lifetime(self.policy, reading),
            replication=self.policy.replication,
            token=token,
            claim=memory.claim,
            wanted=memory.wanted,
            planned_at=planned.plan.at if planned else None,
            holds=commitments.holds_on(node, worker.location, serving),
            promises_unread=promises_unread(commitments),
            closed_at=memory.closed_at,
            checks=looks,
            asked=question and replace(question, at=now),  # its age is asked for below, where it may be asked again
            alarm=worker.alarm,
            reading_shows=worker.carries,
            reading_says_open=not worker.maintenance_mode_configured,
            reading_age=now - reading.read_at,
            network_out=self._network_out(instance, memory, now),
            idle_out=self.policy.idle_out,
            boot_limit=self.policy.boot_limit,
            started_by_us=is_started_by_headroom(instance, memory),
            heard_since=is_heard(worker, instance, memory),
        )
        if evidence.never_came_up:
            sent_since = self.ec2.sent_since(instance.id, instance.launched_at + BOOTS_FOR, now)
            evidence = replace(evidence, sent_since=sent_since)
        answer = self._judged(evidence)
        hung = self._why_it_hangs(instance, memory, now) if evidence.never_came_up else {}
        turn = self.ledger.turn_within(A_MOMENT, clock.now())
        if turn is None:
            raise StopRefusedError(
                f"No EC2 request slot is free within {A_MOMENT.seconds} s; the next plan tries again"
            )
        clock.sleep(max(0.0, (turn - clock.now()).total_seconds()))
        now, commitments = clock.now(), self.ledger.commitments(clock.now())  # a pause or hold may be new
        paused = commitments.pause.reason if commitments.pause else ""
        holds = commitments.holds_on(node, worker.location, serving)
        self._is_recent(question)
        self._judged(replace(evidence, now=now, paused=paused, holds=holds, asked=question))
        self.ledger.last_word(node, token, memory.version, now)
        try:
            self._ask_ec2(instance, looks, question)
        except Ec2Error as error:
            if error.unanswered and self._comes_all_the_same(instance, now):
                self._remember(node, token, hung)
                return StopAsked(reason=answer.reason)
            self.ledger.remember(node, token, stop_asked_at=None)
            raise
        except (StopRefusedError, AskAgainError):
            self.ledger.remember(node, token, stop_asked_at=None)
            raise
        self._remember(node, token, hung)
        return StopAsked(reason=answer.reason)

    def _why_it_hangs(self, instance: Instance, memory: Memory, now: datetime) -> dict[str, Any]:
        """Return what is remembered of a start that hung, once it is taken back. EC2 says why only while the instance is on."""
        return {"hung": memory.hung + 1, "hung_why": self.ec2.health(instance.id), "failed_at": now}

    def _remember(self, node: str, token: str, facts: dict[str, Any]) -> None:
        if facts:
            self.ledger.remember(node, token, **facts)

    def _ask_ec2(self, instance: Instance, looks: Sequence[EmptyCheck], question: Asked | None) -> None:
        """Ask EC2, unless what came before has taken so long that the evidence is old."""
        if clock.now() - max(look.at for look in looks) > LOOK_AGE:
            raise StopRefusedError("The last look at it is too old")
        self._is_recent(question)
        self.ec2.stop(instance.id)

    def _wait_for_an_earlier_try(self, memory: Memory, token: str) -> None:
        """Wait until a stop that an earlier try asked for, and died before its answer, has come or will not come any more.

        Nobody opens the node meanwhile, as this workflow has the claim; what it does next may let others open it.
        """
        asked_at = memory.stop_asked_at
        if asked_at and memory.claim and memory.claim.token == token:
            left = asked_at + LANDS_WITHIN - clock.now()  # more than that only by another clock
            clock.sleep(max(0.0, min(left, LANDS_WITHIN).total_seconds()))

    def _comes_all_the_same(self, instance: Instance, asked_at: datetime) -> bool:
        """Wait as long as a stop without an answer may still come; say whether it has come."""
        clock.sleep(max(0.0, (asked_at + LANDS_WITHIN - clock.now()).total_seconds()))
        return any(each.power is not Power.RUNNING for each in self.ec2.instances(instance_id=instance.id))

    @staticmethod
    def _is_recent(question: Asked | None) -> None:
        if question and is_old(question, clock.now()):
            raise AskAgainError(f"The last question was asked more than {ASK_AGE.seconds} s ago")

    def _network_out(self, instance: Instance, memory: Memory, now: datetime) -> float | None:
        if memory.closed_at is None:
            return None
        return self.ec2.network_out(instance.id, witnessed_from(memory.closed_at, self.policy.replication), now)

    @staticmethod
    def _judged(evidence: Evidence) -> Answer:
        answer = may_stop(evidence)
        if not answer.allowed:
            raise StopRefusedError(answer.reason)
        return answer
