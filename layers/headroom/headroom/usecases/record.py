"""Everything that writes lifetimes: EC2's messages, what a plan finds without one, and nodes that begin to serve."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Observation, Power, match_up
from headroom.domain.fleet.lifecycle import Commitments, Memory, was_ours
from headroom.domain.fleet.reconciling import Finding, Found, reconcile
from headroom.domain.history.events import HEADROOM, Event, Kind
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
        workers = {worker.address: worker.name for worker in reading.workers} if reading else {}
        node = workers.get(instance.private_ip or "", instance.name or instance.id)
        memory = self.ledger.memory(node)
        going_on = state in {Power.PENDING, Power.RUNNING}
        asked_at = memory.start_asked_at if going_on else memory.stop_asked_at
        ours = was_ours(asked_at, at)
        by, reason = (HEADROOM, memory.reason) if ours else (SOMEONE, "not asked for by Headroom")
        self.ledger.write(Event(at=at, kind=Kind.read(f"instance {state}"), node=node, reason=reason, by=by))
        if not ours:
            self.ledger.note(node, switched_by_others_at=at)
        if going_on:
            self._began(node, instance.launched_at, memory, by, reason)
        else:  # a late message may be about the previous lifetime; both times are whole seconds
            is_this = at > instance.launched_at
            lifetime = instance.launched_at if is_this else memory.lifetime
            if lifetime and lifetime < at:
                self._ended(node, lifetime, memory, state, at, by, reason)
        return node

    def _began(self, node: str, launched_at: datetime, memory: Memory, by: str, reason: str) -> None:
        if memory.lifetime and memory.lifetime < launched_at:  # no message told of its end
            self.ledger.lifetime_note(
                node, memory.lifetime, stopped_at=launched_at, stopped_by="unknown (seen at its next start)"
            )
        if self.ledger.lifetime_began(node, launched_at, by, reason):
            self.ledger.note(node, lifetime=launched_at)

    def _ended(
        self, node: str, launched_at: datetime, memory: Memory, state: str, at: datetime, by: str, reason: str
    ) -> None:
        self._began(node, launched_at, memory, "unknown", "seen when it stopped")  # if no message reported its start
        if state in {Power.STOPPED, Power.TERMINATED}:
            self.ledger.lifetime_note(node, launched_at, stopped_at=at, stopped_by=by, stop_reason=reason)
            self.ledger.note(node, lifetime=None, stopped_at=at)

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
        for finding in reconcile(fleet.nodes, commitments, now, is_read=bool(observation.instances)):
            self.make_good(finding, commitments.memory(finding.node), now)

    def make_good(self, finding: Finding, memory: Memory, now: datetime) -> None:
        """Correct what is remembered of a node by one finding."""
        ledger, node, launched_at = self.ledger, finding.node, finding.launched_at
        by_others = {"switched_by_others_at": now} if finding.by_others else {}
        match finding.found:
            case Found.NO_LIFETIME if launched_at:
                ours = was_ours(memory.start_asked_at, launched_at)
                by, reason = (HEADROOM, memory.reason) if ours else ("unknown", "a plan found it running")
                ledger.lifetime_began(node, launched_at, by, reason)
                ledger.note(node, lifetime=launched_at, **by_others)
            case Found.NO_INSTANCE if launched_at:
                ledger.lifetime_note(node, launched_at, stopped_at=now, stopped_by="unknown (found by a plan)")
                ledger.note(node, lifetime=None, stopped_at=now, **by_others)
            case Found.CLOSED:  # later than it really was, so that no stop comes too early
                ledger.note_if_free(node, closed_at=now)
            case Found.OPEN:
                ledger.note_if_free(node, closed_at=None)
            case Found.SERVES:
                ledger.note(node, hd=finding.hd, given_up_at=None)
            case Found.NO_WORKFLOW if memory.claim:
                ledger.take_back(node, memory.claim.token, now)

    def serves(self, memory: Memory, boot_seconds: int, now: datetime) -> None:
        """Write that a started node is up, how long that took from the start command on, and what it offers."""
        if memory.lifetime:
            self.ledger.lifetime_note(
                memory.node, memory.lifetime, serving_at=now, boot_seconds=boot_seconds, hd=memory.hd or 0
            )
