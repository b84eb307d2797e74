"""First step of every workflow: take the claim on a node, or say why not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import msgspec

from headroom import clock
from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Reading, Worker, find_worker
from headroom.domain.fleet.lifecycle import BY_HAND, Action, Hold, Wanted
from headroom.domain.fleet.limits import promised_lifetime
from headroom.domain.history.events import Event, Kind
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety import permission
from headroom.domain.texts import REASON, TOLD, line

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


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """What an execution is begun with."""

    node: str
    reason: str = ""

    @property
    def action(self) -> Action:
        """What the workflow is to do."""
        return Action.STOP


class StartInput(Input, forbid_unknown_fields=True):
    """With `reserve` the node comes up closed."""

    reserve: bool = False

    @property
    def action(self) -> Action:
        """Start it, open or closed."""
        return Action.START_CLOSED if self.reserve else Action.START


class OpenInput(Input, forbid_unknown_fields=True, kw_only=True):
    """`open` has no default: nobody should close a node by leaving it out."""

    open: bool

    @property
    def action(self) -> Action:
        """Open or close it."""
        return Action.OPEN if self.open else Action.CLOSE


INPUTS: dict[str, tuple[type[Input], str]] = {
    "start_node": (
        StartInput,
        '{"node": "burst-1", "reason": "all-hands at ten"}, and "reserve": true to have it come up closed',
    ),
    "set_open": (
        OpenInput,
        '{"node": "burst-1", "open": true, "reason": "all-hands at ten"}, or "open": false to close it',
    ),
    "retire_node": (Input, '{"node": "burst-1", "reason": "not needed today"}'),
}


def read(workflow: str, given: object) -> tuple[str, Action, str]:
    """Return the node, the action and the reason that an execution was begun with; raise BadRequestError if it cannot."""
    kind, example = INPUTS[workflow]
    try:
        found = msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise BadRequestError(
            f"{workflow} takes {example}. The input of this execution cannot be used: {line(str(error), TOLD)}."
        ) from error
    return found.node, found.action, line(found.reason, REASON)


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

    def take(self, workflow: str, given: object, token: str) -> Claimed:
        """Take the claim that a plan wrote for this token; an execution started by hand takes a free claim.

        `given` is the execution's input. Raise BadRequestError for one that the workflow cannot use, ClaimLostError where
        another workflow has the claim, NotNowError where the mode or a pause forbids the action, UnknownNodeError for a name
        that Pexip does not know.
        """
        node, action, reason = read(workflow, given)
        now, reading = clock.now(), self.ledger.reading()
        worker = find_worker(reading, node, to_open=action is Action.OPEN)
        permission.check(action, self.policy.mode, reading.settings, self.ledger.pause(now))
        instance = self._known_instance(worker, action)
        held = self.ledger.memory_or_anew(node, action, now).claim
        by_hand = held is None or held.token != token
        reason = reason or f"{DONE[action]} {BY_HAND}"
        memory = self.ledger.claim(node, token, action, reason, now)
        if by_hand:
            self.ledger.write(Event(at=now, kind=Kind.wanted(action), node=node, reason=reason, by=BY_HAND))
            if action is Action.START:
                self.ledger.remember(node, token, hung=None, hung_why=None)  # a person has looked at it
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
        """Return the hold of a node started by hand: it stays on for as long as Pexip would leave it on."""
        ready_by = now + 2 * self.policy.boot_time
        return Hold(
            id=f"start-{token}"[:120],
            begins=now,
            ready_by=ready_by,
            until=ready_by + promised_lifetime(self.policy, reading),
            reason=reason,
            by=BY_HAND,
            nodes=(node,),
        )
