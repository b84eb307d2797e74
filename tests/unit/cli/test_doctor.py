"""Each check of the doctor passes on a site as it should be, and fails on the site that it is for."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from headroom.domain.demand.forecasting import PastDay, Profile
from headroom.domain.fleet.fleet import Instance, Location, PexipSettings, Power, Reading, Worker
from headroom.domain.policy import Mode, Policy
from headroom_cli.doctor.checks import CHECKS, Finding, Severity, examine
from headroom_cli.doctor.facts import Facts, Machine, Monitored, Reservation
from headroom_cli.doctor.showing import facts_of, page_of, sentence_of
from headroom_cli.doctor.sites import peaks_of
from tests.support.builders import NOW, node, principal

TAG_VALUE = "manager.example.com"
BURST = [node(1, public_ip="198.51.100.1", static_nat_address="198.51.100.1"), node(2, Power.RUNNING)]
PLACES = (Location(name="Stockholm", overflow_location="AWS burst"), Location(name="AWS burst"))


def machine(instance: Instance, **more: Any) -> Machine:
    tags = more.pop("tags", {"pexip-cloud": TAG_VALUE, "Name": "burst"})
    given: dict[str, Any] = {"key_name": "pexip", "stop_protected": False} | more
    zone = "eu-north-1a" if instance.id.endswith("1") else "eu-north-1b"
    return Machine(instance=replace(instance, type="c6i.2xlarge", zone=zone), tags=tags, **given)


def site(**changed: Any) -> Facts:
    """A site on which nothing is wrong."""
    workers = (principal(free=40), *(worker for worker, _ in BURST))
    reading = Reading(
        platform=TAG_VALUE, read_at=NOW, workers=workers, locations=PLACES, settings=PexipSettings(), clock_off=0.4
    )
    given: dict[str, Any] = {
        "now": NOW,
        "tag_value": TAG_VALUE,
        "policy": Policy(mode=Mode.CONTROL),
        "address": ("manager.example.com answers, and its certificate is trusted here.", True, True),
        "reading": reading,
        "monitored": (Monitored(name="Stockholm", free_hd_calls=40, max_hd_calls=80),),
        "versions": {"mgr": "37", "burst-1": "37"},
        "licences": {"port": (40, 200)},
        "machines": tuple(machine(instance) for _, instance in BURST),
        "region": "eu-north-1",
        "vcpus": {"c6i.2xlarge": 8},
        "vcpu_quota": 64.0,
        "reservations": (),
        "idle": {"burst-2": 120.0},
        "peaks": {"Stockholm": 90.0},
        "alarms": ("connectivity_lost",),
        "parameters": {"TickState": "ENABLED", "PrewarmState": "ENABLED", "KeyArns": ""},
    }
    return Facts(**given | changed)


def read(**changed: Any) -> Facts:
    return site(reading=replace(site().seen, **changed))


def workers(change: Callable[[Worker], Worker]) -> Facts:
    """The site with every overflow node changed."""
    return read(workers=tuple(change(each) if each.name.startswith("burst") else each for each in site().seen.workers))


def machines(**more: Any) -> Facts:
    return site(machines=tuple(machine(each.instance, **more) for each in site().machines or ()))


def settings(**more: Any) -> Facts:
    return read(settings=PexipSettings(**more))


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
    assert list(WRONG) == list(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_a_site_as_it_should_be_passes(check: str) -> None:
    finding = found(site(), check)
    assert (finding.severity, finding.advice) == (Severity.OK, ""), finding.evidence


@pytest.mark.parametrize("check", CHECKS)
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


def test_the_most_of_past_days_is_of_all_their_minutes_and_a_gap_is_none() -> None:
    day = PastDay(day=NOW.date(), used=(3.0, None, 41.0, 7.0))
    assert peaks_of([Profile(location="Oslo", zone="UTC", days=(day,)), Profile(location="Malmö", zone="UTC")]) == {
        "Oslo": 41.0,
        "Malmö": 0.0,
    }


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


def page(facts: Facts) -> str:
    console = Console(width=120, record=True, file=None)
    with console.capture() as shown:
        console.print(page_of(list(examine(facts))))
    return shown.get()


def test_the_page_begins_with_what_is_wrong_and_ends_with_a_sentence() -> None:
    assert page(site()).rstrip().endswith("checks are well, 0 could not be looked at.")
    assert sentence_of(list(examine(site()))).startswith("Nothing is wrong; ")
    lines = page(WRONG["clock"][0]).splitlines()
    assert "✗ error" in lines[0]
    assert "What to do: Correct NTP" in lines[1] + lines[2]


def test_a_file_of_facts_names_nobody() -> None:
    who = "User: arn:aws:sts::123456789012:assumed-role/AcmeAdmins/anna is not authorized, account 123456789012"
    facts = site(
        answers={"status/v1/worker_vm": [{"sync_status": "SYNCED", "name": "there"}]},
        unknown={"vcpu_quota": f"AWS did not say: {who}"},
        versions={"mgr-of-acme": "37"},
        host="pexip.acme.example",
    )
    text = facts_of(facts, examine(facts))
    assert json.loads(text)["reading"]["settings"]["bursting_threshold"] == 5
    for name in ("manager.example.com", "Stockholm", "burst-1", "AWS burst", "10.20.1.1", "198.51.100.1", "i-0000"):
        assert name not in text, name
    for name in ("123456789012", "AcmeAdmins", "anna", "mgr-of-acme", "acme.example"):
        assert name not in text, name


def test_a_quota_of_nothing_is_a_quota() -> None:
    assert found(site(vcpu_quota=0.0), "vCPU quota").severity is Severity.ERROR


def test_a_clock_that_pexip_does_not_tell_is_no_matter_of_rights() -> None:
    silent = read(problems=("Pexip does not say what time it is (its answers carry no Date)",), clock_off=None)
    assert found(silent, "credentials").severity is Severity.OK
    assert found(silent, "clock").severity is Severity.WARNING
