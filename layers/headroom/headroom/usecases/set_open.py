"""The steps that change a node in Pexip: close it, open it, do what the plan wants, correct its address."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Self

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.codec import wait_until
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import find_worker
from headroom.domain.fleet.lifecycle import Action, Wanted
from headroom.domain.fleet.signature import is_ours, signed
from headroom.domain.history.events import HEADROOM, Event, Kind
from headroom.domain.policy import Policy
from headroom.domain.safety.claims import LONGEST_STEP
from headroom.domain.safety.permission import check_pause
from headroom.domain.texts import line

if TYPE_CHECKING:
    from headroom.adapters.pexip.connection import Connection

REASON = 250  # characters that Pexip keeps
OFTEN = timedelta(seconds=15)


class NotOursError(Exception):
    """The node was closed by a person, an upgrade or its own CPU check: Headroom does not open it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What was done: `open` is the wanted state of the node, `changed` says whether anything had to be changed.

    `closed_everywhere_at` is when every node knows of a closing, and `again_at` when to look whether it stayed as wanted,
    both ISO 8601; `again_at` is empty once every node knows, and no earlier step can change it any more.
    """

    reason: str
    changed: bool = True
    open: bool | None = None
    closed_everywhere_at: str = ""
    again_at: str = ""


@dataclass
class SetOpen:
    """The ledger, the connection to the Management Node and the operator's policy."""

    ledger: Ledger
    connection: "Connection"
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.pexip, parts.policy)

    def close(self, node: str, token: str, reason: str) -> Changed:
        """Put the node in maintenance mode, with a reason that names Headroom; return when every node will know.

        Raise NotOursError where it is in maintenance mode already, and not by Headroom.
        """
        worker, memory = find_worker(self.ledger.reading(), node), self.ledger.renew(node, token, clock.now())
        check_pause(Action.CLOSE, self.ledger.pause(clock.now()))
        with self.connection.node() as pexip:
            there = pexip.configuration(worker)
            why = there.maintenance_mode_reason
            if there.maintenance_mode and not is_ours(why, worker.read_by):
                raise NotOursError(f"{node} is in maintenance mode already: {why or 'no reason'}")
            if there.maintenance_mode and memory.closed_at:
                return self._closed(node, token, memory.closed_at, "It was closed already", changed=False)
            # If this step fails, its retry sets the time
            fence = partial(self.ledger.remember, node, token, closed_at=None)
            why = line(signed(reason, worker.read_by), REASON)
            pexip.configure(worker, fence, maintenance_mode=True, maintenance_mode_reason=why)
        now = clock.now()
        self.ledger.remember(node, token, closed_at=now)
        self.ledger.write(Event(at=now, kind=Kind.CLOSED, node=node, reason=reason, by=HEADROOM))
        return self._closed(node, token, now, reason, changed=True)

    def _closed(self, node: str, token: str, at: datetime, reason: str, *, changed: bool) -> Changed:
        everywhere_at = at + self.policy.replication
        self.ledger.rest(node, token, everywhere_at)
        return Changed(reason=reason, changed=changed, open=False, closed_everywhere_at=wait_until(everywhere_at))

    def open(self, node: str, token: str, reason: str) -> Changed:
        """Take the node out of maintenance mode; raise NotOursError if it was not Headroom that closed it."""
        worker = find_worker(self.ledger.reading(), node, to_open=True)
        self.ledger.renew(node, token, clock.now())
        with self.connection.node() as pexip:
            there = pexip.configuration(worker)
            why = there.maintenance_mode_reason
            if not there.maintenance_mode:
                self.ledger.remember(node, token, closed_at=None)
                return Changed(reason="It was open already", changed=False, open=True)
            if not is_ours(why, worker.read_by):
                raise NotOursError(f"{node} was not closed by Headroom: {why or 'no reason'}")
            fence = partial(self.ledger.remember, node, token, closed_at=None, opened_at=clock.now())
            pexip.configure(worker, fence, maintenance_mode=False, maintenance_mode_reason="")
        self.ledger.write(Event(at=clock.now(), kind=Kind.OPENED, node=node, reason=reason, by=HEADROOM))
        return Changed(reason=reason, open=True)

    def as_wanted(self, node: str, token: str) -> Changed:
        """Close or open the node as the newest plan wants it; say whether anything had to change, and when to look again."""
        memory = self.ledger.renew(node, token, clock.now())
        worker = find_worker(self.ledger.reading(), node, to_open=True)
        with self.connection.node() as pexip:
            is_open = not pexip.configuration(worker).maintenance_mode
        to_open = memory.wanted is Wanted.OPEN
        done = self.open(node, token, memory.reason) if to_open else self.close(node, token, memory.reason)
        memory = self.ledger.memory(node)
        since = (memory.opened_at if to_open else memory.closed_at) or memory.wanted_at or clock.now()
        return Changed(
            reason=memory.reason,
            closed_everywhere_at=done.closed_everywhere_at,
            open=to_open,
            changed=is_open != to_open,
            again_at=self._again_at(max(since, memory.wanted_at or since), to_open=to_open),
        )

    def _again_at(self, since: datetime, *, to_open: bool) -> str:
        """Say when to look again. A step of a relieved workflow may close a node after this one has opened it: so look often."""
        now, everywhere_at = clock.now(), since + max(self.policy.replication, LONGEST_STEP)
        if now >= everywhere_at:
            return ""
        often = to_open and now < since + LONGEST_STEP
        return wait_until(min(now + OFTEN, everywhere_at) if often else everywhere_at)

    def correct_address(self, node: str, token: str, address: str) -> Changed:
        """Set the node's static NAT address to its new public address."""
        worker = find_worker(self.ledger.reading(), node)
        self.ledger.renew(node, token, clock.now())
        with self.connection.node() as pexip:
            pexip.configure(worker, lambda: self.ledger.renew(node, token, clock.now()), static_nat_address=address)
        reason = f"Its static NAT address was {worker.static_nat_address}, its public address is {address} now"
        self.ledger.write(Event(at=clock.now(), kind=Kind.ADDRESS_CORRECTED, node=node, reason=reason, by=HEADROOM))
        return Changed(reason=reason)
