"""What the steps of a workflow do to one node through Pexip: close it, open it, look whether it is empty."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import msgspec

from headroom import clock
from headroom.adapters.ledger import Event, Ledger, stamp
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import OURS, Worker
from headroom.domain.fleet.lifecycle import Action, Wanted
from headroom.domain.safety.safety import gap
from headroom.settings import Settings
from headroom.usecases.start_node import ME, NotNowError, check_pause, find_worker

if TYPE_CHECKING:
    from headroom.adapters.secret import Pexip

REASON = 250  # characters that Pexip keeps
A_LITTLE = timedelta(seconds=5)


class NotOursError(Exception):
    """The node was closed by a person, an upgrade or its own CPU check: Headroom does not open it."""


@dataclass
class Gatekeeper:
    """The ledger and the Management Node."""

    ledger: Ledger
    pexip: "Pexip"
    settings: Settings

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Take what it needs from the parts there are."""
        return cls(parts.ledger, parts.pexip, parts.settings)

    def close(self, node: str, token: str, reason: str) -> dict[str, Any]:
        """Put the node in maintenance mode, with a reason that says it was Headroom; return since when it is."""
        worker, memory = self._worker(node), self.ledger.renew(node, token, clock.now())
        check_pause(self.ledger, Action.CLOSE)
        pexip = self.pexip.connect()
        now_there = pexip.configuration(worker.id)
        if now_there.maintenance_mode and not (now_there.maintenance_mode_reason or "").startswith(OURS):
            raise NotOursError(
                f"{node} is in maintenance mode already: {now_there.maintenance_mode_reason or 'no reason'}"
            )
        if now_there.maintenance_mode and memory.closed_at:
            return self._closed(node, token, memory.closed_at, "It was closed already")
        self.ledger.remember(node, token, closed_at=None)  # if this step dies half-way, it counts from its repetition
        pexip.configure(worker.id, maintenance_mode=True, maintenance_mode_reason=f"{OURS} {reason}"[:REASON])
        now = clock.now()
        self.ledger.remember(node, token, closed_at=now)
        self.ledger.tell(Event(at=now, kind="closed", node=node, reason=reason, by=ME))
        return self._closed(node, token, now, reason)

    def _closed(self, node: str, token: str, at: datetime, reason: str) -> dict[str, Any]:
        everywhere_at = at + self.settings.policy.replication
        self.ledger.rest(node, token, everywhere_at)
        return {"closed_everywhere_at": stamp(everywhere_at), "reason": reason}

    def open(self, node: str, token: str, reason: str) -> dict[str, Any]:
        """Take the node out of maintenance mode, if it was Headroom that closed it."""
        worker = self._worker(node)
        self.ledger.renew(node, token, clock.now())
        pexip = self.pexip.connect()
        now_there = pexip.configuration(worker.id)
        if not now_there.maintenance_mode:
            self.ledger.remember(node, token, closed_at=None)
            return {"reason": "It was open already"}
        if not (now_there.maintenance_mode_reason or "").startswith(OURS):
            raise NotOursError(f"{node} was not closed by Headroom: {now_there.maintenance_mode_reason or 'no reason'}")
        self.ledger.remember(node, token, closed_at=None, opened_at=clock.now())
        pexip.configure(worker.id, maintenance_mode=False, maintenance_mode_reason="")
        self.ledger.tell(Event(at=clock.now(), kind="opened", node=node, reason=reason, by=ME))
        return {"reason": reason}

    def as_wanted(self, node: str, token: str) -> dict[str, Any]:
        """Close or open the node as the newest plan wants it; say whether anything had to change."""
        memory = self.ledger.renew(node, token, clock.now())
        worker = self._worker(node)
        is_open = not self.pexip.connect().configuration(worker.id).maintenance_mode
        to_open = memory.wanted is Wanted.OPEN
        done = self.open(node, token, memory.reason) if to_open else self.close(node, token, memory.reason)
        return done | {"open": to_open, "changed": is_open != to_open, "reason": memory.reason}

    def correct_address(self, node: str, token: str, address: str) -> dict[str, Any]:
        """Have the node's static NAT address follow its new public address."""
        worker = self._worker(node)
        self.ledger.renew(node, token, clock.now())
        self.pexip.connect().configure(worker.id, static_nat_address=address)
        reason = f"Its static NAT address was {worker.static_nat_address}, its public address is {address} now"
        self.ledger.tell(Event(at=clock.now(), kind="address corrected", node=node, reason=reason, by=ME))
        return {"reason": reason}

    def look(self, node: str, token: str, *, rests: bool = False) -> dict[str, Any]:
        """Look live at the node, if it is still wanted off; say what was found, and when to look again.

        `rests` says that the workflow waits until then.
        """
        memory = self.ledger.renew(node, token, clock.now())
        if memory.wanted is not Wanted.OFF:
            return {
                "wanted": str(memory.wanted),
                "empty": False,
                "closed": False,
                "again_at": None,
                "check": None,
                "reason": memory.reason,
            }
        registrations = self.settings.check_registrations == "true"
        check = self.pexip.connect().look_at(self._worker(node), registrations=registrations, now=clock.now())
        again_at = check.at + gap(self.settings.policy.replication) + A_LITTLE
        if rests:
            self.ledger.rest(node, token, again_at)
        trouble = "" if check.complete else f"Pexip could not say everything: {check.trouble}"
        return {
            "wanted": str(memory.wanted),
            "empty": check.complete and not check.carries,
            "closed": check.closed,
            "again_at": stamp(again_at),
            "check": msgspec.to_builtins(check),
            "reason": trouble or (f"It carries {check.carries}" if check.carries else "It is empty"),
        }

    def _worker(self, node: str) -> Worker:
        reading = self.ledger.last_reading()
        if reading is None:
            raise NotNowError("Pexip has not been read yet: wait a minute.")
        return find_worker(reading, node)
