"""First step of every workflow: take the claim on a node, or say why not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from headroom import clock
from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Reading, Worker, find_worker
from headroom.domain.fleet.lifecycle import BY_HAND, Action, Hold, Wanted
from headroom.domain.fleet.limits import minimum_lifetime
from headroom.domain.history.events import Event, Kind
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety import permission

DONE = {
    Action.START: "started",
    Action.START_CLOSED: "started",
    Action.OPEN: "opened",
    Action.CLOSE: "closed",
    Action.STOP: "stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a workflow must know of its node; `reserve` says that the node is to come up closed."""

    node: str
    instance: str
    mode: Mode
    reserve: bool
    reason: str


@dataclass
class Claim:
    """Takes claims on nodes for workflows."""

    ledger: Ledger
    ec2: Ec2
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.ec2, parts.policy)

    def take(self, node: str, token: str, action: Action, reason: str = "") -> Claimed:
        """Take the claim that a plan wrote for this token; an execution started by hand takes a free claim.

        Raise ClaimLostError where another workflow has it, NotNowError where the mode or a pause forbids the action,
        UnknownNodeError for a name that Pexip does not know.
        """
        now, reading = clock.now(), self.ledger.reading()
        worker = find_worker(reading, node, to_open=action is Action.OPEN)
        permission.check(action, self.policy.mode, reading.settings, self.ledger.pause())
        instance = self._known_instance(worker, action)
        held = self.ledger.memory(node).claim
        by_hand = held is None or held.token != token
        reason = reason or f"{DONE[action]} {BY_HAND}"
        memory = self.ledger.claim(node, token, action, reason, now)
        if by_hand:
            self.ledger.write(Event(at=now, kind=Kind.wanted(action), node=node, reason=reason, by=BY_HAND))
            if action is Action.START:
                self.ledger.promise(self._hold(node, token, reason, reading, now))
        return Claimed(
            node=node,
            instance=instance,
            mode=self.policy.mode,
            reserve=memory.wanted is Wanted.CLOSED,
            reason=memory.reason,
        )

    def _known_instance(self, worker: Worker, action: Action) -> str:
        """Return the id of a node's instance as the newest plan saw it, so that EC2 need not be asked again.

        Opening a node needs none: what Headroom has closed is opened even where its tag or its instance is gone.
        """
        planned = self.ledger.last_plan()
        nodes = planned.plan.nodes if planned else ()
        known = next((node.instance for node in nodes if node.name == worker.name), "")
        return known or ("" if action is Action.OPEN else self.ec2.instance_of(worker).id)

    def _hold(self, node: str, token: str, reason: str, reading: Reading, now: datetime) -> Hold:
        """Return the hold of a node started by hand: it stays on for its minimum lifetime, as in Pexip."""
        ready_by = now + 2 * self.policy.boot_time
        return Hold(
            id=f"start-{token}"[:120],
            begins=now,
            ready_by=ready_by,
            until=ready_by + minimum_lifetime(self.policy, reading),
            reason=reason,
            by=BY_HAND,
            nodes=(node,),
        )
