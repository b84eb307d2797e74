"""The steps of `retire_node` before and after the stop: check that a closed node is empty, and that it has stopped."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from headroom import clock
from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.codec import wait_until
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Power, boots_closed, find_worker
from headroom.domain.fleet.lifecycle import Wanted
from headroom.domain.safety.safety import Asked, EmptyCheck, gap
from headroom.settings import Settings

if TYPE_CHECKING:
    from headroom.adapters.pexip.connection import Connection

A_LITTLE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look at a node found, and when to look again (ISO 8601). `check` is None if the node is not wanted off."""

    wanted: Wanted | None
    empty: bool
    reason: str
    again_at: str | None = None
    check: EmptyCheck | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChecked:
    """Whether the instance is off, whether somebody started it again, and whether it must stay closed until it is up."""

    stopped: bool
    on_again: bool
    boots_closed: bool
    reason: str


@dataclass
class RetireNode:
    """The ledger, EC2 and the operator's settings; for a look, the connection to the Management Node."""

    ledger: Ledger
    ec2: Ec2
    settings: Settings

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.ec2, parts.settings)

    def look(self, node: str, token: str, connection: "Connection", *, rests: bool = False) -> Looked:
        """Look live at the node, if it is still wanted off; say what was found, and when to look again.

        `rests` notes in the ledger that the workflow only waits until then.
        """
        memory = self.ledger.renew(node, token, clock.now())
        if memory.wanted is not Wanted.OFF:
            return Looked(wanted=memory.wanted, empty=False, reason=memory.reason)
        registrations = self.settings.check_registrations == "true"
        worker = find_worker(self.ledger.reading(), node)
        with connection.node() as pexip:
            check = pexip.look_at(worker, registrations=registrations, now=clock.now())
        again_at = check.at + gap(self.settings.policy.replication) + A_LITTLE
        if rests:
            self.ledger.rest(node, token, again_at)
        trouble = "" if check.listed else f"Pexip's answer was incomplete: {check.trouble}"
        return Looked(
            wanted=memory.wanted,
            empty=check.listed and not check.carries,
            reason=trouble or (f"It carries {check.carries}" if check.carries else "It is empty"),
            again_at=wait_until(again_at),
            check=check,
        )

    def ask(self, node: str, token: str, connection: "Connection") -> Asked:
        """Ask last of all whether the node is still closed by Headroom: a person may have opened it since the look."""
        self.ledger.renew(node, token, clock.now())
        worker = find_worker(self.ledger.reading(), node)
        with connection.node() as pexip:
            return pexip.ask_whether_closed(worker, clock.now())

    def check_stop(self, node: str, token: str) -> StopChecked:
        """Say whether the instance is off, and whether it must stay closed until its new public address is known.

        An instance that was launched after the stop was started by somebody else; the next plan handles it.
        """
        asked_at = self.ledger.renew(node, token, clock.now()).stop_asked_at
        worker = find_worker(self.ledger.reading(), node)
        instance = self.ec2.instance_of(worker)
        return StopChecked(
            stopped=instance.power in {Power.STOPPED, Power.TERMINATED},
            on_again=asked_at is not None and instance.launched_at > asked_at,
            boots_closed=boots_closed(worker, instance),
            reason=f"EC2 says {instance.power}: somebody has started it again",
        )
