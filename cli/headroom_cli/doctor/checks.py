"""The checks: each looks at one thing, and says what it saw and what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import groupby

from headroom.adapters.ec2 import TAG
from headroom.adapters.making import BY
from headroom.adapters.pexip.answers import CONNECTIVITY
from headroom.domain.fleet.fleet import (
    Fleet,
    Observation,
    Power,
    Worker,
    canonical,
    is_in_step,
    is_upgrading,
    match_up,
    needs_its_address,
    other_stacks,
)
from headroom.domain.fleet.homes import Homes
from headroom.domain.policy import Mode
from headroom.domain.safety.safety import why_clocks_differ
from headroom.domain.texts import listed
from headroom_cli.doctor.facts import Facts, Machine

DOCS = "docs/guide.md"
LEAD = timedelta(minutes=10)  # of the scheduled pre-warm
SPARE = 1.2  # licences there, as a multiple of those in use, that a rush needs
APART = 5  # HD connections by which Pexip's own count and ours may differ, as they are read at two moments
FRESHLY = timedelta(minutes=10)
RETIRED = ("m3.", "m4.", "c3.", "c4.")  # instance types that the guide names, of generations before


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"  # Headroom cannot do its work, or Pexip will not
    WARNING = "warning"  # it will hurt one day
    NOTE = "note"  # good to know
    OK = "ok"
    UNKNOWN = "not seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found: the evidence, and what to do, which is empty where all is well."""

    check: str
    about: str
    severity: Severity
    evidence: str
    advice: str = ""
    link: str = DOCS


type Look = Callable[[Facts], tuple[Severity, str, str]]
CHECKS: dict[str, tuple[str, tuple[str, ...], Look]] = {}
WORST = list(Severity)


def _check(name: str, about: str, *needs: str) -> Callable[[Look], Look]:
    """Register a check; without a fact that it needs, nothing is judged."""

    def registered(look: Look) -> Look:
        CHECKS[name] = (about, needs, look)
        return look

    return registered


def examine(facts: Facts) -> Iterator[Finding]:
    """Yield what every check found, in the order in which they stand here."""
    for name, (about, needs, look) in CHECKS.items():
        missing = [need for need in needs if getattr(facts, need) is None]
        if missing:
            why = facts.unknown.get(missing[0], f"{missing[0].replace('_', ' ')} could not be read")
            yield Finding(check=name, about=about, severity=Severity.UNKNOWN, evidence=why)
            continue
        severity, evidence, advice = look(facts)
        yield Finding(check=name, about=about, severity=severity, evidence=evidence, advice=advice)


def _ok(evidence: str) -> tuple[Severity, str, str]:
    return Severity.OK, evidence, ""


def _error(evidence: str, advice: str) -> tuple[Severity, str, str]:
    return Severity.ERROR, evidence, advice


def _warning(evidence: str, advice: str) -> tuple[Severity, str, str]:
    return Severity.WARNING, evidence, advice


def _note(evidence: str, advice: str = "") -> tuple[Severity, str, str]:
    return Severity.NOTE, evidence, advice


def _unseen(evidence: str) -> tuple[Severity, str, str]:
    """What is not there is not well."""
    return Severity.UNKNOWN, evidence, ""


def _untold(facts: Facts, name: str) -> tuple[Severity, str, str] | None:
    """Return that Pexip does not tell one of its settings, if so: the reading has a default in its place."""
    return _unseen(f"Pexip does not tell its {name}.") if name in facts.seen.untold else None


def _fleet(facts: Facts) -> Fleet:
    policy = facts.policy
    observation = Observation(reading=facts.seen, instances=facts.tagged)
    return match_up(
        observation, expected_hd={}, default_hd=policy.expected_hd, boot_limit=policy.boot_limit, now=facts.now
    )


def _of_tagged(facts: Facts) -> list[Machine]:
    return [each for each in facts.machines or () if each.tags.get(TAG) == facts.tag_value]


# The Management Node


@_check("connectivity", "The Management Node", "address")
def _connectivity(facts: Facts) -> tuple[Severity, str, str]:
    sentence, answers, trusted = facts.address or ("", False, False)
    if not answers:
        return _error(sentence, "Check name, route and firewall: Headroom needs TCP 443 to the Management Node.")
    if facts.reading:
        return _ok("It answers, and its certificate is one that Headroom trusts.")
    if not trusted:
        return _warning(sentence, "Give Headroom the certificate or its CA: the field `ca` of the secret.")
    return _ok(sentence)


@_check("credentials", "The Management Node", "reading")
def _credentials(facts: Facts) -> tuple[Severity, str, str]:
    problems = [each for each in facts.seen.problems if "what time it is" not in each]  # that is the check of the clock
    if problems:
        return _warning(
            f"It answers, but not all of it can be read: {problems[0]}",
            "If it says «refused», give the account's role the right to read status, configuration and history. `worker_vm` it "
            "must be able to change.",
        )
    return _ok(f"The account may read {len(facts.seen.workers)} nodes and {len(facts.seen.locations)} locations.")


@_check("clock", "The Management Node", "reading")
def _clock(facts: Facts) -> tuple[Severity, str, str]:
    off = facts.seen.clock_off
    if off is None:
        return _warning(
            "Pexip does not say what time it is.",
            "A proxy may take the header Date away. Without it Headroom stops no node.",
        )
    if why := why_clocks_differ(off):
        return _error(f"{why}.", "Correct NTP on the Management Node: nothing is stopped while the clocks differ.")
    return _ok(f"Its clock is {abs(off):.0f} s from this one.")


@_check("settings told", "The Management Node", "reading")
def _settings_told(facts: Facts) -> tuple[Severity, str, str]:
    if facts.seen.untold:
        return _warning(
            f"Pexip does not tell {listed(facts.seen.untold)}.",
            "Set Threshold and MinimumLifetimeMinutes, so that nothing depends on it.",
        )
    return _ok("Pexip tells its bursting settings and whether it is being upgraded.")


@_check("versions", "The Management Node", "versions")
def _versions(facts: Facts) -> tuple[Severity, str, str]:
    found = facts.versions or {}
    there = sorted(set(found.values()))
    if len(there) > 1:
        odd = [f"{name} has {version}" for name, version in sorted(found.items()) if version != there[-1]]
        return _error(
            f"Not all nodes have version {there[-1]}: {listed(odd)}.",
            "Start the nodes that lag and wait until the upgrade has reached them: another version takes no calls.",
        )
    return _ok(f"All nodes have version {there[0]}.") if there else _unseen("No node says its version.")


@_check("upgrade", "The Management Node", "reading")
def _upgrade(facts: Facts) -> tuple[Severity, str, str]:
    busy = [worker.name for worker in facts.seen.workers if is_upgrading(worker.upgrade_status)]
    if facts.seen.upgrading or busy:
        return _note(
            f"Pexip is being upgraded: {listed(busy) or 'the Management Node'}.", "Headroom holds still meanwhile."
        )
    return _ok("No upgrade is on its way.")


@_check("licences", "The Management Node", "licences")
def _licences(facts: Facts) -> tuple[Severity, str, str]:
    if not facts.licences:
        return _unseen("Pexip tells no licences that calls take.")
    scarce = [
        f"{kind}: {used} of {there} in use"
        for kind, (used, there) in sorted(facts.licences.items())
        if there and used * SPARE > there
    ]
    if scarce:
        return _warning(
            f"Licences are nearly used up ({listed(scarce)}).",
            "More nodes do not help where licences run out: order some.",
        )
    return _ok("Licences suffice for a fifth more calls than now.")


@_check("licences at the peak", "The Management Node", "licences", "peaks")
def _licences_at_the_peak(facts: Facts) -> tuple[Severity, str, str]:
    there = sum(total for _, total in (facts.licences or {}).values())
    if not there or not facts.peaks:
        return _unseen("No past day is known yet." if there else "Pexip tells no licences that calls take.")
    peak = sum(facts.peaks.values())
    places = "" if len(facts.peaks) == 1 else f" in {len(facts.peaks)} locations, if all had it at once"
    evidence = f"Past days had up to {peak:.0f} HD connections in use{places}; there are {there} licences."
    if peak * SPARE > there:
        return _warning(evidence, "More nodes do not help where licences run out: order some before the next peak.")
    return _ok(evidence)


@_check("alarms", "The Management Node", "alarms")
def _alarms(facts: Facts) -> tuple[Severity, str, str]:
    """A node is taken for lost if an alarm about it is called as CONNECTIVITY has it: how Pexip calls it is not documented."""
    known = sorted({name for name in facts.alarms or () if name})
    if not known:
        return _unseen("No alarm is raised now, so it is not seen how Pexip calls them.")
    if not any(CONNECTIVITY.search(name) for name in known):
        return _note(
            f"Raised now: {listed(known)}.",
            "Compare with an alarm of a node that cannot be reached: Headroom looks for «connectivity» or «unreachable» in it.",
        )
    return _ok(f"Raised now: {listed(known)}; one is taken for a node that cannot be reached.")


# Pexip's own bursting


@_check("bursting", "Pexip's own bursting", "reading")
def _bursting(facts: Facts) -> tuple[Severity, str, str]:
    if untold := _untold(facts, "bursting_enabled"):
        return untold
    enabled, mode = facts.seen.settings.bursting_enabled, facts.policy.mode
    if mode is Mode.CONTROL and enabled:
        return _error(
            "Pexip's bursting is enabled, and Headroom is in control mode: two controllers.",
            "Disable it in Pexip (`bursting_enabled`), or switch back with `headroom hand-back`.",
        )
    if mode is Mode.ASSIST and not enabled:
        return _error(
            "Headroom is in assist mode, where Pexip stops the nodes, but its bursting is disabled.",
            "Enable it, or choose control mode.",
        )
    return _ok(f"Pexip's bursting is {'enabled' if enabled else 'disabled'}, as {mode} mode wants it.")


@_check("provider", "Pexip's own bursting", "reading")
def _provider(facts: Facts) -> tuple[Severity, str, str]:
    provider = facts.seen.settings.cloud_provider
    if provider.upper() != "AWS":
        return _warning(
            f"Pexip's cloud provider is {provider}.", "Headroom works on EC2 alone. Set the provider to AWS in Pexip."
        )
    return _ok("Pexip's cloud provider is AWS.")


@_check("threshold", "Pexip's own bursting", "reading")
def _threshold(facts: Facts) -> tuple[Severity, str, str]:
    if untold := _untold(facts, "bursting_threshold"):
        return untold
    theirs, ours = facts.seen.settings.bursting_threshold, facts.policy.threshold
    if ours is not None and ours != theirs:
        return _note(
            f"Headroom's threshold is {ours}, Pexip's {theirs}.", "Set both alike, so that a hand-back changes nothing."
        )
    return _ok(f"The threshold is {theirs} HD connections in both.")


@_check("minimum lifetime", "Pexip's own bursting", "reading")
def _lifetime(facts: Facts) -> tuple[Severity, str, str]:
    if untold := _untold(facts, "bursting_min_lifetime"):
        return untold
    lifetime = timedelta(minutes=facts.seen.settings.bursting_min_lifetime)
    lead = max(LEAD, 2 * facts.policy.boot_time)
    if facts.policy.mode is Mode.ASSIST and lead >= lifetime:
        return _error(
            f"Nodes are started {lead.total_seconds() / 60:.0f} minutes ahead, but Pexip stops an idle one after "
            f"{lifetime.total_seconds() / 60:.0f}.",
            "Raise bursting_min_lifetime in Pexip above the lead: else it stops a node again before it is needed.",
        )
    return _ok(f"Pexip's minimum lifetime is {lifetime.total_seconds() / 60:.0f} minutes.")


@_check("other controllers", "Pexip's own bursting", "reading")
def _controllers(facts: Facts) -> tuple[Severity, str, str]:
    others = other_stacks(facts.seen)
    if others:
        return _error(
            f"Another stack of Headroom closes nodes here: {listed(others)}.",
            "One platform has one stack: uninstall the other.",
        )
    return _ok("No other stack of Headroom has closed a node.")


@_check("free HD connections", "Pexip's own bursting", "monitored", "reading", "machines")
def _counts(facts: Facts) -> tuple[Severity, str, str]:
    told = [each for each in facts.monitored or () if each.free_hd_calls is not None]
    if not told:
        why = "Pexip gives no count of its own (`cloud_monitored_location`), as may be while its bursting is disabled."
        return _unseen(why)
    ours = Homes(facts.seen, _fleet(facts).nodes).loads
    apart = [
        f"{each.name}: Pexip {each.free_hd_calls}, Headroom {ours[each.name].free}"
        for each in told
        if each.name in ours and abs((each.free_hd_calls or 0) - ours[each.name].free) > APART
    ]
    if apart:
        return _warning(
            f"Free HD connections are counted otherwise ({listed(apart)}).",
            "Look whether an always-on node is missing, or counted twice. Calls between the two looks may explain a few.",
        )
    return _ok(f"Pexip's own count of free HD connections is Headroom's ({len(told)} locations).")


# Locations and nodes


@_check("overflow location", "Locations and nodes", "reading")
def _overflow_location(facts: Facts) -> tuple[Severity, str, str]:
    names = {place.name for place in facts.seen.locations}
    if not facts.overflow_locations:
        return _error(
            "No location has a primary overflow location.", "Set one for each location whose callers may overflow."
        )
    if lost := sorted(facts.overflow_locations - names):
        return _error(f"The overflow location {listed(lost)} is not known.", "Correct the primary overflow location.")
    sources = [place.name for place in facts.seen.locations if place.overflow_location]
    return _ok(f"{listed(sources)} overflow into {listed(sorted(facts.overflow_locations))}.")


@_check("circular overflow", "Locations and nodes", "reading")
def _circular(facts: Facts) -> tuple[Severity, str, str]:
    of = {place.name: place.overflow_location for place in facts.seen.locations}
    wrong = [
        f"{name} into itself" if name == into else f"{name} into {into}, which overflows into {of[into]}"
        for name, into in of.items()
        if into and (name == into or of.get(into))
    ]
    if wrong:
        return _error(
            f"A location overflows where that does not end: {listed(wrong)}.",
            "An overflow location has no overflow location of its own.",
        )
    return _ok("No overflow location overflows any further.")


@_check("mixed locations", "Locations and nodes", "reading", "machines")
def _mixed(facts: Facts) -> tuple[Severity, str, str]:
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
        return _error(
            f"Overflow and always-on nodes share a location: {listed(mixed)}.",
            "Overflow nodes have a location of their own: move the others, or tag their instances.",
        )
    return _ok("Overflow nodes have locations of their own.")


@_check("tag", "Locations and nodes", "machines")
def _tag(facts: Facts) -> tuple[Severity, str, str]:
    near = []
    for each in facts.machines or ():
        for key, value in each.tags.items():
            if key != TAG and key.strip().lower().replace("_", "-") == TAG:
                near.append(f"{each.instance.id} has the tag «{key}»")
            elif key == TAG and value != facts.tag_value and value.strip().lower() == facts.tag_value.lower():
                near.append(f"{each.instance.id} says «{value}»")
    if near:
        return _error(
            f"A tag is nearly right: {listed(near)}.",
            f"AWS tells capitals and blanks apart: the tag is {TAG} = {facts.tag_value}.",
        )
    if not facts.tagged:
        return _error(
            f"No instance in {facts.region or 'this region'} carries {TAG} = {facts.tag_value}.",
            "Tag the overflow nodes' instances so; they must be in the region in which Headroom is deployed.",
        )
    return _ok(f"{len(facts.tagged)} instances carry {TAG} = {facts.tag_value}.")


@_check("nodes and instances", "Locations and nodes", "reading", "machines")
def _match(facts: Facts) -> tuple[Severity, str, str]:
    fleet = _fleet(facts)
    if fleet.misfits:
        more = f" ({len(fleet.misfits) - 1} more)" if len(fleet.misfits) > 1 else ""
        return _error(f"{fleet.misfits[0].what}{more}.", fleet.misfits[0].advice)
    return _ok(f"Each of the {len(fleet.nodes)} overflow nodes has its instance.")


@_check("half-made nodes", "Locations and nodes", "machines")
def _half_made(facts: Facts) -> tuple[Severity, str, str]:
    """What `provision` or `remove` has left where it was broken off: an instance that is paid for, and no node."""
    made = [each for each in facts.machines or () if BY in each.tags and TAG not in each.tags]
    left = [each for each in made if not each.instance.addresses & {canonical(w.address) for w in _workers(facts)}]
    if left:
        return _warning(
            f"{listed([f'{each.label} ({each.instance.id}, {each.instance.power})' for each in left])}: made by Headroom, and no "
            "node of Pexip's.",
            "If nobody provisions it now: `headroom provision` with its name goes on, `headroom remove` ends it.",
        )
    return _ok("No instance was left half-made.")


def _workers(facts: Facts) -> tuple[Worker, ...]:
    return facts.reading.workers if facts.reading else ()


@_check("distributed database", "Locations and nodes", "reading", "machines")
def _database(facts: Facts) -> tuple[Severity, str, str]:
    taking_part = [node.name for node in _fleet(facts).nodes if node.worker.enable_distributed_database]
    if taking_part:
        return _error(
            f"{listed(taking_part)} take part in the distributed database.",
            "Set enable_distributed_database to false by the configuration API: a node that is often off slows all others.",
        )
    return _ok("No overflow node takes part in the distributed database.")


@_check("static NAT address", "Locations and nodes", "reading", "machines")
def _nat(facts: Facts) -> tuple[Severity, str, str]:
    moved = [
        f"{node.name} has {node.worker.static_nat_address}, its instance {node.instance.public_ip}"
        for node in _fleet(facts).nodes
        if needs_its_address(node.worker, node.instance)
    ]
    if moved:
        return _warning(
            f"A public address has changed: {listed(moved)}.",
            "Headroom corrects it at the next start; an Elastic IP never changes.",
        )
    return _ok("Every static NAT address is the one that its instance has.")


@_check("transcoding", "Locations and nodes", "reading", "machines")
def _transcoding(facts: Facts) -> tuple[Severity, str, str]:
    proxying = [node.name for node in _fleet(facts).nodes if node.worker.proxies]
    if proxying:
        return _error(
            f"{listed(proxying)} are Proxying Edge Nodes.",
            "They offer no HD connections: overflow nodes must be Transcoding Conferencing Nodes.",
        )
    return _ok("Every overflow node transcodes.")


@_check("always-on nodes", "Locations and nodes", "reading")
def _always_on(facts: Facts) -> tuple[Severity, str, str]:
    uncounted = Homes(facts.seen, _fleet(facts).nodes if facts.machines is not None else ()).uncounted
    if uncounted:
        return _warning(
            f"{listed([each.worker.name for each in uncounted])} offer nothing: {uncounted[0].why}.",
            "Until they answer, Headroom counts them as lost, and starts overflow nodes in their place.",
        )
    return _ok("Every always-on node says what it offers.")


@_check("out of step", "Locations and nodes", "reading", "machines")
def _in_step(facts: Facts) -> tuple[Severity, str, str]:
    on = [node for node in _fleet(facts).nodes if node.instance.power is Power.RUNNING]
    odd = [f"{node.name} is {node.worker.sync_status}" for node in on if not is_in_step(node.worker.sync_status)]
    if odd:
        return _warning(
            f"Nodes are out of step with the Management Node: {listed(odd)}.",
            "Look at Status > Conferencing Nodes in Pexip.",
        )
    return _ok(f"{len(on)} overflow nodes are on, and in step.")


@_check("nodes that are off", "Locations and nodes", "reading", "machines")
def _off(facts: Facts) -> tuple[Severity, str, str]:
    """What Pexip shows of a node that is off is not documented: Headroom believes no row that is older than the launch."""
    off = [node for node in _fleet(facts).nodes if node.instance.power is Power.STOPPED]
    if not off:
        return _unseen("No overflow node is off now.")
    fresh = [node.name for node in off if node.worker.boot_time and node.worker.boot_time > facts.now - FRESHLY]
    if fresh:
        return _warning(
            f"Pexip says of {listed(fresh)} that they have just booted, and their instances are stopped.",
            "Compare the clocks of Pexip and AWS; send the maintainers what `headroom doctor --facts` saves.",
        )
    shown = sum(node.worker.boot_time is not None for node in off)
    offering = sum(bool(node.worker.max_hd_calls) for node in off)
    return _ok(
        f"Of {len(off)} nodes that are off Pexip still shows the last boot of {shown}, and HD connections of {offering}: "
        "Headroom counts none of them."
    )


@_check("empty nodes", "Locations and nodes", "idle")
def _empty(facts: Facts) -> tuple[Severity, str, str]:
    if not facts.idle:
        return _unseen("No overflow node is on and empty now, so it is not seen what an empty one sends.")
    allowed = facts.policy.idle_out / 1000
    loud = [f"{name} sends {sent:.0f} kB a minute" for name, sent in sorted(facts.idle.items()) if sent > allowed]
    if loud:
        return _warning(
            f"Empty nodes send more than IdleKilobytes ({allowed:.0f}) allows: {listed(loud)}.",
            "Headroom would never stop them: look whether something is on them, else set IdleKilobytes higher.",
        )
    most = max(facts.idle.values())
    return _ok(f"An empty node sends up to {most:.0f} kB a minute; IdleKilobytes allows {allowed:.0f}.")


# EC2


@_check("region", "EC2", "region")
def _region(facts: Facts) -> tuple[Severity, str, str]:
    if str(facts.region).startswith("cn-"):
        return _error(f"{facts.region} is in China.", "Pexip's deployment guide for AWS excludes the regions in China.")
    zones = sorted({instance.zone for instance in facts.tagged})
    if len(facts.tagged) > 1 and len(zones) == 1:
        return _note(
            f"All overflow nodes are in {zones[0]}.",
            "A zone without capacity refuses them all: spread them, with a location for each zone.",
        )
    return _ok(f"{facts.region}, zones {listed(zones)}." if zones else f"{facts.region}.")


@_check("key pair", "EC2", "machines")
def _key_pair(facts: Facts) -> tuple[Severity, str, str]:
    without = [each.label for each in _of_tagged(facts) if not each.key_name]
    if without:
        return _note(
            f"{listed(without)} have no key pair.",
            "Nobody can look at such a node by SSH. A key pair cannot be added later.",
        )
    return _ok("Every instance has its key pair.")


@_check("stop protection", "EC2", "machines")
def _protected(facts: Facts) -> tuple[Severity, str, str]:
    protected = [each.label for each in _of_tagged(facts) if each.stop_protected]
    if protected:
        return _error(
            f"{listed(protected)} are protected against being stopped.",
            "Take the stop protection away: EC2 would refuse every stop.",
        )
    if any(each.stop_protected is None for each in _of_tagged(facts)):
        return _unseen("EC2 does not say whether instances are protected against being stopped.")
    return _ok("No instance is protected against being stopped.")


@_check("encrypted volumes", "EC2", "machines")
def _volumes(facts: Facts) -> tuple[Severity, str, str]:
    known = {key.rpartition("/")[2] for key in facts.stack.get("KeyArns", "").split(",") if key}
    locked = [
        each.instance.id for each in _of_tagged(facts) if {key.rpartition("/")[2] for key in each.volume_keys} - known
    ]
    if locked and facts.stack:
        return _error(
            f"The volumes of {listed(locked)} need a key that is not in KeyArns.",
            "Add the key's ARN to KeyArns: EC2 cannot start them without it.",
        )
    if locked:
        return _note(
            f"The volumes of {listed(locked)} are encrypted with a key of yours.",
            "Name its ARN in KeyArns when you deploy.",
        )
    return _ok("Every volume can be opened.")


@_check("vCPU quota", "EC2", "vcpus", "vcpu_quota")
def _quota(facts: Facts) -> tuple[Severity, str, str]:
    known = facts.vcpus or {}
    if strange := sorted({instance.type for instance in facts.tagged} - known.keys()):
        return _unseen(f"EC2 does not say how many vCPUs {listed(strange)} has.")
    needed = sum(known[instance.type] for instance in facts.tagged)
    quota = facts.vcpu_quota or 0.0
    if needed > quota:
        return _error(
            f"All overflow nodes together need {needed} vCPUs, the account may have {quota:.0f}.",
            "Ask for more: Service Quotas, Running On-Demand Standard instances.",
        )
    if needed > quota / 2:
        return _note(
            f"All overflow nodes together need {needed} of {quota:.0f} vCPUs.",
            "Others in this account share the quota.",
        )
    return _ok(f"All overflow nodes together need {needed} of {quota:.0f} vCPUs.")


@_check("capacity reservations", "EC2", "reservations", "machines")
def _reservations(facts: Facts) -> tuple[Severity, str, str]:
    kinds = {(instance.type, instance.zone) for instance in facts.tagged}
    ours = [each for each in facts.reservations or () if (each.type, each.zone) in kinds]
    if not ours:
        return _ok(
            "No capacity is reserved for overflow nodes: EC2 may refuse a start, and another node is started then."
        )
    total, free = sum(each.total for each in ours), sum(each.free for each in ours)
    evidence = f"{total} instances of the nodes' types and zones are reserved, {free} of them not used now."
    if total > len(facts.tagged):
        return _note(
            evidence, f"There are {len(facts.tagged)} overflow nodes: what is reserved beyond them is paid for nothing."
        )
    return _note(evidence, "A reservation is paid for whether a node is on or off; it never lets a start be refused.")


@_check("instance types", "EC2", "machines")
def _types(facts: Facts) -> tuple[Severity, str, str]:
    old = sorted({each.instance.type for each in _of_tagged(facts) if each.instance.type.startswith(RETIRED)})
    if old:
        return _note(
            f"{listed(old)} are of a generation before.",
            "A newer one (c6i, c7i) offers more HD connections for the money; measure with one node.",
        )
    return _ok(f"{listed(sorted({each.instance.type for each in _of_tagged(facts)})) or 'None'}.")


# The stack


@_check("schedules", "The stack", "parameters")
def _schedules(facts: Facts) -> tuple[Severity, str, str]:
    off = [name for name in ("TickState", "PrewarmState") if facts.stack.get(name) == "DISABLED"]
    if "TickState" in off:
        return _error(
            "TickState is DISABLED: Headroom reads nothing, and decides nothing.", "Deploy with TickState=ENABLED."
        )
    if off:
        return _note(
            "PrewarmState is DISABLED: no node is started at 08:50.",
            "Past days and bookings still start nodes. Deploy with PrewarmState=ENABLED to be sure.",
        )
    return _ok("The tick and the scheduled pre-warm are on.")


@_check("costs", "The stack", "parameters")
def _costs(facts: Facts) -> tuple[Severity, str, str]:
    dear = [
        name
        for name, value in (("DetailedMetrics", "yes"), ("CreateSecretsEndpoint", "yes"))
        if facts.stack.get(name) == value
    ]
    if dear:
        return _note(f"{listed(dear)} cost extra each month.", "docs/cost.md says how much.")
    return _ok("Nothing that costs extra is switched on.")
