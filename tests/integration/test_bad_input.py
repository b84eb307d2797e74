"""Whatever is wrong outside: one clear sentence that says what to do, nothing stopped, and the next minute recovers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from headroom import clock
from headroom.adapters.ec2 import Ec2
from headroom.adapters.pexip import fetching as adapter
from headroom.adapters.pexip.asking import ManagementNode as PexipNode
from headroom.adapters.pexip.errors import PexipOtherNodeError
from headroom.domain.fleet.fleet import Instance, NodeState, Worker
from headroom.domain.fleet.lifecycle import Action
from headroom_lab.pexip.resources import Platform
from headroom_lab.pexip.server import ManagementNode, serve
from headroom_replay.world import Location
from tests.integration.conftest import Desk, make_instance

NOW = datetime(2026, 3, 2, 8, 55, tzinfo=UTC)


def good(desk: Desk) -> dict[str, str]:
    assert desk.serving
    access = desk.node.access
    return {"username": access.username, "password": access.password, "ca": desk.serving.ca}


def oauth(desk: Desk) -> dict[str, str]:
    assert desk.serving
    access = desk.node.access
    return {"client_id": access.client_id, "private_key": access.private_key, "ca": desk.serving.ca}


def wrong_url(desk: Desk) -> None:
    desk.point_at("https://127.0.0.1:9", **good(desk))


def wrong_password(desk: Desk) -> None:
    assert desk.serving
    desk.point_at(desk.serving.url, **(good(desk) | {"password": "nonsense"}))


def unknown_ca(desk: Desk) -> None:
    assert desk.serving
    desk.point_at(desk.serving.url, username="admin", password="x")


def revoked_client(desk: Desk) -> None:
    assert desk.serving
    desk.node.access.revoked = True
    desk.point_at(desk.serving.url, **oauth(desk))


def broken_key(desk: Desk) -> None:
    assert desk.serving
    desk.point_at(desk.serving.url, **(oauth(desk) | {"private_key": "not a key"}))


def empty_secret(desk: Desk) -> None:
    assert desk.serving
    desk.point_at(desk.serving.url)


def misspelt_secret(desk: Desk) -> None:
    assert desk.serving
    desk.point_at(desk.serving.url, user="admin", password="x")


def behaving(how: str) -> Callable[[Desk], None]:
    def make_trouble(desk: Desk) -> None:
        desk.node.trouble = how

    return make_trouble


def silent(desk: Desk) -> None:
    adapter.ANSWERS = 1.0
    desk.node.trouble = "silent"


TROUBLES = [
    pytest.param(wrong_url, "cannot be reached (Connection refused)", "check PexipUrl", id="wrong URL"),
    pytest.param(
        unknown_ca, "No trusted connection", 'put the CA that signed it into the Pexip secret as "ca"', id="unknown CA"
    ),
    pytest.param(wrong_password, "refuses the credentials (401)", "check the Pexip secret", id="wrong password"),
    pytest.param(
        revoked_client, "gives OAuth2 client headroom no token", "check the client under", id="revoked client"
    ),
    pytest.param(broken_key, "The field private_key of the Pexip secret", "OAuth2 clients", id="broken key"),
    pytest.param(empty_secret, "holds no credentials", 'put {"username": …', id="empty secret"),
    pytest.param(misspelt_secret, "holds no credentials (it has", 'put {"username": …', id="misspelt secret"),
    pytest.param(silent, "does not answer in time", "look at the Management Node's load", id="silent server"),
    pytest.param(behaving("html"), "answered with a web page", "and not a proxy or a Conferencing Node", id="HTML"),
    pytest.param(
        behaving("garbage"), "something else instead of the Management API's JSON", "check that https", id="half JSON"
    ),
    pytest.param(behaving("error"), "answers 500", "support log", id="server error"),
]


@pytest.mark.parametrize(("make_trouble", "what", "advice"), TROUBLES)
def test_trouble_is_one_clear_sentence_and_the_next_minute_recovers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, make_trouble: Callable[[Desk], None], what: str, advice: str
) -> None:
    monkeypatch.setattr(adapter, "ANSWERS", adapter.ANSWERS)
    before = desk.tick()
    make_trouble(desk)
    held = desk.tick()
    problem = desk.ledger.last_problem()
    assert what in problem
    assert advice in problem
    assert held.changes == ()
    assert "No news from Pexip" in held.issues[0].what
    assert any(event.kind == "issue" and what in event.reason for event in desk.events())
    assert desk.states() == ["stopped", "stopped"]
    desk.node.trouble, desk.node.access.revoked = "", False
    assert desk.serving
    desk.point_at(desk.serving.url, **good(desk))
    after = desk.tick()
    assert (after.issues, after.nodes) == (before.issues, before.nodes)


def put_secret(desk: Desk, **secret: str) -> None:
    """Change the secret alone: functions that are warm keep what they have read."""
    boto3.client("secretsmanager").put_secret_value(SecretId="pexip-credentials", SecretString=json.dumps(secret))


ASKS: dict[str, Callable[[PexipNode, Worker], object]] = {
    "the reading": lambda pexip, _: pexip.read("manager.example.com", NOW, stack="headroom"),
    "a look": lambda pexip, worker: pexip.look_at(worker, registrations=False, now=NOW).complete,
    "the last question": lambda pexip, worker: pexip.ask_whether_closed(worker, NOW),
    "a change": lambda pexip, worker: pexip.configure(worker, lambda: None, static_nat_address=None),
    "the bookings": lambda pexip, _: pexip.meetings(NOW, timedelta(minutes=40)),
    "calls turned away": lambda pexip, _: pexip.turned_away(NOW, NOW, capacity="x", licences="y"),
}


@pytest.mark.parametrize("asks", ASKS)
@pytest.mark.parametrize("how", ["password", "OAuth2 client"])
def test_new_credentials_are_taken_in_the_middle_of_whatever_is_asked(desk: Desk, asks: str, how: str) -> None:
    """Warm functions would keep the old ones for five minutes: nothing would open meanwhile."""
    assert desk.serving
    desk.point_at(desk.serving.url, **(good(desk) if how == "password" else oauth(desk)))
    assert desk.observe() == ""
    reading = desk.ledger.last_reading()
    assert reading
    worker = next(worker for worker in reading.workers if worker.name == "burst-1")
    desk.node.access.password = "rotated"
    if how != "password":
        desk.node.access.revoked = True
        desk.node.access.tokens.clear()
    put_secret(desk, username="admin", password="rotated", ca=desk.serving.ca)
    with desk.parts.pexip.node() as pexip:
        assert ASKS[asks](pexip, worker) is not False


def test_a_new_certificate_authority_in_the_secret_is_taken_at_once(desk: Desk) -> None:
    """As when the Management Node's certificate is renewed: what is kept of the secret trusts the old one alone."""
    assert desk.serving
    with serve(desk.node, pace=60, expired=True) as other:
        desk.point_at(desk.serving.url, **(good(desk) | {"ca": other.ca}))
        assert "No trusted connection" in desk.observe()
        put_secret(desk, **good(desk))
        assert desk.observe() == ""


def test_a_secret_that_is_put_right_is_taken_at_once(desk: Desk) -> None:
    assert desk.serving
    desk.point_at(desk.serving.url, user="admin", password="x")
    assert "holds no credentials" in desk.observe()
    put_secret(desk, username="admin", password=desk.node.access.password, ca=desk.serving.ca)
    assert desk.observe() == ""


def test_an_expired_certificate_is_named_as_one(desk: Desk) -> None:
    with serve(desk.node, pace=60, expired=True) as expired:
        desk.point_at(expired.url, username="admin", password="x", ca=expired.ca)
        assert "certificate has expired" in desk.observe()


def test_oauth2_reads_as_basic_does(desk: Desk) -> None:
    assert desk.serving
    desk.point_at(desk.serving.url, **oauth(desk))
    assert desk.observe() == ""


def test_a_token_that_ends_in_the_middle_is_renewed(desk: Desk) -> None:
    assert desk.serving
    desk.point_at(desk.serving.url, **oauth(desk))
    assert desk.observe() == ""
    desk.node.access.tokens.clear()
    assert desk.observe() == ""


Row = dict[str, Any]


def spoil_burst_1(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Row], Row]) -> None:
    """Have Pexip's status say something odd of one node."""
    rows = Platform.rows

    def spoiled(self: Platform, kind: str, resource: str) -> list[Row]:
        found = rows(self, kind, resource)
        if (kind, resource) != ("status", "worker_vm"):
            return found
        return [spoil(row) if row["name"] == "burst-1" else row for row in found]

    monkeypatch.setattr(Platform, "rows", spoiled)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda row: row | {"max_hd_calls": "many"}, "its max_hd_calls is 'many'", id="a wrong type"),
        pytest.param(
            lambda row: {k: v for k, v in row.items() if k != "system_location"},
            "it has no system_location",
            id="a missing field",
        ),
        pytest.param(lambda row: row | {"configuration_id": 999}, "but not its configuration", id="no configuration"),
    ],
)
def test_one_unreadable_node_is_an_issue_and_the_others_count(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Row], Row], words: str
) -> None:
    spoil_burst_1(monkeypatch, spoil)
    decided = desk.tick()
    assert [(node.name, node.state) for node in decided.nodes] == [("burst-1", "stopped"), ("burst-2", "stopped")]
    assert any(words in issue.what for issue in decided.issues)
    assert any(event.kind == "issue" and words in event.reason for event in desk.events())
    assert decided.principals[0].hd == 20


def test_a_configured_node_without_a_status_is_off_can_be_started_and_serves_when_it_has_one(desk: Desk) -> None:
    desk.world.switches.powered_off_row = False
    decided = desk.tick()
    assert [(node.name, node.state) for node in decided.nodes] == [("burst-1", "stopped"), ("burst-2", "stopped")]
    assert decided.issues == ()
    desk.world.nodes["conf-1"].unreachable = True
    assert {change.action for change in desk.tick().changes} == {Action.START}


def test_fields_that_a_newer_pexip_adds_do_not_matter(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil_burst_1(monkeypatch, lambda row: row | {"invented_in_v99": {"a": 1}})
    assert desk.tick().issues == ()


@pytest.mark.parametrize("resource", ["global", "management_vm", "conference_shard", "alarm"])
def test_what_is_unreadable_is_a_problem_and_the_minute_has_its_reading(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, resource: str
) -> None:
    """No look at a node trusts such an answer: tests/integration/test_odd_answers.py."""
    rows = Platform.rows

    def odd(self: Platform, kind: str, name: str) -> list[Row]:
        spoilt: list[Row] = [{"bursting_enabled": "perhaps", "upgrade_status": [], "node": [], "resource_uri": "/x/1/"}]
        return spoilt if name == resource else rows(self, kind, name)

    monkeypatch.setattr(Platform, "rows", odd)
    made = desk.tick()
    words = "does not tell whether" if resource == "global" else "cannot be read"
    assert any(words in issue.what for issue in made.issues)
    assert len(made.nodes) == 2


def test_an_answer_without_a_count_is_no_empty_node(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tick()
    reading = desk.ledger.last_reading()
    assert reading
    page = ManagementNode._page

    def without(self: ManagementNode, request: Any, kind: str, resource: str) -> Row:
        found = page(self, request, kind, resource)
        del found["meta"]["total_count"]
        return found

    monkeypatch.setattr(ManagementNode, "_page", without)
    with desk.parts.pexip.node() as pexip:
        look = pexip.look_at(reading.workers[0], registrations=False, now=reading.read_at)
    assert not look.complete
    assert "does not say how many" in look.trouble


def test_an_id_that_belongs_to_another_node_by_now_changes_nothing(desk: Desk) -> None:
    """As after a restored backup: the newest reading's id of an overflow node is an always-on node's."""
    desk.tick()
    reading = desk.ledger.last_reading()
    assert reading
    worker = next(worker for worker in reading.workers if worker.name == "burst-1")
    mine, others = desk.world.nodes["burst-1"], desk.world.nodes["conf-1"]
    mine.id, others.id = others.id, mine.id
    with desk.parts.pexip.node() as pexip:
        for changes in (
            {"maintenance_mode": True, "maintenance_mode_reason": "Headroom: idle"},
            {"static_nat_address": None},
        ):
            with pytest.raises(PexipOtherNodeError, match=r"is conf-1 .*, where burst-1 .* was expected"):
                pexip.configure(worker, lambda: None, **changes)
        with pytest.raises(PexipOtherNodeError):
            pexip.ask_whether_closed(worker, reading.read_at)
        look = pexip.look_at(worker, registrations=False, now=reading.read_at)
    assert not others.closed.now
    assert not look.complete


def test_an_old_pexip_without_sync_status_reads_too(desk: Desk) -> None:
    desk.world.switches.api_generation = "old"
    assert desk.observe() == ""
    reading = desk.ledger.last_reading()
    assert reading
    assert all(worker.sync_status is None for worker in reading.workers)


def test_an_empty_fleet_is_an_issue(desk: Desk) -> None:
    for name in ("burst-1", "burst-2"):
        del desk.world.nodes[name]
    desk.world.forget_pools()
    desk.ec2.terminate_instances(InstanceIds=[one.id for one in instances()])
    assert "There are no overflow nodes" in desk.tick().issues[0].what


def instances() -> tuple[Instance, ...]:
    return Ec2("manager.example.com").instances()


def test_a_node_without_an_instance_and_an_instance_without_a_node_are_shown_and_left_alone(desk: Desk) -> None:
    make_instance(desk.ec2, "stranger")
    [gone] = [one for one in instances() if one.name == "burst-1"]
    desk.ec2.terminate_instances(InstanceIds=[gone.id])
    decided = desk.tick()
    said = " ".join(issue.what for issue in decided.issues)
    assert "no node has its address" in said
    assert "no tagged instance has its address" in said
    assert [node.state for node in decided.nodes] == [NodeState.STOPPED]


def test_instances_of_another_platform_are_not_seen(desk: Desk) -> None:
    make_instance(desk.ec2, "theirs", running=True, tag="another.example.com")
    assert desk.tick().issues == ()


@pytest.mark.parametrize("name", ["x" * 5000, "é" * 126])
def test_a_node_whose_name_no_record_could_have_is_left_out_and_spoils_nothing_else(desk: Desk, name: str) -> None:
    [one, other] = [node for node in desk.world.nodes.values() if node.overflow]
    desk.world.set_closed(one, closed=True, reason="Headroom: [headroom] x")
    desk.world.rename(one, name)
    made = desk.tick()
    assert [node.name for node in made.nodes] == [other.name]
    assert f"is left out, as its name has {len(name)} characters" in " ".join(issue.what for issue in made.issues)
    last = desk.ledger.last_reading()
    assert last
    assert name not in {worker.name for worker in last.workers}


def test_a_location_whose_name_no_record_could_have_is_left_out_and_the_other_s_load_is_kept(desk: Desk) -> None:
    long = Location(id=9, name="y" * 5000, overflow1="Cloud")
    desk.world.locations[long.name] = long
    made = desk.tick()
    assert [load.location for load in made.principals] == ["Oslo"]
    assert [sample.location for sample in desk.ledger.samples("Oslo", NOW, clock.now())] == ["Oslo"]
