"""The steps of `provision_node`, `convert_node` and `remove_node`: each may be repeated, and goes on with what is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.adapters.making import Making
from headroom.adapters.pexip.form import Form
from headroom.adapters.provisioning import ProvisioningParts, ProvisioningSettings
from headroom.domain.fleet.fleet import Instance, Power, Worker, canonical
from headroom.domain.fleet.signature import CONVERTED, PROVISIONED, is_being_provisioned, is_ours, signed
from headroom.domain.history.events import HEADROOM, Event, Kind
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.planning.provisioning import (
    Found,
    Stage,
    checked_name,
    how_far,
    how_it_rests,
    image_for,
    network_of,
)
from headroom.domain.policy import Mode
from headroom.domain.safety.permission import NotNowError, NotReadyError, promises_unread
from headroom.domain.texts import listed

if TYPE_CHECKING:
    from headroom.adapters.pexip.answers import WorkerConfiguration
    from headroom.adapters.pexip.connection import Connection
    from headroom.adapters.pexip.provisioning import ProvisioningNode

SHOWS_ITS_FORM_WITHIN = timedelta(minutes=5)  # by Pexip's guide a new node takes about that long


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asks for: an overflow node, where, and on what instance.

    `subnet`, `security_groups`, `key` and `elastic_ip` (an allocation) are ids of EC2's; `image` is one, or empty for that of the
    Management Node's version. `domain` is the node's DNS domain, or empty for that of the nodes there are.
    """

    node: str
    location: str
    subnet: str
    security_groups: tuple[str, ...]
    instance_type: str
    key: str = ""
    tenancy: str = "default"
    elastic_ip: str = ""
    image: str = ""
    domain: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What will be made of it: ids, addresses, and the same in sentences."""

    does: tuple[str, ...]
    image: str = ""
    netmask: str = ""
    gateway: str = ""
    domain: str = ""
    place: str = ""  # the location's address in Pexip
    instance: str = ""  # that of a node that is an overflow node already: nothing else is needed then


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The instance of a node and its state in EC2's words; its private address, and its public one or nothing.

    `ready` says that it runs, with all its addresses.
    """

    instance: str
    state: str
    address: str = ""
    public_address: str = ""
    ready: bool = False


@dataclass
class ProvisionNode:
    """The ledger, EC2, Pexip, and the new nodes' forms."""

    settings: ProvisioningSettings
    ledger: Ledger
    making: Making
    pexip: "Connection[ProvisioningNode]"
    form: Form

    @classmethod
    def of(cls, parts: ProvisioningParts) -> Self:
        """Build the use case from the parts of the optional stack."""
        return cls(parts.settings, parts.ledger, parts.making, parts.pexip, parts.form)

    # Provisioning

    def plan(self, wanted: Wanted) -> Planned:
        """Look at everything that it takes, and change nothing; raise BadRequestError, which says what to change."""
        checked_name(wanted.node)
        self._check_not_out(wanted.node)
        self._check_overflow(wanted.location)
        here = self.making.made(wanted.node)
        if here and here.tag == self.settings.tag_value:
            return Planned(instance=here.id, does=(f"nothing: {wanted.node} is an overflow node already",))
        with self.pexip.node() as pexip:
            version = pexip.version()
            place = pexip.location(wanted.location)
            nodes = pexip.nodes()
            domain = wanted.domain or next((each.domain for each in nodes if each.domain), "") or pexip.domain()
        known = next((each for each in nodes if each.name == wanted.node), None)
        self._check_ours(known, here)
        if not domain:
            raise BadRequestError("Neither a node nor the Management Node tells the DNS domain: give one.")
        images = self.making.images(self.settings.image_owner, wanted.image)
        image = images[0] if wanted.image and images else image_for(version, images)
        cidr, zone = self.making.subnet(wanted.subnet)
        network = network_of(cidr)
        return Planned(
            image=image.id,
            netmask=network.netmask,
            gateway=network.gateway,
            domain=domain,
            place=place,
            does=(
                f"go on with instance {here.id}, which is {here.power}"
                if here
                else f"run {wanted.instance_type} in {wanted.subnet} ({zone}) from {image.id}, «{image.name}», "
                f"tenancy {wanted.tenancy}, {f'key pair {wanted.key}' if wanted.key else 'without a key pair'}",
                f"create {wanted.node}.{domain} in {wanted.location}, closed, netmask {network.netmask}, gateway "
                f"{network.gateway}, distributed database off",
                "upload its XML to its port 8443, and wait until it is in sync with the Management Node",
                f"tag the instance pexip-cloud = {self.settings.tag_value}: it is an overflow node from then on",
                "leave it to Headroom, which stops it, or opens it if it is needed",
            ),
        )

    def _check_overflow(self, location: str) -> None:
        overflow = {place.overflow_location for place in self.ledger.reading().locations if place.overflow_location}
        if location not in overflow:
            raise BadRequestError(
                f"{location} is the primary overflow location of no location, so a node there would never be used; those that "
                f"are: {listed(sorted(overflow)) or 'none'}."
            )

    def _check_not_out(self, node: str) -> None:
        if node in self.ledger.commitments(clock.now()).taken_out():
            raise BadRequestError(f"A node {node} is taken out: put it back first (`headroom reinstate {node}`).")

    def run(self, wanted: Wanted, planned: Planned, token: str) -> Ran:
        """Have an instance for the node that runs, with its Elastic IP; what is there already is used."""
        here = self.making.made(wanted.node)
        if here is None:
            if why := self.making.why_ended(wanted.node, token):
                raise BadRequestError(f"EC2 has ended the instance at once ({why}): mend that, and begin again.")
            order = {
                "image": planned.image,
                "instance_type": wanted.instance_type,
                "subnet": wanted.subnet,
                "security_groups": wanted.security_groups,
                "key": wanted.key,
                "tenancy": wanted.tenancy,
            }
            self.making.run(wanted.node, token, order=order)
            return Ran(instance="", state=Power.PENDING)
        if here.power is Power.STOPPED:
            self.making.start(here.id)
        elif here.power is Power.RUNNING and wanted.elastic_ip and not here.elastic:
            self.making.associate(wanted.elastic_ip, here.id)
            here = self.making.instance(here.id)
        return Ran(
            instance=here.id,
            state=here.power,
            address=here.private_ip or "",
            public_address=here.public_ip or "",
            ready=here.power is Power.RUNNING and (here.elastic or not wanted.elastic_ip),
        )

    def introduce(self, wanted: Wanted, planned: Planned, ran: Ran) -> str:
        """Create the node in Pexip and give it its XML; say what was done. Raise NotReadyError while its form is not there.

        The XML is told once. A node that was created and shows its form has not got it: it is deleted and created again. One
        without its form has got it, and boots; so has one of which Pexip has heard, whatever it shows.
        """
        with self.pexip.node() as pexip:
            known = next((each for each in pexip.nodes() if each.name == wanted.node), None)
            self._check_ours(known, self.making.instance(ran.instance))
            if known and self._has_been_heard(pexip.read(self.ledger.platform, clock.now()).workers, wanted.node, ran):
                return "it has its configuration, and Pexip has heard of it"
            if not self.form.is_there(ran.address):
                if known is None or self._has_just_booted(ran.instance):
                    raise NotReadyError(f"{wanted.node} ({ran.address}) does not show its form on port 8443 yet.")
                return "it has its configuration"
            if known:
                pexip.delete(known)
            xml = pexip.create(
                {
                    "name": wanted.node,
                    "hostname": wanted.node,
                    "domain": planned.domain,
                    "address": ran.address,
                    "netmask": planned.netmask,
                    "gateway": planned.gateway,
                    "static_nat_address": ran.public_address or None,
                    "system_location": planned.place,
                    "node_type": "CONFERENCING",
                    "enable_distributed_database": False,
                    "maintenance_mode": True,
                    "maintenance_mode_reason": signed(f"{wanted.node} {PROVISIONED}", self.settings.stack),
                }
            )
            self.form.upload(ran.address, xml)
        return "it was created in Pexip and given its configuration"

    def _check_ours(self, known: "WorkerConfiguration | None", here: Instance | None) -> None:
        """Refuse a node that this stack is not making: it may carry calls, whoever made its instance."""
        if known is None:
            return
        same = here is not None and canonical(known.address) in here.addresses
        ours = known.maintenance_mode and is_being_provisioned(known.maintenance_mode_reason, self.settings.stack)
        if not (same and ours):
            raise BadRequestError(
                f"Pexip has a node {known.name} already ({known.address}), which is not being provisioned: take another name, "
                "or remove it first."
            )

    def _has_been_heard(self, workers: Sequence[Worker], node: str, ran: Ran) -> bool:
        found = how_far(node, workers, self.making.instance(ran.instance), clock.now(), clock.now())
        return found.stage is Stage.CONNECTED

    def _has_just_booted(self, instance: str) -> bool:
        """Say whether it may not have had the time to show its form."""
        return clock.now() - self.making.instance(instance).launched_at < SHOWS_ITS_FORM_WITHIN

    def check(self, node: str, instance: str, begun: datetime) -> Found:
        """Say how far a node has come since it was given its configuration."""
        return how_far(node, self.ledger.reading().workers, self.making.instance(instance), begun, clock.now())

    def hand_over(self, node: str, instance: str, by: str) -> str:
        """Make it an overflow node: from now on Headroom opens and stops it."""
        self.making.tag(instance)
        reason = f"{instance} is tagged pexip-cloud = {self.settings.tag_value}"
        self._write(Kind.PROVISIONED, node, reason, by)
        return reason

    def rests(self, node: str, instance: str) -> Found:
        """Say how things stand with a node that has become an overflow node."""
        made = self.ledger.decision_at(clock.now())
        stops = made is not None and made.policy.mode is Mode.CONTROL
        worker = _named(self.ledger.reading().workers, node)
        return how_it_rests(worker, self.making.instance(instance), stops=stops)

    # Converting and removing

    def check_off(self, node: str, instance: str, location: str = "", *, overflow: bool = False) -> Found:
        """Say whether a node is off, and is going to stay off, as it is taken out; an always-on node has only to be off.

        `location` is where it is to be an overflow node or an always-on one: what an earlier try has moved there is gone on with.
        """
        here = self.making.instance(instance)
        is_overflow = here.tag == self.settings.tag_value
        worker = _named(self.ledger.reading().workers, node)
        self._check_same(node, worker.address if worker else "", here)
        if location and worker and worker.location == location and is_overflow is overflow:
            if overflow or not worker.closed:
                return Found(stage=Stage.IN_USE, reason=f"it is what it was to become, and in {location} already")
            if worker.is_being_changed:
                return Found(stage=Stage.MOVED, reason=f"it was moved to {location} already")
        commitments = self.ledger.commitments(clock.now())
        if is_overflow and node not in commitments.taken_out():
            if unread := promises_unread(commitments):
                raise NotNowError(f"Whether {node} is taken out is not known: {unread}.")
            raise NotNowError(f"{node} is not taken out any more: somebody has put it back, so it stays as it is.")
        if here.power in {Power.STOPPED, Power.TERMINATED}:
            return Found(stage=Stage.RESTING, reason="it is off")
        if not is_overflow and here.power is not Power.STOPPING:
            raise NotNowError(
                f"{node} is no overflow node, and {here.power}: Headroom stops none of these. Put it into maintenance mode in "
                "Pexip, wait until its conferences have ended, stop its instance, and give this command again."
            )
        return Found(stage=Stage.WAITING, reason=f"its instance is {here.power}")

    def move(self, node: str, instance: str, location: str, *, overflow: bool, by: str) -> str:
        """Have a node that is off belong to another location, as an overflow node or an always-on one."""
        here = self._stopped(node, instance)
        with self.pexip.node() as pexip:
            place = pexip.location(location)
            known = next((each for each in pexip.nodes() if each.name == node), None)
            if known is None:
                raise BadRequestError(f"Pexip has no node {node}.")
            self._check_same(node, known.address, here)
            pexip.change(
                known,
                system_location=place,
                enable_distributed_database=not overflow,
                maintenance_mode=True,
                maintenance_mode_reason=signed(f"{node} {CONVERTED}", self.settings.stack),
            )
        becomes = "an overflow node" if overflow else "an always-on node"
        self._write(Kind.CONVERTED, node, f"it belongs to {location} now, and becomes {becomes}", by)
        return f"it is in {location}"

    def retag(self, instance: str, *, overflow: bool) -> str:
        """Make an instance an overflow node's, or no longer."""
        if overflow:
            self.making.tag(instance)
        else:
            self.making.untag(instance)
        return "it carries the pexip-cloud tag" if overflow else "it no longer carries the pexip-cloud tag"

    def start(self, instance: str) -> str:
        """Start an instance that is no overflow node's any more."""
        self.making.start(instance)
        return "it is started"

    def open(self, node: str) -> str:
        """Let an always-on node take calls, unless somebody else has closed it meanwhile."""
        with self.pexip.node() as pexip:
            known = next((each for each in pexip.nodes() if each.name == node), None)
            if known is None:
                raise BadRequestError(f"Pexip has no node {node}.")
            if known.maintenance_mode and not is_ours(known.maintenance_mode_reason, self.settings.stack):
                return f"it stays in maintenance mode, as others want it: {known.maintenance_mode_reason}"
            pexip.change(known, maintenance_mode=False, maintenance_mode_reason="")
        return "it takes calls"

    def delete(self, node: str, instance: str) -> str:
        """Delete a node in Pexip whose instance is off."""
        here = self._stopped(node, instance)
        with self.pexip.node() as pexip:
            known = next((each for each in pexip.nodes() if each.name == node), None)
            if known is None:
                return "Pexip has it no more"
            self._check_same(node, known.address, here)
            pexip.delete(known)
        return "it is deleted in Pexip"

    def terminate(self, node: str, instance: str, by: str) -> str:
        """End its instance for ever."""
        here = self.making.instance(instance)
        if here.power is not Power.TERMINATED:
            self._stopped(node, instance)
            self.making.terminate(instance)
        reason = f"it is deleted in Pexip, and {instance} is terminated"
        self._write(Kind.REMOVED, node, reason, by)
        return reason

    def _check_same(self, node: str, address: str, here: Instance) -> None:
        """Refuse an instance that is another node's: that one may be on, and carry calls."""
        made = None if address else self.making.made(node)
        if (address and canonical(address) not in here.addresses) or (made and made.id != here.id):
            whose = f"has the address {address}" if address else f"was made on {made.id if made else ''}"
            raise BadRequestError(f"{node} {whose}, so {here.id} is not its instance: nothing was changed.")

    def _stopped(self, node: str, instance: str) -> Instance:
        here = self.making.instance(instance)
        if here.power not in {Power.STOPPED, Power.TERMINATED}:
            raise NotNowError(
                f"{node} is {here.power}: somebody has started it, so nothing was changed. Take it out first."
            )
        return here

    def _write(self, kind: Kind, node: str, reason: str, by: str) -> None:
        self.ledger.write(Event(at=clock.now(), kind=kind, node=node, reason=reason, by=by or HEADROOM))


def _named(workers: Sequence[Worker], name: str) -> Worker | None:
    return next((each for each in workers if each.name == name), None)
