"""Each check of the doctor passes on a site as it should be, and fails on the site that it is for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headroom.domain.doctor.checks import CHECKS, examine
from headroom.domain.doctor.facts import Facts, Monitored, Reservation
from headroom.domain.fleet.finding import Finding, Severity
from headroom.domain.fleet.fleet import Location
from headroom.domain.policy import Mode, Policy
from tests.support.builders import NOW, principal
from tests.support.sites import BURST, PLACES, TAG_VALUE, machine, machines, read, settings, site, workers

WRONG: dict[str, tuple[Facts, Severity, str]] = {
    "connectivity": (site(address=("It does not answer from here.", False, True)), Severity.ERROR, "does not answer"),
    "credentials": (read(problems=("Pexip's list of alarm cannot be read",)), Severity.WARNING, "list of alarm"),
    "clock": (read(clock_off=75.0), Severity.ERROR, "75 s ahead"),
    "settings told": (read(untold=("bursting_threshold",)), Severity.WARNING, "bursting_threshold"),
    "versions": (site(versions={"mgr": "37", "burst-1": "36"}), Severity.ERROR, "burst-1 has 36"),
    "upgrade": (read(upgrading=True), Severity.NOTE, "being upgraded"),
    "licences": (site(licences={"port": (190, 200)}), Severity.WARNING, "190 of 200"),
    "licences at the peak": (
        site(peaks={"Stockholm": 120.0, "Oslo": 60.0}),
        Severity.WARNING,
        "180 HD connections in use in 2",
    ),
    "alarms": (site(alarms=("node_lost", "cpu")), Severity.NOTE, "Raised now: cpu, node_lost."),
    "bursting": (settings(bursting_enabled=True), Severity.ERROR, "two controllers"),
    "provider": (settings(cloud_provider="AZURE"), Severity.WARNING, "AZURE"),
    "threshold": (site(policy=Policy(mode=Mode.CONTROL, threshold=12)), Severity.NOTE, "12, Pexip's 5"),
    "minimum lifetime": (
        replace(settings(bursting_enabled=True, bursting_min_lifetime=10), policy=Policy(mode=Mode.ASSIST)),
        Severity.ERROR,
        "stops an idle one after 10",
    ),
    "other controllers": (
        workers(lambda each: replace(each, maintenance_mode=True, maintenance_mode_reason="Headroom: [other] x")),
        Severity.ERROR,
        "other",
    ),
    "free HD connections": (
        site(monitored=(Monitored(name="Stockholm", free_hd_calls=12, max_hd_calls=80),)),
        Severity.WARNING,
        "Pexip 12, Headroom 40",
    ),
    "overflow location": (
        read(locations=(Location(name="Stockholm"), Location(name="AWS burst"))),
        Severity.ERROR,
        "No location has a primary overflow location",
    ),
    "circular overflow": (
        read(locations=(PLACES[0], Location(name="AWS burst", overflow_location="Stockholm"))),
        Severity.ERROR,
        "AWS burst into Stockholm",
    ),
    "mixed locations": (
        read(workers=(replace(principal(free=40), location="AWS burst"), *site().seen.workers[1:])),
        Severity.ERROR,
        "AWS burst has burst-1, burst-2 beside",
    ),
    "tag": (machines(tags={"pexip-cloud": "Manager.example.com "}), Severity.ERROR, "says «Manager.example.com »"),
    "nodes and instances": (
        workers(lambda each: replace(each, address=f"10.99.0.{each.id}")),
        Severity.ERROR,
        "no node has its address",
    ),
    "half-made nodes": (
        site(
            machines=(
                *(site().machines or ()),
                machine(
                    replace(BURST[0][1], id="i-9", private_ip="10.20.1.9"),
                    tags={"headroom-stack": "headroom", "headroom-node": "burst-9", "Name": "burst-9"},
                ),
            )
        ),
        Severity.WARNING,
        "burst-9 (i-9, stopped): made by Headroom, and no node",
    ),
    "distributed database": (
        workers(lambda each: replace(each, enable_distributed_database=True)),
        Severity.ERROR,
        "burst-1, burst-2",
    ),
    "static NAT address": (
        workers(lambda each: replace(each, static_nat_address="198.51.100.9")),
        Severity.WARNING,
        "burst-1 has 198.51.100.9",
    ),
    "transcoding": (workers(lambda each: replace(each, node_type="PROXYING")), Severity.ERROR, "Proxying Edge Nodes"),
    "always-on nodes": (
        read(workers=(replace(principal(free=40), alarm="connectivity lost"), *site().seen.workers[1:])),
        Severity.WARNING,
        "offer nothing",
    ),
    "out of step": (workers(lambda each: replace(each, sync_status="FAILED")), Severity.WARNING, "burst-2 is FAILED"),
    "nodes that are off": (
        workers(lambda each: replace(each, boot_time=NOW - timedelta(minutes=2))),
        Severity.WARNING,
        "burst-1 that they have just booted",
    ),
    "empty nodes": (site(idle={"burst-2": 900.0}), Severity.WARNING, "burst-2 sends 900 kB a minute"),
    "region": (site(region="cn-north-1"), Severity.ERROR, "China"),
    "key pair": (machines(key_name=""), Severity.NOTE, "no key pair"),
    "stop protection": (machines(stop_protected=True), Severity.ERROR, "protected"),
    "encrypted volumes": (machines(volume_keys=("arn:aws:kms:eu-north-1:1:key/k",)), Severity.ERROR, "KeyArns"),
    "vCPU quota": (site(vcpu_quota=8.0), Severity.ERROR, "need 16 vCPUs"),
    "capacity reservations": (
        site(reservations=(Reservation(type="c6i.2xlarge", zone="eu-north-1b", total=3, free=2),)),
        Severity.NOTE,
        "3 instances of the nodes' types and zones are reserved, 2 of them not used",
    ),
    "instance types": (
        site(
            machines=tuple(replace(e, instance=replace(e.instance, type="c4.2xlarge")) for e in site().machines or ())
        ),
        Severity.NOTE,
        "c4.2xlarge",
    ),
    "schedules": (site(parameters={"TickState": "DISABLED"}), Severity.ERROR, "reads nothing"),
    "costs": (site(parameters={"DetailedMetrics": "yes"}), Severity.NOTE, "DetailedMetrics"),
}


def found(facts: Facts, check: str) -> Finding:
    return next(finding for finding in examine(facts) if finding.check == check)


def test_every_check_has_a_site_that_it_is_for() -> None:
    assert list(WRONG) == [check.name for check in CHECKS]


@pytest.mark.parametrize("check", WRONG)
def test_a_site_as_it_should_be_passes(check: str) -> None:
    finding = found(site(), check)
    assert (finding.severity, finding.advice) == (Severity.OK, ""), finding.evidence


@pytest.mark.parametrize("check", WRONG)
def test_what_is_wrong_is_said_with_what_to_do(check: str) -> None:
    facts, severity, words = WRONG[check]
    finding = found(facts, check)
    assert finding.severity is severity, finding.evidence
    assert words in finding.evidence
    assert finding.advice or severity is Severity.NOTE


@pytest.mark.parametrize(
    "name",
    [
        "address",
        "reading",
        "monitored",
        "versions",
        "licences",
        "machines",
        "vcpus",
        "vcpu_quota",
        "reservations",
        "idle",
        "peaks",
        "alarms",
        "region",
        "parameters",
    ],
)
def test_what_could_not_be_looked_at_is_not_well_and_not_wrong(name: str) -> None:
    facts = site(**{name: None}, unknown={name: "AWS did not say: AccessDenied"})
    unseen = [finding for finding in examine(facts) if finding.severity is Severity.UNKNOWN]
    assert unseen
    assert {finding.evidence for finding in unseen} == {"AWS did not say: AccessDenied"}
    assert not [finding for finding in examine(facts) if finding.severity is Severity.ERROR]


def test_a_tag_in_other_letters_is_found_and_none_at_all_too() -> None:
    assert "has the tag «Pexip-Cloud»" in found(machines(tags={"Pexip-Cloud": TAG_VALUE}), "tag").evidence
    assert "No instance in eu-north-1 carries" in found(site(machines=()), "tag").evidence


NOTHING_TOLD: dict[str, Facts] = {
    "free HD connections": site(monitored=()),
    "versions": site(versions={}),
    "licences at the peak": site(peaks={}),
    "alarms": site(alarms=()),
    "empty nodes": site(idle={}),
    "nodes that are off": site(machines=()),
    "licences": site(licences={}),
    "vCPU quota": site(vcpus={}),
    "stop protection": machines(stop_protected=None),
    "schedules": site(parameters=None),
    "costs": site(parameters=None),
    "bursting": read(untold=("bursting_enabled",)),
    "threshold": read(untold=("bursting_threshold",)),
    "minimum lifetime": read(untold=("bursting_min_lifetime",)),
}


@pytest.mark.parametrize("check", NOTHING_TOLD)
def test_what_is_answered_with_nothing_is_not_well(check: str) -> None:
    assert found(NOTHING_TOLD[check], check).severity is Severity.UNKNOWN


def test_a_count_without_a_number_is_none() -> None:
    silent = (Monitored(name="Stockholm", free_hd_calls=None, max_hd_calls=None),)
    assert found(site(monitored=silent), "free HD connections").severity is Severity.UNKNOWN


def test_what_is_reserved_for_others_is_none_of_our_business_and_what_is_reserved_in_vain_is_said() -> None:
    others = (Reservation(type="m5.large", zone="eu-north-1b", total=3, free=2),)
    assert found(site(reservations=others), "capacity reservations").severity is Severity.OK
    few = (Reservation(type="c6i.2xlarge", zone="eu-north-1b", total=1, free=1),)
    assert "never lets a start be refused" in found(site(reservations=few), "capacity reservations").advice


def test_a_certificate_is_trusted_if_not_here_then_by_the_secret() -> None:
    unknown = ("manager.example.com answers, but its certificate is not trusted here.", True, False)
    assert found(site(address=unknown), "connectivity").severity is Severity.OK
    assert found(site(address=unknown, reading=None), "connectivity").severity is Severity.WARNING


def test_the_pre_warm_may_be_off_and_a_key_may_be_named() -> None:
    assert found(site(parameters={"PrewarmState": "DISABLED"}), "schedules").severity is Severity.NOTE
    named = replace(WRONG["encrypted volumes"][0], parameters={"KeyArns": "arn:aws:kms:eu-north-1:1:key/k"})
    assert found(named, "encrypted volumes").severity is Severity.OK
    before = replace(WRONG["encrypted volumes"][0], parameters=None)
    assert found(before, "encrypted volumes").severity is Severity.NOTE


def test_a_quota_of_nothing_is_a_quota() -> None:
    assert found(site(vcpu_quota=0.0), "vCPU quota").severity is Severity.ERROR


def test_a_clock_that_pexip_does_not_tell_is_no_matter_of_rights() -> None:
    silent = read(problems=("Pexip does not say what time it is (its answers carry no Date)",), clock_off=None)
    assert found(silent, "credentials").severity is Severity.OK
    assert found(silent, "clock").severity is Severity.WARNING


def test_nodes_that_are_all_in_one_zone_are_a_note() -> None:
    everywhere = site().machines or ()
    here = site(
        machines=tuple(replace(each, instance=replace(each.instance, zone="eu-north-1a")) for each in everywhere)
    )
    assert found(here, "region").severity is Severity.NOTE
    assert found(site(machines=()), "region").evidence == "eu-north-1."


def test_a_quota_of_which_most_is_needed_is_a_note() -> None:
    assert found(site(vcpu_quota=24.0), "vCPU quota").severity is Severity.NOTE


def test_an_overflow_location_that_pexip_does_not_know_is_an_error() -> None:
    lost = read(locations=(Location(name="Stockholm", overflow_location="Nowhere"),))
    assert "overflow location Nowhere is not known" in found(lost, "overflow location").evidence


def test_assist_mode_needs_pexips_own_bursting() -> None:
    assert "its bursting is disabled" in found(site(policy=Policy(mode=Mode.ASSIST)), "bursting").evidence


def test_facts_without_a_reading_say_so() -> None:
    unread = site(reading=None)
    assert unread.overflow_locations == set()
    with pytest.raises(LookupError, match="Pexip was not read"):
        _ = unread.seen
