"""The Management API's resources: which fields each has, and what they say of the world.

Field lists, types and nullability follow Pexip's schema pages; a `?` marks what may be null.
"""

import secrets
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from headroom_lab.pexip.power import Power
from headroom_replay.world import TOKENS_PER_HD, Call, Location, Node, World

Row = dict[str, Any]
LICENCES = 10_000  # ports that the platform may use


def fields(text: str) -> dict[str, str]:
    """Read `name:type` pairs."""
    return dict(pair.split(":") for pair in text.split())


def when(at: float | None, *, fine: bool = True) -> str | None:
    """Write a time as Pexip does: UTC, without a zone, with or without microseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f" if fine else "%Y-%m-%dT%H:%M:%S")


CLOUD = "cloud_instance_id:string cloud_instance_name:string cloud_instance_ip:string "
CLOUD += "cloud_instance_launch_time:datetime? cloud_instance_state:string"
AWS = CLOUD.replace("cloud_instance", "aws_instance")
WORKER_STATUS = """id:integer configuration_id:integer name:string node_type:string system_location:string version:string
boot_time:datetime? deploy_status:string last_updated:datetime? maintenance_mode:boolean maintenance_mode_reason:string
max_audio_calls:integer max_sd_calls:integer max_hd_calls:integer? max_full_hd_calls:integer max_media_tokens:integer
media_tokens_used:integer media_load:integer signaling_count:integer upgrade_status:string cpu_count:integer
cpu_model:string cpu_capabilities:string hypervisor:string total_ram:integer resource_uri:string"""
NEW_WORKER = " last_attempted_contact:datetime? max_direct_participants:integer sync_status:string"

STATUS = {
    "cloud_node": fields(
        f"{CLOUD} {AWS} max_hd_calls:integer? media_load:integer? workervm_configuration_id:integer? "
        "workervm_configuration_name:string? workervm_configuration_location_name:string? resource_uri:string"
    ),
    "cloud_monitored_location": fields(
        "id:integer name:string? max_hd_calls:integer? free_hd_calls:integer? media_load:integer? "
        "overflow_location:related resource_uri:string"
    ),
    "cloud_overflow_location": fields(
        "id:integer name:string systemlocation_id:integer max_hd_calls:integer free_hd_calls:integer "
        "media_load:integer resource_uri:string"
    ),
    "worker_vm": fields(WORKER_STATUS + NEW_WORKER),
    "system_location": fields(
        "id:integer name:string max_audio_calls:integer max_sd_calls:integer max_hd_calls:integer "
        "max_full_hd_calls:integer max_media_tokens:integer media_tokens_used:integer max_connections:string "
        "media_load:float resource_uri:string"
    ),
    "management_vm": fields(
        "id:integer configuration_id:integer name:string primary:boolean version:string sync_status:string "
        "upgrade_status:string last_attempted_contact:datetime? last_updated:datetime? resource_uri:string"
    ),
    "conference": fields(
        "id:string name:string service_type:string is_started:boolean is_locked:boolean guests_muted:boolean "
        "direct_media_available:boolean start_time:datetime? tag:string resource_uri:string"
    ),
    "conference_shard": fields(
        "id:string conference:string node:string system_location:string service_type:string start_time:datetime? "
        "is_started:boolean is_locked:boolean is_direct:boolean guests_muted:boolean transcoding_enabled:boolean "
        "tag:string resource_uri:string"
    ),
    "participant": fields(
        "id:string call_uuid:string conference:string display_name:string protocol:string role:string "
        "connect_time:datetime? media_node:string signalling_node:string proxy_node:string system_location:string "
        "license_count:integer license_type:string call_quality:string has_media:boolean bandwidth:integer "
        "call_direction:string service_type:string resource_uri:string"
    ),
    "backplane": fields(
        "id:string media_node:string remote_media_node:string conference:string type:string system_location:string "
        "resource_uri:string"
    ),
    "alarm": fields(
        "id:integer identifier:integer name:string level:string details:string instance:string node:string "
        "time_raised:datetime acknowledged:boolean resource_uri:string"
    ),
    # A list with one object, although there is only one: the Go SDK's status/licensing.go has it so
    "licensing": fields(
        "id:integer port_count:integer port_total:integer audio_count:integer audio_total:integer resource_uri:string"
    ),
    "registration_alias": fields("id:string alias:string node:string resource_uri:string"),
    "mjx_meeting": fields(
        "id:integer meeting_id:string alias:string start_time:datetime end_time:datetime endpoint_name:string "
        "room_email:string organizer_email:string subject:string mjx_integration_name:string "
        "last_modified_time:datetime worker_id:integer resource_uri:string"
    ),
}
HISTORY = {
    "workervm_status_event": fields(
        "id:integer event_type:string state:string? context:string? details:string? time_changed:datetime? "
        "workervm_address:string workervm_configuration_id:integer? workervm_configuration_name:string? "
        "workervm_configuration_location_name:string? resource_uri:string"
    ),
    "participant": fields(
        "id:string conference_name:string start_time:datetime end_time:datetime? duration:integer? "
        "disconnect_reason:string media_node:string system_location:string license_type:string resource_uri:string"
    ),
    "conference": fields(
        "id:string name:string start_time:datetime end_time:datetime? duration:integer? participant_count:integer "
        "resource_uri:string"
    ),
}
CONFIGURATION = {
    "global": fields(
        "id:integer bursting_enabled:boolean bursting_threshold:integer bursting_min_lifetime:integer "
        "cloud_provider:string aws_access_key:string? aws_secret_key:string? resource_uri:string"
    ),
    "worker_vm": fields(
        "id:integer name:string description:string hostname:string domain:string address:string netmask:string "
        "gateway:string ipv6_address:string? ipv6_gateway:string? secondary_address:string? secondary_netmask:string? "
        "static_nat_address:string? static_routes:list system_location:related node_type:string transcoding:boolean "
        "cloud_bursting:boolean enable_distributed_database:boolean maintenance_mode:boolean "
        "maintenance_mode_reason:string media_priority_weight:integer enable_ssh:string ssh_authorized_keys:list "
        "ssh_authorized_keys_use_cloud:boolean alternative_fqdn:string tls_certificate:related? vm_cpu_count:integer "
        "vm_system_memory:integer resource_uri:string"
    ),
    "system_location": fields(
        "id:integer name:string description:string overflow_location1:related? overflow_location2:related? "
        "transcoding_location:related? dns_servers:list ntp_servers:list syslog_servers:list mtu:integer "
        "media_qos:integer? signalling_qos:integer? policy_server:related? event_sinks:list resource_uri:string"
    ),
    "conference": fields(
        "id:integer name:string description:string service_type:string tag:string resource_uri:string"
    ),
    "management_vm": fields(
        "id:integer name:string description:string hostname:string domain:string address:string netmask:string "
        "gateway:string mtu:integer resource_uri:string"
    ),
    "scheduled_conference": fields(
        "id:integer conference:related start_time:datetime end_time:datetime subject:string ews_item_id:string "
        "ews_item_uid:string recurring_conference:related? scheduled_alias:related? resource_uri:string"
    ),
}
LONGEST = {"name": 250, "maintenance_mode_reason": 250, "description": 250, "aws_access_key": 40}
SMALLEST = {"bursting_threshold": 1, "bursting_min_lifetime": 5}


@dataclass(slots=True)
class Platform:
    """The world as the Management Node shows it."""

    world: World
    power: Power
    hostname: str = "manager.example.com"
    worker_extra: dict[int, Row] = field(default_factory=dict)
    location_extra: dict[int, Row] = field(default_factory=dict)
    contacted: dict[int, Row] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)  # in the XML of each new node: which it is of
    configured: set[str] = field(default_factory=set)  # addresses of instances that were given a node's XML
    made_at: float = 0.0  # when the nodes were last configured, but for their maintenance mode

    def __post_init__(self) -> None:
        """Take the nodes as configured now."""
        self.made_at = self.world.now

    def rows(self, kind: str, resource: str) -> list[Row]:
        """Return every object of a resource, as it shows now."""
        return list(getattr(self, f"_{kind}_{resource}")())

    # status

    def _uri(self, resource: str, key: object, kind: str = "status") -> str:
        return f"/api/admin/{kind}/v1/{resource}/{key}/"

    def _bursting_shows(self) -> bool:
        return self.world.settings["bursting_enabled"] or self.world.switches.cloud_resources_without_bursting

    def _overflow_nodes(self) -> list[Node]:
        return [node for node in self.world.nodes.values() if node.overflow and node.tagged]

    def _status_cloud_node(self) -> list[Row]:
        rows, signals = [], self._signals()
        for node in self._overflow_nodes() if self._bursting_shows() else []:
            cloud, row = self.power.describe(node), self._status_row(node, signals)
            told = {
                "id": node.instance,
                "name": cloud["name"],
                "ip": node.address,
                "launch_time": when(cloud["launched_at"], fine=False),
                "state": cloud["state"],
            }
            names = ("aws",) if self.world.switches.api_generation == "old" else ("cloud", "aws")
            shown = {f"{name}_instance_{what}": value for name in names for what, value in told.items()}
            on = cloud["state"] == "running"
            rows.append(
                shown
                | {
                    "max_hd_calls": row["max_hd_calls"] if on else None,
                    "media_load": row["media_load"] if on else None,
                    "workervm_configuration_id": node.id,
                    "workervm_configuration_name": node.name,
                    "workervm_configuration_location_name": node.location,
                    "resource_uri": self._uri("cloud_node", node.instance),
                }
            )
        return rows

    def _overflow_locations(self) -> list[Location]:
        if not self._bursting_shows():
            return []
        primary = {location.overflow1 for location in self.world.locations.values()}
        with_nodes = {node.location for node in self._overflow_nodes()}
        return [self.world.locations[name] for name in sorted(primary & with_nodes, key=str) if name]

    def _status_cloud_overflow_location(self) -> list[Row]:
        return [
            self._load(location.name)
            | {
                "id": location.id,
                "systemlocation_id": location.id,
                "resource_uri": self._uri("cloud_overflow_location", location.id),
            }
            for location in self._overflow_locations()
        ]

    def _status_cloud_monitored_location(self) -> list[Row]:
        overflow = {location.name: location.id for location in self._overflow_locations()}
        return [
            self._load(location.name)
            | {
                "id": location.id,
                "overflow_location": self._uri("cloud_overflow_location", overflow[location.overflow1 or ""]),
                "resource_uri": self._uri("cloud_monitored_location", location.id),
            }
            for location in self.world.locations.values()
            if location.overflow1 in overflow
        ]

    def _load(self, name: str) -> Row:
        most, free = self.world.capacity(name), self.world.free(name)
        load = round(100 * (most - free) / most) if most else 0
        return {"name": name, "max_hd_calls": most, "free_hd_calls": free, "media_load": load}

    def _shown_reason(self, node: Node) -> str:
        is_before = self._shown_closed(node) and not node.closed.now and not self.world.switches.reason_shows_at_once
        return node.reason_before if is_before else node.closed_reason

    def _shown_closed(self, node: Node) -> bool:
        return node.closed.seen(self.world.now, self.world.switches.status_delay)

    def _status_row(self, node: Node, signals: Counter[str]) -> Row:
        """Return a node's row; for a node that is off, its row from when it was last heard from."""
        now, switches = self.world.now, self.world.switches
        booting = node.on and not node.ready(now)
        if node.ready(now) and not node.unreachable:
            used = self.world.used(node)
            self.contacted[node.id] = {
                "boot_time": when((node.boots_at or now - 86400) + self.world.clock_skew),
                "sync_status": "OUT_OF_SYNC" if node.out_of_step else "SYNCED",
                "max_hd_calls": node.hd if node.shows_capacity else None,
                "media_tokens_used": used * TOKENS_PER_HD,
                "media_load": round(100 * used / node.hd),
                "signaling_count": signals[node.address],
                "last_contact": now,
            }
        else:
            stale = self.contacted.setdefault(node.id, self._never(node))
            if booting and node.deployed and now >= node.boots_at and not node.never_boots:
                stale |= {
                    "boot_time": when(node.boots_at + self.world.clock_skew),
                    "sync_status": switches.booting_sync_status,
                    "last_contact": now,
                }
        row = dict(self.contacted[node.id])
        if node.overflow and node.deployed and not node.on:
            row["sync_status"] = switches.powered_off_sync_status
            if switches.powered_off_max_hd != "stale":
                row["max_hd_calls"] = None if switches.powered_off_max_hd == "null" else 0
        if self._shown_closed(node):
            row["media_load"] = 100
        return row

    def _never(self, node: Node) -> Row:
        """What Pexip keeps of an overflow node from its last boot, before this world began; nothing of one never heard from."""
        if not node.deployed:
            return {
                "boot_time": None,
                "sync_status": self.world.switches.undeployed_sync_status,
                "max_hd_calls": None,
                "media_tokens_used": 0,
                "media_load": 0,
                "signaling_count": 0,
                "last_contact": None,
            }
        return {
            "boot_time": when(self.world.now - 3 * 86400),
            "sync_status": "SYNCED",
            "max_hd_calls": node.hd,
            "media_tokens_used": 0,
            "media_load": 0,
            "signaling_count": 0,
            "last_contact": self.world.now - 2 * 86400,
        }

    def _signals(self) -> Counter[str]:
        """Count the calls that status shows with their signalling on a node, by its address; their media may be elsewhere."""
        shown = self.world.now - self.world.switches.activity_delay
        calls = (call for node in self.world.nodes.values() for call in node.calls.values())
        counted = Counter(call.signalling for call in calls if call.at <= shown)
        for node in self.world.nodes.values():
            if node.name in self.world.denied:
                del counted[node.address]
        return counted

    def _is_heard_since_its_launch(self, node: Node) -> bool:
        return node.on and node.deployed and not node.never_boots and self.world.now >= node.boots_at

    def _last_updated(self, node: Node, row: Row) -> float | None:
        if self.world.switches.last_updated == "status" or row["last_contact"] is None:
            contact: float | None = row["last_contact"]
            return contact
        return node.closed.changed_at if node.closed.changed_at > 0 else self.made_at

    def _status_worker_vm(self) -> list[Row]:
        rows, signals = [], self._signals()
        for node in self.world.nodes.values():
            if not (self.world.switches.powered_off_row or self._is_heard_since_its_launch(node)):
                continue
            row = self._status_row(node, signals)
            most = row["max_hd_calls"]
            shown = {
                "id": node.id + 100,
                "configuration_id": node.id,
                "name": node.name,
                "node_type": "CONFERENCING",
                "system_location": node.location,
                "version": node.version or self.world.version,
                "boot_time": row["boot_time"],
                "deploy_status": "deploy_succeeded",
                "last_updated": when(self._last_updated(node, row), fine=False),
                "maintenance_mode": self._shown_closed(node),
                "maintenance_mode_reason": self._shown_reason(node) if self._shown_closed(node) else "",
                "max_audio_calls": 12 * (most or 0),
                "max_sd_calls": 2 * (most or 0),
                "max_hd_calls": most,
                "max_full_hd_calls": (most or 0) // 2,
                "max_media_tokens": TOKENS_PER_HD * (most or 0),
                "media_tokens_used": row["media_tokens_used"],
                "media_load": row["media_load"],
                "signaling_count": row["signaling_count"],
                "upgrade_status": node.upgrade_status,
                "cpu_count": 8,
                "cpu_model": "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz",
                "cpu_capabilities": "AVX2",
                "hypervisor": "KVM",
                "total_ram": 16_000_000,
                "resource_uri": self._uri("worker_vm", node.id + 100),
            }
            if self.world.switches.api_generation == "old":
                shown |= {
                    "last_reported": when(row["last_contact"], fine=False),
                    "deploy_progress": 100,
                    "deploy_error": "",
                }
            else:
                shown |= {
                    "last_attempted_contact": when(self.world.now if node.deployed else None),
                    "max_direct_participants": 0,
                    "sync_status": row["sync_status"],
                }
            rows.append(shown)
        return rows

    def _status_system_location(self) -> list[Row]:
        rows = []
        for location in self.world.locations.values():
            load = self._load(location.name)
            most, used = load["max_hd_calls"], load["max_hd_calls"] - load["free_hd_calls"]
            rows.append(
                {
                    "id": location.id,
                    "name": location.name,
                    "max_audio_calls": 12 * most,
                    "max_sd_calls": 2 * most,
                    "max_hd_calls": most,
                    "max_full_hd_calls": most // 2,
                    "max_media_tokens": TOKENS_PER_HD * most,
                    "media_tokens_used": TOKENS_PER_HD * used,
                    "max_connections": f"CONFERENCING:{most}",
                    "media_load": 100 * used / most if most else 0.0,
                    "resource_uri": self._uri("system_location", location.id),
                }
            )
        return rows

    def _status_management_vm(self) -> list[Row]:
        return [
            {
                "id": 1,
                "configuration_id": 1,
                "name": self.hostname.partition(".")[0],
                "primary": True,
                "version": self.world.version,
                "sync_status": "SYNCED",
                "upgrade_status": "UPGRADING" if self.world.upgrading else "IDLE",
                "last_attempted_contact": when(self.world.now, fine=False),
                "last_updated": when(self.world.now, fine=False),
                "resource_uri": self._uri("management_vm", 1),
            }
        ]

    def _status_licensing(self) -> list[Row]:
        """One port licence a participant; audio licences are not used."""
        used = len(self._seen_calls())
        return [
            {
                "id": 1,
                "port_count": used,
                "port_total": LICENCES,
                "audio_count": 0,
                "audio_total": 0,
                "resource_uri": self._uri("licensing", 1),
            }
        ]

    def _seen_calls(self) -> list[tuple[Node, Call]]:
        until = self.world.now - self.world.switches.activity_delay
        return [
            (node, call)
            for node in self.world.nodes.values()
            if not node.unreachable and node.name not in self.world.denied
            for call in node.calls.values()
            if call.at <= until
        ]

    def _by_conference(self) -> dict[str, dict[str, Node]]:
        found: dict[str, dict[str, Node]] = {}
        for node, call in self._seen_calls():
            found.setdefault(call.conference, {})[node.name] = node
        return found

    def _status_conference(self) -> list[Row]:
        return [
            {
                "id": _uuid(name),
                "name": name,
                "service_type": "conference",
                "is_started": True,
                "is_locked": False,
                "guests_muted": False,
                "direct_media_available": False,
                "start_time": when(self.world.started.get(name)),
                "tag": "",
                "resource_uri": self._uri("conference", _uuid(name)),
            }
            for name in self._by_conference()
        ]

    def _status_conference_shard(self) -> list[Row]:
        return [
            {
                "id": _uuid(f"{name} {node.name}"),
                "conference": name,
                "node": node.address,
                "system_location": node.location,
                "service_type": "conference",
                "start_time": when(self.world.started.get(name)),
                "is_started": True,
                "is_locked": False,
                "is_direct": False,
                "guests_muted": False,
                "transcoding_enabled": True,
                "tag": "",
                "resource_uri": self._uri("conference_shard", _uuid(f"{name} {node.name}")),
            }
            for name, nodes in self._by_conference().items()
            for node in nodes.values()
        ]

    def _status_participant(self) -> list[Row]:
        return [
            {
                "id": call.id,
                "call_uuid": call.id,
                "conference": call.conference,
                "display_name": f"Participant {call.id[:4]}",
                "protocol": "WebRTC",
                "role": "guest",
                "connect_time": when(call.at),
                "media_node": node.address,
                "signalling_node": call.signalling,
                "proxy_node": "",
                "system_location": call.location,
                "license_count": 1,
                "license_type": "port",
                "call_quality": "1_good",
                "has_media": True,
                "bandwidth": 1722,
                "call_direction": "in",
                "service_type": "conference",
                "resource_uri": self._uri("participant", call.id),
            }
            for node, call in self._seen_calls()
        ]

    def _status_backplane(self) -> list[Row]:
        rows = []
        for name, nodes in self._by_conference().items():
            for node in nodes.values():
                for other in nodes.values():
                    if node is not other:
                        key = _uuid(f"{name} {node.name} {other.name}")
                        rows.append(
                            {
                                "id": key,
                                "media_node": node.address,
                                "remote_media_node": other.address,
                                "conference": name,
                                "type": "local" if node.location == other.location else "geo",
                                "system_location": node.location,
                                "resource_uri": self._uri("backplane", key),
                            }
                        )
        return rows

    def _status_registration_alias(self) -> list[Row]:
        return [
            {**dict.fromkeys(STATUS["registration_alias"]), "id": alias, "alias": alias, "node": address}
            for alias, address in self.world.registered.items()
        ]

    def _status_alarm(self) -> list[Row]:
        lost = [
            {
                "node": node.address,
                "name": self.world.switches.connectivity_alarm,
                "details": f"Node {node.address} unreachable",
                "at": self.world.now,
            }
            for node in self.world.nodes.values()
            if node.unreachable and self.world.switches.connectivity_alarm
        ]
        return [
            {
                "id": number,
                "identifier": 1,
                "name": alarm["name"],
                "level": "warning",
                "details": alarm["details"],
                "instance": alarm["node"],
                "node": alarm["node"],
                "time_raised": when(alarm["at"]),
                "acknowledged": False,
                "resource_uri": self._uri("alarm", number),
            }
            for number, alarm in enumerate([*self.world.alarms, *lost], 1)
        ]

    # history

    def _history_workervm_status_event(self) -> list[Row]:
        return [
            {
                "id": number,
                "event_type": event["event_type"],
                "state": event["state"],
                "context": event["context"],
                "details": event["details"],
                "time_changed": when(event["at"]),
                "workervm_address": event["node"].address,
                "workervm_configuration_id": event["node"].id,
                "workervm_configuration_name": event["node"].name,
                "workervm_configuration_location_name": event["node"].location,
                "resource_uri": self._uri("workervm_status_event", number, "history"),
            }
            for number, event in enumerate(self.world.node_events, 1)
        ]

    def _history_participant(self) -> list[Row]:
        return [
            {
                "id": _uuid(f"history {number}"),
                "conference_name": call["conference"],
                "start_time": when(call["start"]),
                "end_time": when(call["end"]),
                "duration": round(call["end"] - call["start"]),
                "disconnect_reason": call["reason"],
                "media_node": call["node"],
                "system_location": call["location"],
                "license_type": "port" if call["node"] else "nolicense",
                "resource_uri": self._uri("participant", _uuid(f"history {number}"), "history"),
            }
            for number, call in enumerate(self.world.history)
        ]

    def _history_conference(self) -> list[Row]:
        running = set(self._by_conference())
        ended: dict[str, list[Row]] = {}
        for call in self.world.history:
            if call["conference"] not in running and call["node"]:
                ended.setdefault(call["conference"], []).append(call)
        rows = []
        for name, calls in ended.items():
            first, last = min(call["start"] for call in calls), max(call["end"] for call in calls)
            rows.append(
                {
                    "id": _uuid(name),
                    "name": name,
                    "start_time": when(first),
                    "end_time": when(last),
                    "duration": round(last - first),
                    "participant_count": len(calls),
                    "resource_uri": self._uri("conference", _uuid(name), "history"),
                }
            )
        return rows

    # configuration

    def _configuration_global(self) -> list[Row]:
        return [
            {
                "id": 1,
                **self.world.settings,
                "aws_access_key": "AKIAIOSFODNN7EXAMPLE" if self.world.settings["bursting_enabled"] else None,
                "aws_secret_key": "$~!1masked" if self.world.settings["bursting_enabled"] else None,
                "resource_uri": self._uri("global", 1, "configuration"),
            }
        ]

    def _configuration_management_vm(self) -> list[Row]:
        host, _, domain = self.hostname.partition(".")
        return [
            {
                "id": 1,
                "name": host,
                "description": "",
                "hostname": host,
                "domain": domain,
                "address": "10.20.0.5",
                "netmask": "255.255.240.0",
                "gateway": "10.20.0.1",
                "mtu": 1500,
                "resource_uri": self._uri("management_vm", 1, "configuration"),
            }
        ]

    def _configuration_worker_vm(self) -> list[Row]:
        defaults: Row = {
            "description": "",
            "domain": self.hostname.partition(".")[2],
            "netmask": "255.255.240.0",
            "gateway": "10.20.0.1",
            "ipv6_address": None,
            "ipv6_gateway": None,
            "secondary_address": None,
            "secondary_netmask": None,
            "static_routes": [],
            "node_type": "CONFERENCING",
            "transcoding": True,
            "media_priority_weight": 0,
            "enable_ssh": "GLOBAL",
            "ssh_authorized_keys": [],
            "ssh_authorized_keys_use_cloud": True,
            "alternative_fqdn": "",
            "tls_certificate": None,
            "vm_cpu_count": 8,
            "vm_system_memory": 16000,
        }
        return [
            defaults
            | {"hostname": node.name, "enable_distributed_database": not node.overflow}
            | self.worker_extra.get(node.id, {})
            | {
                "id": node.id,
                "name": node.name,
                "address": node.address,
                "static_nat_address": node.static_nat_address,
                "system_location": self._uri(
                    "system_location", self.world.locations[node.location].id, "configuration"
                ),
                "cloud_bursting": node.overflow and self.world.settings["bursting_enabled"],
                "maintenance_mode": node.closed.now,
                "maintenance_mode_reason": node.closed_reason,
                "resource_uri": self._uri("worker_vm", node.id, "configuration"),
            }
            for node in self.world.nodes.values()
        ]

    def _configuration_system_location(self) -> list[Row]:
        def uri(name: str | None) -> str | None:
            return self._uri("system_location", self.world.locations[name].id, "configuration") if name else None

        return [
            {
                "description": "",
                "transcoding_location": None,
                "dns_servers": [],
                "ntp_servers": [],
                "syslog_servers": [],
                "mtu": 1500,
                "media_qos": None,
                "signalling_qos": None,
                "policy_server": None,
                "event_sinks": [],
            }
            | self.location_extra.get(location.id, {})
            | {
                "id": location.id,
                "name": location.name,
                "overflow_location1": uri(location.overflow1),
                "overflow_location2": uri(location.overflow2),
                "resource_uri": uri(location.name),
            }
            for location in self.world.locations.values()
        ]

    def _status_mjx_meeting(self) -> list[Row]:
        return [
            row | {"id": number, "worker_id": 1, "resource_uri": self._uri("mjx_meeting", number)}
            for number, row in enumerate(self.world.room_joins, 1)
        ]

    def _configuration_conference(self) -> list[Row]:
        return [
            {
                "id": number,
                "name": name,
                "description": "",
                "service_type": "conference",
                "tag": "",
                "resource_uri": self._uri("conference", number, "configuration"),
            }
            for number, name in enumerate(self.world.rooms, 1)
        ]

    def _configuration_scheduled_conference(self) -> list[Row]:
        return [
            row | {"id": key, "resource_uri": self._uri("scheduled_conference", key, "configuration")}
            for key, row in self.world.scheduled.items()
        ]

    # changes

    def change(self, resource: str, key: str, changes: Row) -> None:
        """Take a PATCH or PUT of a configuration object; the fields have been checked."""
        do: dict[str, Callable[[str, Row], None]] = {
            "global": self._change_global,
            "worker_vm": self._change_worker,
            "system_location": self._change_location,
            "scheduled_conference": self._change_scheduled,
        }
        do[resource](key, changes)

    def _change_global(self, _key: str, changes: Row) -> None:
        self.world.settings |= {name: value for name, value in changes.items() if name in self.world.settings}

    def _change_worker(self, key: str, changes: Row) -> None:
        node = next(node for node in self.world.nodes.values() if str(node.id) == key)
        reason = changes.pop("maintenance_mode_reason", node.closed_reason)
        closed = changes.pop("maintenance_mode", node.closed.now)
        if closed != node.closed.now or reason != node.closed_reason:
            self.world.set_closed(node, closed, reason)
        if "static_nat_address" in changes:
            node.static_nat_address = changes.pop("static_nat_address")
        place = self._place_at(changes.pop("system_location", ""))
        if place and place.name != node.location:
            self.world.move(node, place.name)
        self.worker_extra.setdefault(node.id, {}).update(changes)

    def _place_at(self, uri: str) -> Location | None:
        return next((place for place in self.world.locations.values() if uri.endswith(f"/{place.id}/")), None)

    def _change_location(self, key: str, changes: Row) -> None:
        location = next(place for place in self.world.locations.values() if str(place.id) == key)
        names = {f"/api/admin/configuration/v1/system_location/{p.id}/": p.name for p in self.world.locations.values()}
        if "overflow_location1" in changes:
            location.overflow1 = names.get(changes.pop("overflow_location1") or "")
        if "overflow_location2" in changes:
            location.overflow2 = names.get(changes.pop("overflow_location2") or "")
        self.location_extra.setdefault(location.id, {}).update(changes)

    def _change_scheduled(self, key: str, changes: Row) -> None:
        self.world.scheduled.setdefault(int(key), {}).update(changes)

    def create(self, resource: str, row: Row) -> int:
        """Take a POST; return the new object's key."""
        if resource == "scheduled_conference":
            key = max(self.world.scheduled, default=0) + 1
            self.world.scheduled[key] = row
            return key
        if resource == "conference":
            self.world.rooms.append(row["name"])
            return len(self.world.rooms)
        if resource == "system_location":
            key = max(place.id for place in self.world.locations.values()) + 1
            self.world.locations[row["name"]] = Location(id=key, name=row["name"])
            self._change_location(str(key), row)
            return key
        key = max(node.id for node in self.world.nodes.values()) + 1
        place = self._place_at(row["system_location"]) or next(iter(self.world.locations.values()))
        node = Node(id=key, name=row["name"], address=row["address"], location=place.name, hd=15, overflow=True)
        node.deployed = node.tagged = False
        self.world.nodes[node.name] = node
        self.world.forget_pools()
        self._change_worker(str(key), {k: v for k, v in row.items() if k not in {"name", "address", "system_location"}})
        return key

    def bootstrap(self, key: int) -> str:
        """Return the XML that a new node is given, which is told once and holds a key of its own."""
        secret = secrets.token_hex(16)
        self.keys[secret] = key
        [row] = [row for row in self._configuration_worker_vm() if row["id"] == key]
        told = "".join(f"<{name}>{row[name]}</{name}>" for name in ("hostname", "address", "netmask", "gateway"))
        return f'<?xml version="1.0"?><bootstrap>{told}<key>{secret}</key></bootstrap>'

    def take_bootstrap(self, address: str, xml: str) -> None:
        """An instance is given a node's XML: it is that node from now on, or none if the node is there no more."""
        self.configured.add(address)
        secret = xml.partition("<key>")[2].partition("</key>")[0]
        for node in self.world.nodes.values():
            if node.id == self.keys.get(secret) and node.address == address:
                self.world.configure(node)

    def delete(self, resource: str, key: str) -> None:
        """Take a DELETE."""
        if resource == "scheduled_conference":
            del self.world.scheduled[int(key)]
        elif resource == "worker_vm":
            name = next(node.name for node in self.world.nodes.values() if str(node.id) == key)
            del self.world.nodes[name]
            self.contacted.pop(int(key), None)
            self.worker_extra.pop(int(key), None)
            self.world.forget_pools()
        else:
            name = next(place.name for place in self.world.locations.values() if str(place.id) == key)
            del self.world.locations[name]


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
