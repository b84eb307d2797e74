"""The checks of the AWS account, and of the stack."""

from headroom.domain.doctor.checking import Found, check, error, note, ok, tagged_machines, unseen
from headroom.domain.doctor.facts import Facts
from headroom.domain.texts import listed

RETIRED = ("m3.", "m4.", "c3.", "c4.")  # instance types that the guide names, of generations before


# EC2


@check("region", "EC2", "region")
def _region(facts: Facts) -> Found:
    if str(facts.region).startswith("cn-"):
        return error(f"{facts.region} is in China.", "Pexip's deployment guide for AWS excludes the regions in China.")
    zones = sorted({instance.zone for instance in facts.tagged})
    if len(facts.tagged) > 1 and len(zones) == 1:
        return note(
            f"All overflow nodes are in {zones[0]}.",
            "A zone without capacity refuses them all: spread them, with a location for each zone.",
        )
    return ok(f"{facts.region}, zones {listed(zones)}." if zones else f"{facts.region}.")


@check("key pair", "EC2", "machines")
def _key_pair(facts: Facts) -> Found:
    without = [each.label for each in tagged_machines(facts) if not each.key_name]
    if without:
        return note(
            f"{listed(without)} have no key pair.",
            "Nobody can look at such a node by SSH. A key pair cannot be added later.",
        )
    return ok("Every instance has its key pair.")


@check("stop protection", "EC2", "machines")
def _protected(facts: Facts) -> Found:
    protected = [each.label for each in tagged_machines(facts) if each.stop_protected]
    if protected:
        return error(
            f"{listed(protected)} are protected against being stopped.",
            "Take the stop protection away: EC2 would refuse every stop.",
        )
    if any(each.stop_protected is None for each in tagged_machines(facts)):
        return unseen("EC2 does not say whether instances are protected against being stopped.")
    return ok("No instance is protected against being stopped.")


@check("encrypted volumes", "EC2", "machines")
def _volumes(facts: Facts) -> Found:
    known = {key.rpartition("/")[2] for key in facts.stack.get("KeyArns", "").split(",") if key}
    locked = [
        each.instance.id
        for each in tagged_machines(facts)
        if {key.rpartition("/")[2] for key in each.volume_keys} - known
    ]
    if locked and facts.stack:
        return error(
            f"The volumes of {listed(locked)} need a key that is not in KeyArns.",
            "Add the key's ARN to KeyArns: EC2 cannot start them without it.",
        )
    if locked:
        return note(
            f"The volumes of {listed(locked)} are encrypted with a key of yours.",
            "Name its ARN in KeyArns when you deploy.",
        )
    return ok("Every volume can be opened.")


@check("vCPU quota", "EC2", "vcpus", "vcpu_quota")
def _quota(facts: Facts) -> Found:
    known = facts.vcpus or {}
    if strange := sorted({instance.type for instance in facts.tagged} - known.keys()):
        return unseen(f"EC2 does not say how many vCPUs {listed(strange)} has.")
    needed = sum(known[instance.type] for instance in facts.tagged)
    quota = facts.vcpu_quota or 0.0
    if needed > quota:
        return error(
            f"All overflow nodes together need {needed} vCPUs, the account may have {quota:.0f}.",
            "Ask for more: Service Quotas, Running On-Demand Standard instances.",
        )
    if needed > quota / 2:
        return note(
            f"All overflow nodes together need {needed} of {quota:.0f} vCPUs.",
            "Others in this account share the quota.",
        )
    return ok(f"All overflow nodes together need {needed} of {quota:.0f} vCPUs.")


@check("capacity reservations", "EC2", "reservations", "machines")
def _reservations(facts: Facts) -> Found:
    kinds = {(instance.type, instance.zone) for instance in facts.tagged}
    ours = [each for each in facts.reservations or () if (each.type, each.zone) in kinds]
    if not ours:
        return ok(
            "No capacity is reserved for overflow nodes: EC2 may refuse a start, and another node is started then."
        )
    total, free = sum(each.total for each in ours), sum(each.free for each in ours)
    evidence = f"{total} instances of the nodes' types and zones are reserved, {free} of them not used now."
    if total > len(facts.tagged):
        return note(
            evidence, f"There are {len(facts.tagged)} overflow nodes: what is reserved beyond them is paid for nothing."
        )
    return note(evidence, "A reservation is paid for whether a node is on or off; it never lets a start be refused.")


@check("instance types", "EC2", "machines")
def _types(facts: Facts) -> Found:
    old = sorted({each.instance.type for each in tagged_machines(facts) if each.instance.type.startswith(RETIRED)})
    if old:
        return note(
            f"{listed(old)} are of a generation before.",
            "A newer one (c6i, c7i) offers more HD connections for the money; measure with one node.",
        )
    return ok(f"{listed(sorted({each.instance.type for each in tagged_machines(facts)})) or 'None'}.")


# The stack


@check("schedules", "The stack", "parameters")
def _schedules(facts: Facts) -> Found:
    off = [name for name in ("TickState", "PrewarmState") if facts.stack.get(name) == "DISABLED"]
    if "TickState" in off:
        return error(
            "TickState is DISABLED: Headroom reads nothing, and decides nothing.", "Deploy with TickState=ENABLED."
        )
    if off:
        return note(
            "PrewarmState is DISABLED: no node is started at 08:50.",
            "Past days and bookings still start nodes. Deploy with PrewarmState=ENABLED to be sure.",
        )
    return ok("The tick and the scheduled pre-warm are on.")


@check("costs", "The stack", "parameters")
def _costs(facts: Facts) -> Found:
    dear = [
        name
        for name, value in (("DetailedMetrics", "yes"), ("CreateSecretsEndpoint", "yes"))
        if facts.stack.get(name) == value
    ]
    if dear:
        return note(f"{listed(dear)} cost extra each month.", "docs/cost.md says how much.")
    return ok("Nothing that costs extra is switched on.")
