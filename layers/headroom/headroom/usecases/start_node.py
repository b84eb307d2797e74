"""The steps of `start_node`: ask EC2, or Pexip, to start a node, and see how far it has come."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from headroom import clock
from headroom.adapters.ec2 import Ec2, Ec2Error, ThrottledError
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.codec import moment, stamp, wait_until
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Source, find_worker
from headroom.domain.fleet.lifecycle import Action, Progress, Wanted, judge_start
from headroom.domain.history.events import HEADROOM, Event, Kind
from headroom.domain.policy import Policy
from headroom.domain.safety.pace import A_MOMENT
from headroom.domain.safety.permission import check_pause

if TYPE_CHECKING:
    from headroom.adapters.pexip.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """When EC2 or Pexip was asked to start the node, ISO 8601. Empty if it was not asked yet: `turn` says when to try again."""

    asked_at: str
    turn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """How far a start has come, and the node's public address."""

    progress: Progress
    reason: str
    address: str = ""


@dataclass
class StartNode:
    """The ledger, EC2 and the operator's policy; in assist mode Pexip, too."""

    ledger: Ledger
    ec2: Ec2
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.ec2, parts.policy)

    def ask_ec2(self, node: str, token: str, instance: str, turn: str) -> Asked:
        """Ask EC2 to start the node's instance when its turn has come, and return when that was.

        `turn` is the time that an earlier try was given, empty at first. If it has not come yet, or EC2 throttles the request,
        `asked_at` is empty and `turn` says when to try again. Any other refusal is written as an event and raised.
        """
        check_pause(Action.START, self.ledger.pause(clock.now()))
        memory = self.ledger.renew(node, token, clock.now())
        given = moment(turn)
        used = given and memory.start_asked_at and memory.start_asked_at >= given  # by a try whose answer got lost
        mine = given if given and not used else self.ledger.turn(clock.now())
        if mine > clock.now() + A_MOMENT:
            self.ledger.remember(node, token, start_due_at=mine)
            return Asked(asked_at="", turn=wait_until(mine))
        clock.sleep(max(0.0, (mine - clock.now()).total_seconds()))
        now = clock.now()
        self.ledger.remember(node, token, start_asked_at=now, start_due_at=now)
        try:
            self.ec2.start(instance)
        except ThrottledError:
            later = max(self.ledger.turn(clock.now()), now + A_MOMENT)
            self.ledger.remember(node, token, start_due_at=later)
            return Asked(asked_at="", turn=wait_until(later))
        except Ec2Error as error:
            refused = Event(at=now, kind=Kind.START_REFUSED, node=node, reason=f"EC2 says {error}", by=Source.EC2)
            self.ledger.write(refused)
            self.ledger.remember(node, token, start_due_at=None)
            raise
        self.ledger.write(Event(at=now, kind=Kind.START_ASKED, node=node, reason=memory.reason, by=HEADROOM))
        return Asked(asked_at=stamp(now))

    def ask_pexip(self, node: str, token: str, instance: str, connection: "Connection") -> Asked:
        """Ask Pexip to start the node, as its own Start button does; Pexip answers before anything has started."""
        check_pause(Action.START, self.ledger.pause(clock.now()))
        memory = self.ledger.renew(node, token, clock.now())
        now = clock.now()
        self.ledger.remember(node, token, start_asked_at=now, start_due_at=now)
        with connection.node() as pexip:
            pexip.start_cloudnode(instance)
        self.ledger.write(Event(at=now, kind=Kind.START_ASKED, node=node, reason=memory.reason, by=HEADROOM))
        return Asked(asked_at=stamp(clock.now()))

    def check(self, node: str, token: str, asked_at: str) -> Progressed:
        """Return how far a start has come; `unwanted` if the newest plan now wants the node off."""
        now = clock.now()
        memory = self.ledger.renew(node, token, now)
        if memory.wanted is Wanted.OFF:
            return Progressed(progress=Progress.UNWANTED, reason=f"The plan wants it {memory.wanted} now")
        reading = self.ledger.reading()
        blind = now - reading.read_at > self.policy.freshness
        worker = find_worker(reading, node)
        instance = self.ec2.instance_of(worker)
        verdict = judge_start(
            worker,
            instance,
            asked_at=datetime.fromisoformat(asked_at),
            boot_limit=2 * self.policy.boot_limit if blind else self.policy.boot_limit,
            now=now,
            reserve=memory.wanted is Wanted.CLOSED,
        )
        return Progressed(progress=verdict.progress, reason=verdict.reason, address=instance.public_ip or "")
