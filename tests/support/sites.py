"""A site on which nothing is wrong, for the doctor, and the same with one thing changed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from headroom.domain.doctor.facts import Facts, Machine, Monitored
from headroom.domain.fleet.fleet import Instance, Location, PexipSettings, Power, Reading, Worker
from headroom.domain.policy import Mode, Policy
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
