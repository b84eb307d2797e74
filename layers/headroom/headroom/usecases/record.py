"""Everything that writes lifetimes: EC2's messages, what a plan finds without one, and nodes that begin to serve."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Observation, Power, canonical, match_up
from headroom.domain.fleet.lifecycle import Commitments, Life, Memory, was_ours
from headroom.domain.fleet.reconciling import Finding, Found, reconcile
from headroom.domain.history.events import HEADROOM, Event, Kind
from headroom.domain.history.lifetimes import SUPPOSED
from headroom.domain.policy import Policy

SOMEONE = "someone else"


@dataclass
class Recorder:
    """Writes the lifetimes of nodes."""

    ledger: Ledger
    ec2: Ec2

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.ec2)

    def state_changed(self, instance_id: str, state: str, at: datetime) -> str:
        """Record one change of state; return the node's name, empty if the instance is not one of ours."""
        found = self.ec2.instances(instance_id=instance_id)
        if not found:
            return ""
        [instance] = found
        reading = self.ledger.last_reading()
        workers = reading.workers if reading else ()
        named = (worker.name for worker in workers if canonical(worker.address) in instance.addresses)
        node = next(named, instance.name or instance.id)
        memory = self.ledger.memory(node)
        going_on = state in {Power.PENDING, Power.RUNNING}
        asked_at = memory.start_asked_at if going_on else memory.stop_asked_at
        ours = was_ours(asked_at, at)
        by, reason = (HEADROOM, memory.reason) if ours else (SOMEONE, "not asked for by Headroom")
        self.ledger.write(Event(at=at, kind=Kind.read(f"instance {state}"), node=node, reason=reason, by=by))
        if not ours:
            self.ledger.note(node, switched_by_others_at=at)
        open_life = self.ledger.life(instance.id) or _as_kept_before(node, memory)
        this = Life(instance=instance.id, node=node, launched_at=instance.launched_at)
        if going_on:
            self._began(this, open_life, memory, by, reason)
        else:  # a late message may be about the previous lifetime; both times are whole seconds
            life = this if at > instance.launched_at else open_life
            if life and life.launched_at < at:
                self._ended(life, open_life, memory, state, at, by, reason)
        return node

    def _began(self, life: Life, before: Life | None, memory: Memory, by: str, reason: str) -> None:
        """Write that a lifetime began; end the one `before` it whose end no message told of."""
        if before and before.launched_at == life.launched_at and before.instance:
            return  # whatever its node is called by now
        self._end_earlier(life, before, memory)
        self.ledger.lifetime_began(life, by, reason)

    def _end_earlier(self, life: Life, before: Life | None, memory: Memory) -> None:
        if before and before.launched_at < life.launched_at:
            self._end(before, memory, stopped_at=life.launched_at, stopped_by="unknown (seen at its next start)")

    def _end(self, life: Life, memory: Memory, **facts: str | datetime) -> None:
        self.ledger.lifetime_ended(life, **facts)
        if memory.lifetime:  # as version 0.1 kept it
            self.ledger.note(memory.node, lifetime=None)

    def _ended(
        self, life: Life, before: Life | None, memory: Memory, state: str, at: datetime, by: str, reason: str
    ) -> None:
        if before and before.launched_at == life.launched_at:
            life = before  # whatever its node is called by now
        else:  # if no message reported its start
            self._end_earlier(life, before, memory)
            self.ledger.lifetime_was(life, "unknown", "seen when it stopped")
        if state in {Power.STOPPED, Power.TERMINATED}:
            self._end(life, memory, stopped_at=at, stopped_by=by, stop_reason=reason)
            self.ledger.note(memory.node, stopped_at=at)

    def catch_up(self, observation: Observation, commitments: Commitments, policy: Policy, now: datetime) -> None:
        """Correct the ledger by what was just read. This is done before planning, as a node may be seen for one tick only."""
        fleet = match_up(
            observation,
            expected_hd={},
            default_hd=0,
            boot_limit=policy.boot_limit,
            just_opened=commitments.just_opened(policy.replication, now),
            now=now,
        )
        seen = observation.instances
        for finding in reconcile(fleet.nodes, commitments, now, instances=seen, is_read=bool(seen)):
            is_read = finding.node not in commitments.unread_nodes
            self.make_good(finding, commitments.memory(finding.node), now, is_read=is_read)

    def make_good(self, finding: Finding, memory: Memory, now: datetime, *, is_read: bool = True) -> None:
        """Correct what is remembered of a node by one finding; a record that cannot be read is left as it is."""
        ledger, node, life = self.ledger, finding.node, finding.life
        by_others = {"switched_by_others_at": now} if finding.by_others else {}
        match finding.found:
            case Found.NO_LIFETIME if life:
                ours = was_ours(memory.start_asked_at, life.launched_at)
                by, reason = (HEADROOM, memory.reason) if ours else ("unknown", "a plan found it running")
                ledger.lifetime_began(life, by, reason)
                if finding.by_others:
                    ledger.note(node, switched_by_others_at=now)
            case Found.NO_INSTANCE if life:
                self._end(life, memory, stopped_at=now, stopped_by=SUPPOSED)
                if is_read:
                    ledger.note(node, stopped_at=now, **by_others)
            case Found.CLOSED:  # later than it really was, so that no stop comes too early
                ledger.note_if_free(node, closed_at=now)
            case Found.OPEN:
                ledger.note_if_free(node, closed_at=None)
            case Found.SERVES:
                ledger.note(node, hd=finding.hd, given_up_at=None)
            case Found.UP:
                ledger.note(node, up_at=now, hung=None)
            case Found.NO_WORKFLOW if memory.claim:
                ledger.take_back(node, memory.claim.token, now)

    def serves(self, life: Life, hd: int, boot_seconds: int, now: datetime) -> None:
        """Write that a started node is up, how long that took from the start command on, and what it offers."""
        self.ledger.lifetime_note(life.node, life.launched_at, serving_at=now, boot_seconds=boot_seconds, hd=hd)


def _as_kept_before(node: str, memory: Memory) -> Life | None:
    """Return a node's open lifetime as version 0.1 kept it."""
    return Life(instance="", node=node, launched_at=memory.lifetime) if memory.lifetime else None
