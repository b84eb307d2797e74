"""What the Management API's answers look like, as far as Headroom reads them, and how they become the domain's own."""

import re
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from types import NoneType
from typing import Any, get_args

import msgspec

from headroom.domain.fleet.fleet import Worker
from headroom.domain.fleet.tags import CONNECTIVITY
from headroom.domain.safety.safety import EmptyCheck
from headroom.domain.texts import TOLD, line

QUOTED = 60  # characters of a value that cannot be read
LONGEST = 8096  # characters of the longest field of Pexip's, an alarm's details
TRUE, FALSE = {"true", "1", "1.0"}, {"false", "0", "0.0"}


class WorkerStatus(msgspec.Struct):
    """status/v1/worker_vm, as far as Headroom reads it."""

    id: int
    name: str
    configuration_id: int
    system_location: str
    node_type: str = "CONFERENCING"
    boot_time: str | None = None
    sync_status: str | None = None
    upgrade_status: str | None = None
    maintenance_mode: bool | None = None
    maintenance_mode_reason: str | None = ""
    max_hd_calls: int | None = None
    media_load: float | None = None
    max_media_tokens: int | None = None
    media_tokens_used: int | None = None
    signaling_count: int | None = 0
    last_reported: str | None = None
    last_attempted_contact: str | None = None
    last_updated: str | None = None
    version: str | None = None


class WorkerConfiguration(msgspec.Struct):
    """configuration/v1/worker_vm, as far as Headroom reads it."""

    id: int
    name: str
    address: str
    system_location: str = ""  # its address, where the status has its name
    node_type: str = "CONFERENCING"
    maintenance_mode: bool | None = None
    maintenance_mode_reason: str | None = ""
    static_nat_address: str | None = None
    enable_distributed_database: bool | None = False


class SystemLocation(msgspec.Struct):
    """configuration/v1/system_location."""

    name: str
    resource_uri: str
    overflow_location1: str | None = None


class Shard(msgspec.Struct):
    """status/v1/conference_shard: only where it is, never its name."""

    node: str


class Alarm(msgspec.Struct):
    """status/v1/alarm."""

    name: str | None = ""
    details: str | None = ""
    node: str | None = ""
    instance: str | None = ""


class ManagementVm(msgspec.Struct):
    """status/v1/management_vm."""

    upgrade_status: str | None = None
    version: str | None = None


class GlobalSettings(msgspec.Struct):
    """configuration/v1/global, as far as it concerns bursting."""

    bursting_enabled: bool | None = None
    bursting_threshold: int | None = None
    bursting_min_lifetime: int | None = None
    cloud_provider: str | None = None


class ScheduledConference(msgspec.Struct):
    """configuration/v1/scheduled_conference: a meeting booked through Exchange; never its subject."""

    start_time: str
    end_time: str
    conference: str | None = None
    recurring_conference: str | None = None


class MjxMeeting(msgspec.Struct):
    """status/v1/mjx_meeting: one room system's part in a meeting (One-Touch Join); never an address."""

    meeting_id: str | int
    start_time: str
    end_time: str


class ConferenceConfiguration(msgspec.Struct):
    """configuration/v1/conference; its name only joins it to its participants, and is not kept."""

    resource_uri: str
    name: str


class Present(msgspec.Struct):
    """status/v1/participant: only which conference."""

    conference: str


class Meta(msgspec.Struct):
    """The envelope's head; `next` is a relative address or nothing."""

    next: str | None = None
    total_count: int | None = None


class Page(msgspec.Struct):
    """Tastypie's envelope."""

    meta: Meta
    objects: list[Any]


def leniently[T: msgspec.Struct](thing: object, kind: type[T]) -> tuple[T | None, str]:
    """Read an object as far as it can be read, and say what could not be; None where what is required is missing.

    A number may be a text, and a text a number. What cannot be read has the field's default.
    """
    if not isinstance(thing, dict):
        return None, f"it is {type(thing).__name__}, where an object was expected"
    values, odd = {}, []
    for each in _fields(kind):
        if each.encode_name not in thing:
            if each.required:
                return None, f"it has no {each.encode_name}"
            continue
        try:
            values[each.name] = _value(thing[each.encode_name], get_args(each.type) or (each.type,))
        except (ValueError, OverflowError):
            told = f"its {each.encode_name} is {str(thing[each.encode_name])[:QUOTED]!r}"
            if each.required:
                return None, told
            odd.append(told)
    return kind(**values), ", ".join(odd)


@cache  # as msgspec evaluates every annotation anew
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _value(told: object, kinds: tuple[type, ...]) -> object:
    """Return what was told as one of these types; raise ValueError if it is none of them."""
    if told is None:
        if NoneType in kinds:
            return None
    elif bool in kinds:
        for value, words in {True: TRUE, False: FALSE}.items():
            if str(told).lower() in words:
                return value
    elif str in kinds:
        if isinstance(told, str | int | float) and not isinstance(told, bool):
            return told[:LONGEST] if isinstance(told, str) else told if type(told) in kinds else str(told)
    elif isinstance(told, str | int | float) and not isinstance(told, bool):
        number = float(told)
        if isfinite(number):
            return int(number) if int in kinds else number
    raise ValueError


def utc(text: str | None) -> datetime | None:
    """Read one of Pexip's times, which are UTC and carry no zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def naive(moment: datetime) -> str:
    """Write a time as Pexip's filters take it: UTC, without a zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def series_of(uri: str | None) -> str:
    """Return the last two parts of an object's address: `recurring_conference/12`."""
    return "/".join((uri or "").strip("/").split("/")[-2:])


def without_status(id_: int, name: str, location: str, node_type: str) -> WorkerStatus:
    """Return what stands in for the status of a node that Pexip shows none of: as if it were off, and had never been on."""
    return WorkerStatus(
        id=0, name=name, configuration_id=id_, system_location=location, node_type=node_type, signaling_count=None
    )


def worker_of(status: WorkerStatus, configuration: WorkerConfiguration, shards: int, alarms: list[Alarm]) -> Worker:
    """Join the two rows of a node; `shards` are the conferences on it.

    Where one does not say whether the node is closed, the other does; where neither does, it is not counted on.
    """
    shown, configured = status.maintenance_mode, configuration.maintenance_mode
    known = configured if shown is None else shown
    return Worker(
        id=configuration.id,
        status_id=status.id,
        name=status.name,
        address=configuration.address,
        location=status.system_location,
        node_type=status.node_type,
        boot_time=utc(status.boot_time),
        sync_status=status.sync_status,
        upgrade_status=status.upgrade_status,
        maintenance_mode=known is not False,
        maintenance_mode_configured=(known if configured is None else configured) is not False,
        maintenance_mode_reason=line(
            configuration.maintenance_mode_reason or status.maintenance_mode_reason or "", TOLD
        ),
        static_nat_address=configuration.static_nat_address or None,
        enable_distributed_database=bool(configuration.enable_distributed_database),
        max_hd_calls=status.max_hd_calls,
        media_load=status.media_load,
        max_media_tokens=status.max_media_tokens,
        media_tokens_used=status.media_tokens_used,
        signaling_count=status.signaling_count or 0,
        shards=shards,
        alarm=_alarm_for({configuration.address, configuration.name}, alarms),
        contacted_at=utc(status.last_reported or status.last_attempted_contact),
        updated_at=utc(status.last_updated),
        version=line(status.version or "", TOLD),
    )


def _alarm_for(names: set[str], alarms: list[Alarm]) -> str:
    """Return what the connectivity alarm for a node says, empty if there is none."""
    about = (alarm for alarm in alarms if names & {alarm.node, alarm.instance})
    lost = (alarm for alarm in about if CONNECTIVITY.search(f"{alarm.name} {alarm.details}"))
    return next((line(alarm.details or alarm.name or "connectivity lost", TOLD) for alarm in lost), "")


def any_alarm_about(names: set[str], alarms: list[Alarm]) -> str:
    """Return what any alarm says that mentions a node anywhere: Headroom does not guess whether it means a lost node."""
    any_name = "|".join(map(re.escape, sorted(names)))
    mentioned = re.compile(rf"(?<![\w.-])(?:{any_name})(?![\w-]|\.\w)", re.IGNORECASE)
    about = (
        alarm for alarm in alarms if mentioned.search(f"{alarm.node} {alarm.instance} {alarm.name} {alarm.details}")
    )
    return next((line(alarm.details or alarm.name or "an alarm without text", TOLD) for alarm in about), "")


def blind_look(now: datetime, trouble: str) -> EmptyCheck:
    """Return a look that saw nothing, and why."""
    return EmptyCheck(
        at=now,
        complete=False,
        synced=False,
        boot_time=None,
        closed=False,
        closed_reason="",
        shards=0,
        media=0,
        signalling=0,
        proxied=0,
        backplanes=0,
        signaling_count=0,
        trouble=trouble,
    )
