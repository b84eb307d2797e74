"""The doctor looks at a simulated platform behind real TLS, and at moto's EC2."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from headroom.adapters import site as adapter
from headroom.adapters.pexip.credentials import Credentials
from headroom.domain.doctor.checks import examine
from headroom.domain.doctor.facts import Facts, Reservation
from headroom.domain.fleet.finding import Severity
from headroom_cli.doctor.gathering import gathered
from headroom_cli.doctor.showing import facts_of
from tests.integration.conftest import HOSTNAME, Desk


@pytest.fixture(autouse=True)
def reservations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto knows no capacity reservations: what AWS's API model says of them is answered by botocore's own stub."""
    client, look = boto3.client("ec2", region_name="eu-north-1"), adapter._reservations
    stub = Stubber(client)
    told = {"InstanceType": "c6i.2xlarge", "AvailabilityZone": "eu-north-1a", "TotalInstanceCount": 3}
    active = {"Filters": [{"Name": "state", "Values": ["active"]}]}
    answer = {"CapacityReservations": [{**told, "AvailableInstanceCount": 2}]}
    stub.add_response("describe_capacity_reservations", answer, active)
    stub.activate()
    monkeypatch.setattr(adapter, "_reservations", lambda _: look(client))


def looked_at(desk: Desk, *, with_credentials: bool = True) -> Facts:
    said = boto3.client("secretsmanager").get_secret_value(SecretId="pexip-credentials")["SecretString"]
    return gathered(
        stack="headroom",
        tag_value=HOSTNAME,
        url=desk.settings.pexip_url,
        credentials=Credentials.parse(said) if with_credentials else None,
        parameters={},
        policy=desk.settings.policy,
        peaks=lambda: {"Stockholm": 41.0},
    )


def wrong(facts: Facts) -> dict[str, str]:
    return {each.check: each.evidence for each in examine(facts) if each.severity in {Severity.ERROR, Severity.WARNING}}


def test_everything_is_seen_of_a_site_as_it_should_be(desk: Desk) -> None:
    desk.world.switches.cloud_resources_without_bursting = True
    facts = looked_at(desk)
    assert facts.reading
    assert facts.monitored
    assert facts.versions
    assert facts.licences
    assert len(facts.tagged) == sum(node.overflow for node in desk.world.nodes.values())
    assert facts.vcpus
    assert facts.peaks == {"Stockholm": 41.0}
    assert facts.reservations == (Reservation(type="c6i.2xlarge", zone="eu-north-1a", total=3, free=2),)
    assert facts.alarms == []
    assert set(facts.unknown) <= {"vcpu_quota"}, facts.unknown  # moto has no quotas of EC2
    assert not {"tag", "nodes and instances", "distributed database", "clock", "versions"} & wrong(facts).keys()


def test_a_tag_that_is_nearly_right_is_found_wherever_it_is(desk: Desk) -> None:
    one, other = (each.id for each in looked_at(desk).tagged)
    tags: Any = [{"Key": "pexip-cloud"}]
    boto3.client("ec2").delete_tags(Resources=[one, other], Tags=tags)
    boto3.client("ec2").create_tags(Resources=[one], Tags=[{"Key": "Pexip-Cloud", "Value": HOSTNAME}])
    boto3.client("ec2").create_tags(Resources=[other], Tags=[{"Key": "pexip-cloud", "Value": HOSTNAME.upper()}])
    found = wrong(looked_at(desk))["tag"]
    assert f"{one} has the tag «Pexip-Cloud»" in found
    assert f"{other} says «{HOSTNAME.upper()}»" in found


def test_without_credentials_pexip_is_not_seen_and_ec2_is(desk: Desk) -> None:
    facts = looked_at(desk, with_credentials=False)
    assert facts.reading is None
    assert facts.tagged
    assert [each.evidence for each in examine(facts) if each.check == "clock"] == [
        "No credentials were given: use --secret."
    ]


def test_lists_that_pexip_does_not_give_spoil_nothing_else(desk: Desk) -> None:
    desk.world.switches.cloud_resources_without_bursting = False
    facts = looked_at(desk)
    assert facts.reading
    assert facts.monitored in {None, ()}


def test_a_file_of_facts_has_what_was_answered_and_no_name(desk: Desk, tmp_path: Path) -> None:
    facts = looked_at(desk)
    path = tmp_path / "facts.json"
    path.write_text(facts_of(facts, examine(facts)))
    told = json.loads(path.read_text())
    assert told["answers"]["status/v1/worker_vm"][0]["sync_status"]
    text = path.read_text()
    for node in desk.world.nodes.values():
        for name in (node.name, node.address, node.instance, node.location):
            assert not name or name not in text, name
    assert HOSTNAME not in text


@pytest.mark.parametrize(("off", "words"), [(90.0, "s ahead of"), (-90.0, "s behind")])
def test_a_clock_that_is_wrong_is_an_error(desk: Desk, off: float, words: str) -> None:
    desk.world.switches.manager_clock = off
    assert words in wrong(looked_at(desk))["clock"]
