"""What the steps of a workflow do to one node with EC2: claim it, start it, see how far it has come."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from headroom import clock
from headroom.adapters.ec2 import Ec2, Ec2Error, ThrottledError
from headroom.adapters.ledger import Event, Ledger, UnknownNodeError, moment, stamp
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Instance, Power, Reading, Worker, boots_closed
from headroom.domain.fleet.lifecycle import Action, Hold, Wanted, judge_start
from headroom.domain.policy import Mode, Policy

ME = "Headroom"
A_MOMENT = timedelta(seconds=3)  # that a function waits for its turn itself


class NotNowError(Exception):
    """This may not be done as things are; the message says what stands against it. Nothing was touched."""


def check_pause(ledger: Ledger, action: Action) -> None:
    """Raise NotNowError while a pause forbids this."""
    pause = ledger.pause()
    if pause and not (action is Action.START and pause.still_starts):
        raise NotNowError(f"Headroom is paused: {pause.reason}")


def check_mode(policy: Policy, reading: Reading, action: Action) -> None:
    """Raise NotNowError where the mode forbids this; opening what Headroom closed is right in every mode."""
    if action is Action.OPEN:
        return
    if policy.mode is Mode.OBSERVE:
        raise NotNowError("Headroom is in observe mode and touches nothing: deploy with Mode=assist or Mode=control.")
    if policy.mode is Mode.ASSIST and action is not Action.START:
        raise NotNowError(f"In assist mode Headroom only starts nodes; to {action} one is Pexip's, or yours.")
    if policy.mode is Mode.CONTROL and reading.settings.bursting_enabled:
        raise NotNowError("Pexip's own bursting is enabled: disable it before Headroom controls the nodes.")


@dataclass
class Worksite:
    """The ledger, EC2 and the operator's policy."""

    ledger: Ledger
    ec2: Ec2
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Take what it needs from the parts there are."""
        return cls(parts.ledger, parts.ec2, parts.policy)

    def claim(self, node: str, token: str, action: Action, reason: str) -> dict[str, Any]:
        """Take the claim and return what the workflow must know; an execution by hand says what it wants as it claims."""
        now = clock.now()
        reading = self._reading()
        worker = find_worker(reading, node)
        self._check(reading, action)
        instance = self._known_instance(worker)
        held = self.ledger.memory(node).claim
        by_hand = held is None or held.token != token
        memory = self.ledger.claim(node, token, action, reason, now)
        if by_hand:
            self.ledger.tell(Event(at=now, kind=f"{action} wanted", node=node, reason=reason, by="by hand"))
            if action is Action.START:
                self.ledger.promise(self._hold(node, token, reason, reading, now))
        return {
            "node": node,
            "instance": instance,
            "mode": self.policy.mode,
            "reserve": memory.wanted is Wanted.CLOSED,
            "reason": memory.reason,
        }

    def _check(self, reading: Reading, action: Action) -> None:
        check_mode(self.policy, reading, action)
        if action is not Action.OPEN:
            check_pause(self.ledger, action)

    def _hold(self, node: str, token: str, reason: str, reading: Reading, now: datetime) -> Hold:
        """A node started by hand stays for its minimum lifetime, as in Pexip."""
        lifetime = self.policy.lifetime_or(60 * reading.settings.bursting_min_lifetime)
        ready_by = now + 2 * self.policy.boot_time
        return Hold(
            id=f"start-{token}"[:120],
            begins=now,
            ready_by=ready_by,
            until=ready_by + lifetime,
            reason=reason,
            by="by hand",
            nodes=(node,),
        )

    def start_instance(self, node: str, token: str, instance: str, turn: str) -> dict[str, str]:
        """Ask EC2 to start the node's instance when its turn has come, and return when that was.

        `turn` is the one that an earlier try was given, empty at first. Where it is not yet, or EC2 throttles all the same,
        `asked_at` is empty and `turn` says when to try again. Another refusal is an event, and is raised for the workflow.
        """
        check_pause(self.ledger, Action.START)
        memory = self.ledger.renew(node, token, clock.now())
        given = moment(turn)
        used = given and memory.start_asked_at and memory.start_asked_at >= given  # by a try that got lost
        mine = given if given and not used else self.ledger.turn(clock.now())
        if mine > clock.now() + A_MOMENT:
            return {"asked_at": "", "turn": stamp(mine)}
        clock.sleep(max(0.0, (mine - clock.now()).total_seconds()))
        now = clock.now()
        self.ledger.remember(node, token, start_asked_at=now)
        try:
            self.ec2.start(instance)
        except ThrottledError:
            later = self.ledger.turn(clock.now())
            return {"asked_at": "", "turn": stamp(max(later, now + A_MOMENT))}
        except Ec2Error as error:
            self.ledger.tell(Event(at=now, kind="start refused", node=node, reason=f"EC2 says {error}", by="EC2"))
            raise
        self.ledger.tell(Event(at=now, kind="start asked", node=node, reason=memory.reason, by=ME))
        return {"asked_at": stamp(now), "turn": ""}

    def check_start(self, node: str, token: str, asked_at: str) -> dict[str, str]:
        """Say how far a start has come; `unwanted` if the newest plan wants the node otherwise by now."""
        now = clock.now()
        memory = self.ledger.renew(node, token, now)
        if memory.wanted is Wanted.OFF:
            return {"progress": "unwanted", "reason": f"The plan wants it {memory.wanted} now", "address": ""}
        reading = self._reading()
        blind = now - reading.read_at > self.policy.freshness
        instance = self._instance(find_worker(reading, node))
        verdict = judge_start(
            find_worker(reading, node),
            instance,
            asked_at=datetime.fromisoformat(asked_at),
            boot_limit=2 * self.policy.boot_limit if blind else self.policy.boot_limit,
            now=now,
            reserve=memory.wanted is Wanted.CLOSED,
        )
        return {"progress": verdict.progress, "reason": verdict.reason, "address": instance.public_ip or ""}

    def check_stop(self, node: str, token: str) -> dict[str, Any]:
        """Say whether the instance is off, and whether it must stay closed until its new public address is known.

        One that was launched since has been started again by somebody else: the next plan sees to it.
        """
        asked_at = self.ledger.renew(node, token, clock.now()).stop_asked_at
        worker = find_worker(self._reading(), node)
        instance = self._instance(worker)
        return {
            "stopped": instance.power in {Power.STOPPED, Power.TERMINATED},
            "on_again": asked_at is not None and instance.launched_at > asked_at,
            "boots_closed": boots_closed(worker, instance),
            "reason": f"EC2 says {instance.power}: somebody has started it again",
        }

    def _reading(self) -> Reading:
        reading = self.ledger.last_reading()
        if reading is None:
            raise NotNowError(
                "Pexip has not been read yet: wait a minute, and look at the log of the observe function."
            )
        return reading

    def _known_instance(self, worker: Worker) -> str:
        """Return the id of a node's instance as the newest plan saw it, so that EC2 need not be asked again."""
        planned = self.ledger.last_plan()
        nodes = planned.plan.nodes if planned else ()
        known = next((node.instance for node in nodes if node.name == worker.name), "")
        return known or self._instance(worker).id

    def _instance(self, worker: Worker) -> Instance:
        found = [
            one for one in self.ec2.instances(private_ip_address=worker.address) if one.power is not Power.TERMINATED
        ]
        if len(found) != 1:
            raise NotNowError(
                f"{worker.name} ({worker.address}) has {len(found)} tagged instances instead of one: see the issues."
            )
        return found[0]


def find_worker(reading: Reading, node: str) -> Worker:
    """Return the node of that name; raise UnknownNodeError, naming those there are."""
    overflow = {location.overflow_location for location in reading.locations}
    for worker in reading.workers:
        if worker.name == node and worker.location in overflow:
            return worker
    names = ", ".join(worker.name for worker in reading.workers if worker.location in overflow) or "none"
    raise UnknownNodeError(f"No overflow node is called {node!r}; there are: {names}.")
