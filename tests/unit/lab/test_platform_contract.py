"""The simulated platform keeps what is known of Pexip's Management API; nothing of Headroom's client is used here."""

import base64
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from headroom_lab.demo.scenario import platform_of
from headroom_lab.pexip.power import OwnInstances
from headroom_lab.pexip.resources import Platform
from headroom_lab.pexip.server import ManagementNode, Serving, serve
from headroom_replay.bursting import Bursting
from headroom_replay.switches import Switches
from headroom_replay.world import Call, World

# What the documentation lists for each resource; the server may show more, never less.
DOCUMENTED = {
    "status/v1/cloud_node": "cloud_instance_id cloud_instance_name cloud_instance_ip cloud_instance_launch_time "
    "cloud_instance_state aws_instance_id aws_instance_ip aws_instance_launch_time aws_instance_name aws_instance_state "
    "max_hd_calls media_load workervm_configuration_id workervm_configuration_name "
    "workervm_configuration_location_name resource_uri",
    "status/v1/cloud_monitored_location": "id name max_hd_calls free_hd_calls media_load overflow_location resource_uri",
    "status/v1/cloud_overflow_location": "id name systemlocation_id max_hd_calls free_hd_calls media_load resource_uri",
    "status/v1/worker_vm": "id configuration_id name node_type system_location version boot_time deploy_status "
    "last_attempted_contact last_updated maintenance_mode maintenance_mode_reason max_audio_calls max_sd_calls "
    "max_hd_calls max_full_hd_calls max_direct_participants max_media_tokens media_tokens_used media_load "
    "signaling_count sync_status upgrade_status cpu_count cpu_model cpu_capabilities hypervisor total_ram resource_uri",
    "status/v1/system_location": "id name max_audio_calls max_sd_calls max_hd_calls max_full_hd_calls max_media_tokens "
    "media_tokens_used max_connections media_load resource_uri",
    "status/v1/management_vm": "id configuration_id name primary version sync_status upgrade_status "
    "last_attempted_contact last_updated resource_uri",
    "status/v1/conference": "id name service_type is_started is_locked guests_muted direct_media_available start_time "
    "tag resource_uri",
    "status/v1/conference_shard": "id conference node system_location service_type start_time is_started is_locked "
    "is_direct guests_muted transcoding_enabled tag resource_uri",
    "status/v1/participant": "id call_uuid conference display_name protocol role connect_time media_node "
    "signalling_node proxy_node system_location license_count license_type call_quality has_media bandwidth resource_uri",
    "status/v1/backplane": "media_node remote_media_node conference type system_location",
    "status/v1/alarm": "id identifier name level details instance node time_raised acknowledged resource_uri",
    "history/v1/workervm_status_event": "id event_type state context details time_changed workervm_address "
    "workervm_configuration_id workervm_configuration_name workervm_configuration_location_name resource_uri",
    "history/v1/participant": "id start_time end_time duration disconnect_reason",
    "history/v1/conference": "id name start_time end_time duration",
    "configuration/v1/global": "id bursting_enabled bursting_threshold bursting_min_lifetime cloud_provider "
    "aws_access_key aws_secret_key resource_uri",
    "configuration/v1/worker_vm": "id name description hostname domain address netmask gateway ipv6_address "
    "ipv6_gateway secondary_address secondary_netmask static_nat_address static_routes system_location node_type "
    "transcoding cloud_bursting enable_distributed_database maintenance_mode maintenance_mode_reason "
    "media_priority_weight enable_ssh ssh_authorized_keys ssh_authorized_keys_use_cloud alternative_fqdn "
    "tls_certificate vm_cpu_count vm_system_memory resource_uri",
    "configuration/v1/system_location": "id name description overflow_location1 overflow_location2 "
    "transcoding_location dns_servers ntp_servers syslog_servers mtu media_qos signalling_qos policy_server "
    "event_sinks resource_uri",
    "configuration/v1/conference": "id name",
    "status/v1/mjx_meeting": "id meeting_id alias start_time end_time endpoint_name room_email organizer_email subject "
    "mjx_integration_name last_modified_time worker_id",
    "configuration/v1/scheduled_conference": "id conference start_time end_time subject ews_item_id ews_item_uid "
    "recurring_conference scheduled_alias resource_uri",
}
MAY_BE_EMPTY = {
    "status/v1/alarm",
    "status/v1/mjx_meeting",
    "history/v1/conference",
    "configuration/v1/conference",
    "configuration/v1/scheduled_conference",
}


def platform(*, bursting: bool = True, switches: Switches | None = None) -> ManagementNode:
    locations, nodes = platform_of()
    for one in nodes:
        one.instance = f"i-{one.id:017x}" if one.overflow else ""
    now = time.time()
    world = World(locations, nodes, now=now - 1200, switches=switches)
    world.settings["bursting_enabled"] = bursting
    power = OwnInstances(world)
    power.start(world.nodes["burst-01"])
    world.tell(world.nodes["burst-01"], "start", "pending", "Bursting threshold reached in Stockholm")
    world.expect(Call(now - 600 + i, f"meeting {i // 12}", "Stockholm", 90 if i < 3 else 5000) for i in range(85))
    world.advance(now)
    return ManagementNode(Platform(world, power), Bursting(world, start=power.start, stop=power.stop))


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with serve(platform(), pace=60) as running:
        yield running


@contextmanager
def trusting(verify: bool | str = False) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.verify = verify
        yield made


@pytest.fixture(scope="module")
def session(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[requests.Session]:
    ca: Path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.write_text(serving.ca)
    with trusting(str(ca)) as made:
        made.auth = (serving.node.access.username, serving.node.access.password)
        yield made


def get(session: requests.Session, serving: Serving, path: str, **params: Any) -> requests.Response:
    return session.get(f"{serving.url}/api/admin/{path}", params=params, timeout=10)


def test_a_generic_client_can_discover_and_walk_every_list(session: requests.Session, serving: Serving) -> None:
    walked = {}
    for kind in ("status", "history", "configuration"):
        for name, links in get(session, serving, f"{kind}/v1/").json().items():
            address, found = f"{serving.url}{links['list_endpoint']}?limit=7", []
            while address:
                page = session.get(address, timeout=10).json()
                assert set(page["meta"]) == {"limit", "next", "offset", "previous", "total_count"}
                found += page["objects"]
                address = page["meta"]["next"] and serving.url + page["meta"]["next"]
            assert len(found) == page["meta"]["total_count"]
            for one in found[:3]:
                assert (
                    session.get(serving.url + one["resource_uri"], timeout=10).json()["resource_uri"]
                    == one["resource_uri"]
                )
            walked[f"{kind}/v1/{name}"] = found
    assert set(DOCUMENTED) <= set(walked)
    assert {path for path in DOCUMENTED if not walked[path]} <= MAY_BE_EMPTY


@pytest.mark.parametrize("path", sorted(set(DOCUMENTED) - MAY_BE_EMPTY))
def test_every_documented_field_is_there_with_its_type(session: requests.Session, serving: Serving, path: str) -> None:
    [first, *_] = get(session, serving, f"{path}/").json()["objects"]
    schema = get(session, serving, f"{path}/schema/", format="json").json()
    assert set(DOCUMENTED[path].split()) <= set(first)
    assert set(first) == set(schema["fields"])
    kinds = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "float": float,
        "datetime": str,
        "related": str,
        "list": list,
    }
    for name, value in first.items():
        field = schema["fields"][name]
        assert (value is None and field["nullable"]) or isinstance(value, kinds[field["type"]]), name


def test_times_are_utc_without_a_zone(session: requests.Session, serving: Serving) -> None:
    [conference, *_] = get(session, serving, "status/v1/conference/").json()["objects"]
    assert len(conference["start_time"]) == len("2026-03-02T08:58:06.106482")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        pytest.param({"name": "burst-01"}, 1, id="exact"),
        pytest.param({"name__startswith": "burst"}, 12, id="startswith"),
        pytest.param({"max_hd_calls__gte": 40}, 2, id="gte"),
        pytest.param({"name__in": "conf-1,conf-2"}, 2, id="in"),
        pytest.param({"name__iregex": "^BURST-0[12]$"}, 2, id="iregex"),
    ],
)
def test_lists_can_be_filtered(session: requests.Session, serving: Serving, query: dict[str, Any], count: int) -> None:
    assert get(session, serving, "status/v1/worker_vm/", **query).json()["meta"]["total_count"] == count


def test_lists_are_paged_by_twenty_and_can_be_ordered(session: requests.Session, serving: Serving) -> None:
    page = get(session, serving, "status/v1/participant/", order_by="-connect_time").json()
    times = [one["connect_time"] for one in page["objects"]]
    assert page["meta"]["limit"] == len(times) == 20
    assert times == sorted(times, reverse=True)
    assert get(session, serving, "status/v1/participant/", limit=0).json()["meta"]["next"] is None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "status/v1/no_such_thing/", 404, id="unknown resource"),
        pytest.param("GET", "status/v1/worker_vm/9999/", 404, id="unknown object"),
        pytest.param("POST", "status/v1/worker_vm/", 405, id="status is read only"),
        pytest.param("DELETE", "history/v1/conference/", 405, id="history too"),
        pytest.param("GET", "status/v1/worker_vm/?bogus=1", 400, id="unknown filter"),
        pytest.param("POST", "command/v1/cloudnode/start/", 404, id="a path that only a wrong client knows"),
        pytest.param("GET", "command/v1/platform/start_cloudnode/", 405, id="commands are posted"),
    ],
)
def test_what_is_not_there_is_refused(
    session: requests.Session, serving: Serving, method: str, path: str, status: int
) -> None:
    assert session.request(method, f"{serving.url}/api/admin/{path}", timeout=10).status_code == status


def test_without_the_trailing_slash_nothing_is_answered(session: requests.Session, serving: Serving) -> None:
    address = f"{serving.url}/api/admin/status/v1/worker_vm"
    assert session.get(address, allow_redirects=False, timeout=10).status_code == 301


@pytest.mark.parametrize("auth", [None, ("admin", "wrong")], ids=["none", "wrong password"])
def test_nobody_gets_in_without_credentials(session: requests.Session, serving: Serving, auth: Any) -> None:
    answer = requests.get(
        f"{serving.url}/api/admin/status/v1/worker_vm/", auth=auth, verify=str(session.verify), timeout=10
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert answer.content == b""


def token_request(session: requests.Session, serving: Serving, **claims: Any) -> requests.Response:
    now, url = int(time.time()), f"{serving.url}/oauth/token/"
    body = {"iss": "headroom", "sub": "headroom", "aud": url, "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex}
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(body | claims, serving.node.access.private_key, algorithm="ES256"),
    }
    return requests.post(url, data=form, verify=str(session.verify), timeout=10)


def test_an_oauth2_client_gets_a_token_for_an_hour(session: requests.Session, serving: Serving) -> None:
    answer = token_request(session, serving).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    path = f"{serving.url}/api/admin/status/v1/management_vm/"
    assert requests.get(path, headers=headers, verify=str(session.verify), timeout=10).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [{"aud": "https://elsewhere/oauth/token/"}, {"iss": "somebody"}, {"exp": 1}],
    ids=["audience", "client", "expired"],
)
def test_a_wrong_assertion_gets_none(session: requests.Session, serving: Serving, claims: dict[str, Any]) -> None:
    answer = token_request(session, serving, **claims)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_configuration_object_is_patched_put_posted_and_deleted(session: requests.Session, serving: Serving) -> None:
    worker = f"{serving.url}/api/admin/configuration/v1/worker_vm/"
    given = {"maintenance_mode": True, "maintenance_mode_reason": "drain before stop"}
    assert session.patch(f"{worker}11/", json=given, timeout=10).status_code == 202
    assert session.get(f"{worker}11/", timeout=10).json() | given == session.get(f"{worker}11/", timeout=10).json()
    assert session.put(f"{worker}11/", json={"maintenance_mode": False}, timeout=10).status_code == 204
    too_long = session.patch(f"{worker}11/", json={"maintenance_mode_reason": "x" * 251}, timeout=10)
    assert too_long.status_code == 400
    assert "at most 250 characters" in too_long.json()["worker_vm"]["maintenance_mode_reason"][0]
    place = "/api/admin/configuration/v1/system_location/2/"
    new = {"name": "new", "address": "10.9.9.9", "system_location": place, "hostname": "new", "domain": "example.com"}
    short = session.post(worker, json=new, timeout=10)
    assert short.status_code == 400
    assert set(short.json()["worker_vm"]) == {"netmask", "gateway", "password"}
    new |= {"netmask": "255.255.255.0", "gateway": "10.9.9.1", "password": "told once"}
    made = session.post(worker, json=new, timeout=10)
    assert (made.status_code, made.text[:5]) == (201, "<?xml")
    shown = session.get(serving.url + made.headers["Location"], timeout=10).json()
    assert shown["hostname"] == "new"
    assert "password" not in shown
    assert session.delete(serving.url + made.headers["Location"], timeout=10).status_code == 204


def test_maintenance_mode_reports_full_load_and_keeps_its_calls() -> None:
    node = platform(switches=Switches(status_delay=0))
    world = node.world
    busy = world.nodes["conf-1"]
    carried = len(busy.calls)
    world.set_closed(busy, True, "by hand")
    [row] = [row for row in node.platform.rows("status", "worker_vm") if row["name"] == "conf-1"]
    assert (row["media_load"], row["maintenance_mode"], len(busy.calls)) == (100, True, carried)


def test_more_than_a_thousand_requests_a_minute_are_too_many() -> None:
    with serve(platform(switches=Switches(rate_limit=5)), pace=60) as running:
        address = f"{running.url}/api/admin/status/v1/management_vm/"
        token = base64.b64encode(f"{running.node.access.username}:{running.node.access.password}".encode()).decode()
        with trusting() as session, pytest.warns(match="Unverified HTTPS"):
            codes = [
                session.get(address, headers={"Authorization": f"Basic {token}"}, timeout=10).status_code
                for _ in range(7)
            ]
    assert codes == [200] * 5 + [429] * 2


@pytest.mark.parametrize(("bursting", "status"), [(True, 202), (False, 400)], ids=["bursting on", "bursting off"])
def test_start_cloudnode_starts_a_node_where_bursting_is_enabled(bursting: bool, status: int) -> None:
    node = platform(bursting=bursting)
    with serve(node, pace=60) as running:
        target = node.world.nodes["burst-05"]
        auth = (node.access.username, node.access.password)
        with trusting() as session, pytest.warns(match="Unverified HTTPS"):
            answer = session.post(
                f"{running.url}/api/admin/command/v1/platform/start_cloudnode/",
                json={"instance_id": target.instance},
                auth=auth,
                timeout=10,
            )
    assert (answer.status_code, target.on) == (status, bursting)
