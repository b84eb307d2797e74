"""The checks of locations, nodes and their instances."""

from datetime import timedelta
from itertools import groupby

from headroom.domain.doctor.checking import (
    Found,
    check,
    error,
    fleet_of,
    ok,
    unseen,
    warning,
)
from headroom.domain.doctor.facts import Facts
from headroom.domain.fleet.fleet import (
    Power,
    Worker,
    canonical,
    is_in_step,
    needs_its_address,
)
from headroom.domain.fleet.homes import Homes
from headroom.domain.fleet.tags import BY, TAG
from headroom.domain.texts import listed

FRESHLY = timedelta(minutes=10)


# Locations and nodes


@check("overflow location", "Locations and nodes", "reading")
def _overflow_location(facts: Facts) -> Found:
    names = {place.name for place in facts.seen.locations}
    if not facts.overflow_locations:
        return error(
            "No location has a primary overflow location.", "Set one for each location whose callers may overflow."
        )
    if lost := sorted(facts.overflow_locations - names):
        return error(f"The overflow location {listed(lost)} is not known.", "Correct the primary overflow location.")
    sources = [place.name for place in facts.seen.locations if place.overflow_location]
    return ok(f"{listed(sources)} overflow into {listed(sorted(facts.overflow_locations))}.")


@check("circular overflow", "Locations and nodes", "reading")
def _circular(facts: Facts) -> Found:
    of = {place.name: place.overflow_location for place in facts.seen.locations}
    wrong = [
        f"{name} into itself" if name == into else f"{name} into {into}, which overflows into {of[into]}"
        for name, into in of.items()
        if into and (name == into or of.get(into))
    ]
    if wrong:
        return error(
            f"A location overflows where that does not end: {listed(wrong)}.",
            "An overflow location has no overflow location of its own.",
        )
    return ok("No overflow location overflows any further.")


@check("mixed locations", "Locations and nodes", "reading", "machines")
def _mixed(facts: Facts) -> Found:
    tagged = {address for instance in facts.tagged for address in instance.addresses}
    mixed = []
    for place, workers in groupby(
        sorted(facts.seen.workers, key=lambda each: each.location), key=lambda each: each.location
    ):
        here = list(workers)
        bursting = [each.name for each in here if canonical(each.address) in tagged]
        if bursting and len(bursting) < len(here):
            mixed.append(
                f"{place} has {listed(bursting)} beside {listed([e.name for e in here if e.name not in bursting])}"
            )
    if mixed:
        return error(
            f"Overflow and always-on nodes share a location: {listed(mixed)}.",
            "Overflow nodes have a location of their own: move the others, or tag their instances.",
        )
    return ok("Overflow nodes have locations of their own.")


@check("tag", "Locations and nodes", "machines")
def _tag(facts: Facts) -> Found:
    near = []
    for each in facts.machines or ():
        for key, value in each.tags.items():
            if key != TAG and key.strip().lower().replace("_", "-") == TAG:
                near.append(f"{each.instance.id} has the tag «{key}»")
            elif key == TAG and value != facts.tag_value and value.strip().lower() == facts.tag_value.lower():
                near.append(f"{each.instance.id} says «{value}»")
    if near:
        return error(
            f"A tag is nearly right: {listed(near)}.",
            f"AWS tells capitals and blanks apart: the tag is {TAG} = {facts.tag_value}.",
        )
    if not facts.tagged:
        return error(
            f"No instance in {facts.region or 'this region'} carries {TAG} = {facts.tag_value}.",
            "Tag the overflow nodes' instances so; they must be in the region in which Headroom is deployed.",
        )
    return ok(f"{len(facts.tagged)} instances carry {TAG} = {facts.tag_value}.")


@check("nodes and instances", "Locations and nodes", "reading", "machines")
def _match(facts: Facts) -> Found:
    fleet = fleet_of(facts)
    if fleet.misfits:
        more = f" ({len(fleet.misfits) - 1} more)" if len(fleet.misfits) > 1 else ""
        return error(f"{fleet.misfits[0].what}{more}.", fleet.misfits[0].advice)
    return ok(f"Each of the {len(fleet.nodes)} overflow nodes has its instance.")


@check("half-made nodes", "Locations and nodes", "machines")
def _half_made(facts: Facts) -> Found:
    """What `provision` or `remove` has left where it was broken off: an instance that is paid for, and no node."""
    made = [each for each in facts.machines or () if BY in each.tags and TAG not in each.tags]
    left = [each for each in made if not each.instance.addresses & {canonical(w.address) for w in _workers(facts)}]
    if left:
        return warning(
            f"{listed([f'{each.label} ({each.instance.id}, {each.instance.power})' for each in left])}: made by Headroom, and no "
            "node of Pexip's.",
            "If nobody provisions it now: `headroom provision` with its name goes on, `headroom remove` ends it.",
        )
    return ok("No instance was left half-made.")


def _workers(facts: Facts) -> tuple[Worker, ...]:
    return facts.reading.workers if facts.reading else ()


@check("distributed database", "Locations and nodes", "reading", "machines")
def _database(facts: Facts) -> Found:
    taking_part = [node.name for node in fleet_of(facts).nodes if node.worker.enable_distributed_database]
    if taking_part:
        return error(
            f"{listed(taking_part)} take part in the distributed database.",
            "Set enable_distributed_database to false by the configuration API: a node that is often off slows all others.",
        )
    return ok("No overflow node takes part in the distributed database.")


@check("static NAT address", "Locations and nodes", "reading", "machines")
def _nat(facts: Facts) -> Found:
    moved = [
        f"{node.name} has {node.worker.static_nat_address}, its instance {node.instance.public_ip}"
        for node in fleet_of(facts).nodes
        if needs_its_address(node.worker, node.instance)
    ]
    if moved:
        return warning(
            f"A public address has changed: {listed(moved)}.",
            "Headroom corrects it at the next start; an Elastic IP never changes.",
        )
    return ok("Every static NAT address is the one that its instance has.")


@check("transcoding", "Locations and nodes", "reading", "machines")
def _transcoding(facts: Facts) -> Found:
    proxying = [node.name for node in fleet_of(facts).nodes if node.worker.proxies]
    if proxying:
        return error(
            f"{listed(proxying)} are Proxying Edge Nodes.",
            "They offer no HD connections: overflow nodes must be Transcoding Conferencing Nodes.",
        )
    return ok("Every overflow node transcodes.")


@check("always-on nodes", "Locations and nodes", "reading")
def _always_on(facts: Facts) -> Found:
    uncounted = Homes(facts.seen, fleet_of(facts).nodes if facts.machines is not None else ()).uncounted
    if uncounted:
        return warning(
            f"{listed([each.worker.name for each in uncounted])} offer nothing: {uncounted[0].why}.",
            "Until they answer, Headroom counts them as lost, and starts overflow nodes in their place.",
        )
    return ok("Every always-on node says what it offers.")


@check("out of step", "Locations and nodes", "reading", "machines")
def _in_step(facts: Facts) -> Found:
    on = [node for node in fleet_of(facts).nodes if node.instance.power is Power.RUNNING]
    odd = [f"{node.name} is {node.worker.sync_status}" for node in on if not is_in_step(node.worker.sync_status)]
    if odd:
        return warning(
            f"Nodes are out of step with the Management Node: {listed(odd)}.",
            "Look at Status > Conferencing Nodes in Pexip.",
        )
    return ok(f"{len(on)} overflow nodes are on, and in step.")


@check("nodes that are off", "Locations and nodes", "reading", "machines")
def _off(facts: Facts) -> Found:
    """What Pexip shows of a node that is off is not documented: Headroom believes no row that is older than the launch."""
    off = [node for node in fleet_of(facts).nodes if node.instance.power is Power.STOPPED]
    if not off:
        return unseen("No overflow node is off now.")
    fresh = [node.name for node in off if node.worker.boot_time and node.worker.boot_time > facts.now - FRESHLY]
    if fresh:
        return warning(
            f"Pexip says of {listed(fresh)} that they have just booted, and their instances are stopped.",
            "Compare the clocks of Pexip and AWS; send the maintainers what `headroom doctor --facts` saves.",
        )
    shown = sum(node.worker.boot_time is not None for node in off)
    offering = sum(bool(node.worker.max_hd_calls) for node in off)
    return ok(
        f"Of {len(off)} nodes that are off Pexip still shows the last boot of {shown}, and HD connections of {offering}: "
        "Headroom counts none of them."
    )


@check("empty nodes", "Locations and nodes", "idle")
def _empty(facts: Facts) -> Found:
    if not facts.idle:
        return unseen("No overflow node is on and empty now, so it is not seen what an empty one sends.")
    allowed = facts.policy.idle_out / 1000
    loud = [f"{name} sends {sent:.0f} kB a minute" for name, sent in sorted(facts.idle.items()) if sent > allowed]
    if loud:
        return warning(
            f"Empty nodes send more than IdleKilobytes ({allowed:.0f}) allows: {listed(loud)}.",
            "Headroom would never stop them: look whether something is on them, else set IdleKilobytes higher.",
        )
    most = max(facts.idle.values())
    return ok(f"An empty node sends up to {most:.0f} kB a minute; IdleKilobytes allows {allowed:.0f}.")
