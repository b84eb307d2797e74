"""The checks of the Management Node, and of Pexip's own bursting."""

from datetime import timedelta

from headroom.domain.doctor.checking import (
    Found,
    check,
    error,
    fleet_of,
    note,
    ok,
    unseen,
    untold,
    warning,
)
from headroom.domain.doctor.facts import Facts
from headroom.domain.fleet.fleet import (
    is_upgrading,
    other_stacks,
)
from headroom.domain.fleet.homes import Homes
from headroom.domain.fleet.tags import CONNECTIVITY
from headroom.domain.policy import Mode
from headroom.domain.safety.safety import why_clocks_differ
from headroom.domain.texts import listed

LEAD = timedelta(minutes=10)  # of the scheduled pre-warm
SPARE = 1.2  # licences there, as a multiple of those in use, that a rush needs
APART = 5  # HD connections by which Pexip's own count and ours may differ, as they are read at two moments


# The Management Node


@check("connectivity", "The Management Node", "address")
def _connectivity(facts: Facts) -> Found:
    sentence, answers, trusted = facts.address or ("", False, False)
    if not answers:
        return error(sentence, "Check name, route and firewall: Headroom needs TCP 443 to the Management Node.")
    if facts.reading:
        return ok("It answers, and its certificate is one that Headroom trusts.")
    if not trusted:
        return warning(sentence, "Give Headroom the certificate or its CA: the field `ca` of the secret.")
    return ok(sentence)


@check("credentials", "The Management Node", "reading")
def _credentials(facts: Facts) -> Found:
    problems = [each for each in facts.seen.problems if "what time it is" not in each]  # that is the check of the clock
    if problems:
        return warning(
            f"It answers, but not all of it can be read: {problems[0]}",
            "If it says «refused», give the account's role the right to read status, configuration and history. `worker_vm` it "
            "must be able to change.",
        )
    return ok(f"The account may read {len(facts.seen.workers)} nodes and {len(facts.seen.locations)} locations.")


@check("clock", "The Management Node", "reading")
def _clock(facts: Facts) -> Found:
    off = facts.seen.clock_off
    if off is None:
        return warning(
            "Pexip does not say what time it is.",
            "A proxy may take the header Date away. Without it Headroom stops no node.",
        )
    if why := why_clocks_differ(off):
        return error(f"{why}.", "Correct NTP on the Management Node: nothing is stopped while the clocks differ.")
    return ok(f"Its clock is {abs(off):.0f} s from this one.")


@check("settings told", "The Management Node", "reading")
def _settings_told(facts: Facts) -> Found:
    if facts.seen.untold:
        return warning(
            f"Pexip does not tell {listed(facts.seen.untold)}.",
            "Set Threshold and MinimumLifetimeMinutes, so that nothing depends on it.",
        )
    return ok("Pexip tells its bursting settings and whether it is being upgraded.")


@check("versions", "The Management Node", "versions")
def _versions(facts: Facts) -> Found:
    found = facts.versions or {}
    there = sorted(set(found.values()))
    if len(there) > 1:
        odd = [f"{name} has {version}" for name, version in sorted(found.items()) if version != there[-1]]
        return error(
            f"Not all nodes have version {there[-1]}: {listed(odd)}.",
            "Start the nodes that lag and wait until the upgrade has reached them: another version takes no calls.",
        )
    return ok(f"All nodes have version {there[0]}.") if there else unseen("No node says its version.")


@check("upgrade", "The Management Node", "reading")
def _upgrade(facts: Facts) -> Found:
    busy = [worker.name for worker in facts.seen.workers if is_upgrading(worker.upgrade_status)]
    if facts.seen.upgrading or busy:
        return note(
            f"Pexip is being upgraded: {listed(busy) or 'the Management Node'}.", "Headroom holds still meanwhile."
        )
    return ok("No upgrade is on its way.")


@check("licences", "The Management Node", "licences")
def _licences(facts: Facts) -> Found:
    if not facts.licences:
        return unseen("Pexip tells no licences that calls take.")
    scarce = [
        f"{kind}: {used} of {there} in use"
        for kind, (used, there) in sorted(facts.licences.items())
        if there and used * SPARE > there
    ]
    if scarce:
        return warning(
            f"Licences are nearly used up ({listed(scarce)}).",
            "More nodes do not help where licences run out: order some.",
        )
    return ok("Licences suffice for a fifth more calls than now.")


@check("licences at the peak", "The Management Node", "licences", "peaks")
def _licences_at_the_peak(facts: Facts) -> Found:
    there = sum(total for _, total in (facts.licences or {}).values())
    if not there or not facts.peaks:
        return unseen("No past day is known yet." if there else "Pexip tells no licences that calls take.")
    peak = sum(facts.peaks.values())
    places = "" if len(facts.peaks) == 1 else f" in {len(facts.peaks)} locations, if all had it at once"
    evidence = f"Past days had up to {peak:.0f} HD connections in use{places}; there are {there} licences."
    if peak * SPARE > there:
        return warning(evidence, "More nodes do not help where licences run out: order some before the next peak.")
    return ok(evidence)


@check("alarms", "The Management Node", "alarms")
def _alarms(facts: Facts) -> Found:
    """A node is taken for lost if an alarm about it is called as CONNECTIVITY has it: how Pexip calls it is not documented."""
    known = sorted({name for name in facts.alarms or () if name})
    if not known:
        return unseen("No alarm is raised now, so it is not seen how Pexip calls them.")
    if not any(CONNECTIVITY.search(name) for name in known):
        return note(
            f"Raised now: {listed(known)}.",
            "Compare with an alarm of a node that cannot be reached: Headroom looks for «connectivity» or «unreachable» in it.",
        )
    return ok(f"Raised now: {listed(known)}; one is taken for a node that cannot be reached.")


# Pexip's own bursting


@check("bursting", "Pexip's own bursting", "reading")
def _bursting(facts: Facts) -> Found:
    if silent := untold(facts, "bursting_enabled"):
        return silent
    enabled, mode = facts.seen.settings.bursting_enabled, facts.policy.mode
    if mode is Mode.CONTROL and enabled:
        return error(
            "Pexip's bursting is enabled, and Headroom is in control mode: two controllers.",
            "Disable it in Pexip (`bursting_enabled`), or switch back with `headroom hand-back`.",
        )
    if mode is Mode.ASSIST and not enabled:
        return error(
            "Headroom is in assist mode, where Pexip stops the nodes, but its bursting is disabled.",
            "Enable it, or choose control mode.",
        )
    return ok(f"Pexip's bursting is {'enabled' if enabled else 'disabled'}, as {mode} mode wants it.")


@check("provider", "Pexip's own bursting", "reading")
def _provider(facts: Facts) -> Found:
    provider = facts.seen.settings.cloud_provider
    if provider.upper() != "AWS":
        return warning(
            f"Pexip's cloud provider is {provider}.", "Headroom works on EC2 alone. Set the provider to AWS in Pexip."
        )
    return ok("Pexip's cloud provider is AWS.")


@check("threshold", "Pexip's own bursting", "reading")
def _threshold(facts: Facts) -> Found:
    if silent := untold(facts, "bursting_threshold"):
        return silent
    theirs, ours = facts.seen.settings.bursting_threshold, facts.policy.threshold
    if ours is not None and ours != theirs:
        return note(
            f"Headroom's threshold is {ours}, Pexip's {theirs}.", "Set both alike, so that a hand-back changes nothing."
        )
    return ok(f"The threshold is {theirs} HD connections in both.")


@check("minimum lifetime", "Pexip's own bursting", "reading")
def _lifetime(facts: Facts) -> Found:
    if silent := untold(facts, "bursting_min_lifetime"):
        return silent
    lifetime = timedelta(minutes=facts.seen.settings.bursting_min_lifetime)
    lead = max(LEAD, 2 * facts.policy.boot_time)
    if facts.policy.mode is Mode.ASSIST and lead >= lifetime:
        return error(
            f"Nodes are started {lead.total_seconds() / 60:.0f} minutes ahead, but Pexip stops an idle one after "
            f"{lifetime.total_seconds() / 60:.0f}.",
            "Raise bursting_min_lifetime in Pexip above the lead: else it stops a node again before it is needed.",
        )
    return ok(f"Pexip's minimum lifetime is {lifetime.total_seconds() / 60:.0f} minutes.")


@check("other controllers", "Pexip's own bursting", "reading")
def _controllers(facts: Facts) -> Found:
    others = other_stacks(facts.seen)
    if others:
        return error(
            f"Another stack of Headroom closes nodes here: {listed(others)}.",
            "One platform has one stack: uninstall the other.",
        )
    return ok("No other stack of Headroom has closed a node.")


@check("free HD connections", "Pexip's own bursting", "monitored", "reading", "machines")
def _counts(facts: Facts) -> Found:
    told = [each for each in facts.monitored or () if each.free_hd_calls is not None]
    if not told:
        why = "Pexip gives no count of its own (`cloud_monitored_location`), as may be while its bursting is disabled."
        return unseen(why)
    ours = Homes(facts.seen, fleet_of(facts).nodes).loads
    apart = [
        f"{each.name}: Pexip {each.free_hd_calls}, Headroom {ours[each.name].free}"
        for each in told
        if each.name in ours and abs((each.free_hd_calls or 0) - ours[each.name].free) > APART
    ]
    if apart:
        return warning(
            f"Free HD connections are counted otherwise ({listed(apart)}).",
            "Look whether an always-on node is missing, or counted twice. Calls between the two looks may explain a few.",
        )
    return ok(f"Pexip's own count of free HD connections is Headroom's ({len(told)} locations).")
