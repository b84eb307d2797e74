"""What Headroom asks of the Management Node: one tick's reading, the final look at a node, and the changes it makes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from headroom.adapters.pexip.answers import (
    Alarm,
    ConferenceConfiguration,
    GlobalSettings,
    ManagementVm,
    MjxMeeting,
    Present,
    ScheduledConference,
    Shard,
    SystemLocation,
    WorkerConfiguration,
    WorkerStatus,
    any_alarm_about,
    blind_look,
    leniently,
    naive,
    series_of,
    utc,
    without_status,
    worker_of,
)
from headroom.adapters.pexip.errors import (
    PexipAnswerError,
    PexipDeniedError,
    PexipError,
    PexipOtherNodeError,
    PexipUnknownError,
)
from headroom.adapters.pexip.fetching import Client
from headroom.domain.demand.bookings import Meeting
from headroom.domain.demand.forecasting import JUST_OVER
from headroom.domain.demand.turned_away import TurnedAway
from headroom.domain.fleet.fleet import Location, PexipSettings, Reading, Worker, is_in_step, is_upgrading
from headroom.domain.safety.safety import Asked, EmptyCheck
from headroom.domain.texts import TOLD, line

NAMED_AT_ONCE = 100  # conferences in one address
LONGEST_NAME = 250  # bytes of a node's name: a key of DynamoDB's has 1,024, of which others are ours


class ManagementNode(Client):
    """Asks what Headroom needs to know; one method a question."""

    def read(self, platform: str, now: datetime, *, stack: str = "") -> Reading:
        """Return what the platform looks like now, to this stack: seven requests, however many nodes there are.

        One odd row, or one odd setting, is a problem of the reading and spoils nothing else.
        """
        problems: list[str] = []
        self._begin()
        statuses = self._all("status/v1/worker_vm", WorkerStatus, problems)
        configurations = self._all("configuration/v1/worker_vm", WorkerConfiguration, problems)
        locations = self._all("configuration/v1/system_location", SystemLocation, problems)
        shards = Counter(shard.node for shard in self._all("status/v1/conference_shard", Shard, problems))
        alarms = self._all("status/v1/alarm", Alarm, problems)
        before = len(problems)
        managers = self._all("status/v1/management_vm", ManagementVm, problems)
        untold = ["upgrade_status"] if len(problems) > before else []
        settings, untold_settings = self._settings()
        locations = [each for each in locations if _can_be_kept(each.name, f"location {each.resource_uri}", problems)]
        names = {location.resource_uri: location.name for location in locations}
        shown_of = {status.configuration_id: status for status in statuses}
        workers = []
        for configuration in configurations:  # a node that was never contacted may have no status
            status = shown_of.pop(configuration.id, None) or without_status(
                configuration.id,
                configuration.name,
                names.get(configuration.system_location, ""),
                configuration.node_type,
            )
            joined = worker_of(status, configuration, shards[configuration.address], alarms)
            if _can_be_kept(joined.name, f"node {joined.id}", problems):
                workers.append(replace(joined, read_by=stack))
        problems += [
            f"Pexip shows the status of {status.name} but not its configuration" for status in shown_of.values()
        ]
        if self.clock_off is None:
            problems.append("Pexip does not say what time it is (its answers carry no Date), so Headroom stops no node")
        return Reading(
            platform=platform,
            read_at=now,
            workers=tuple(sorted(workers, key=lambda worker: worker.name)),
            locations=tuple(
                Location(name=location.name, overflow_location=names.get(location.overflow_location1 or ""))
                for location in sorted(locations, key=lambda location: location.name)
            ),
            settings=settings,
            upgrading=any(is_upgrading(manager.upgrade_status) for manager in managers),
            version=next((line(manager.version, TOLD) for manager in managers if manager.version), ""),
            problems=tuple(problems),
            clock_off=self.clock_off,
            untold=(*untold_settings, *untold),
        )

    def _settings(self) -> tuple[PexipSettings, list[str]]:
        """Return Pexip's settings, and which of them it does not tell: these have its own defaults."""
        rows, _ = self._rows("configuration/v1/global")
        told = leniently(rows[0], GlobalSettings)[0] if len(rows) == 1 else None
        told, usual = told or GlobalSettings(), PexipSettings()
        names = ("bursting_enabled", "bursting_threshold", "bursting_min_lifetime")
        known = {name: value for name in (*names, "cloud_provider") if (value := getattr(told, name)) is not None}
        return replace(usual, **known), [name for name in names if name not in known]

    def meetings(self, now: datetime, ahead: timedelta) -> tuple[list[Meeting], list[str]]:
        """Return the meetings that are booked from now on, those in progress with who is there, and what was missing.

        Two requests, and two more while a meeting is in progress. If Pexip lacks one of the
        lists, or the account may not read it, the other list is used; a list that Pexip does not filter is read whole.
        Raise if the account may read neither list, and any other error: the bookings known before are then kept.
        """
        self._begin()
        problems: list[str] = []
        errors: list[PexipDeniedError] = []
        booked = self._between(
            "configuration/v1/scheduled_conference", ScheduledConference, now, ahead, problems, errors
        )
        joins = self._between("status/v1/mjx_meeting", MjxMeeting, now, ahead, problems, errors)
        if len(errors) > 1:
            raise errors[0]
        present = self._present(_in_progress(booked, now), problems)
        meetings = [
            Meeting(
                begins=begins,
                ends=ends,
                series=series_of(one.recurring_conference or one.conference),
                present=present.get((one.conference or "", begins)),
            )
            for one, begins, ends in booked
        ]
        rooms = Counter((join.meeting_id, begins, ends) for join, begins, ends in joins)
        meetings += [Meeting(begins=begins, ends=ends, hd=number) for (_, begins, ends), number in rooms.items()]
        return meetings, problems

    def _between[T: (ScheduledConference, MjxMeeting)](
        self,
        path: str,
        kind: type[T],
        now: datetime,
        ahead: timedelta,
        problems: list[str],
        errors: list[PexipDeniedError],
    ) -> list[tuple[T, datetime, datetime]]:
        """Return the meetings of a list that are not over and begin within `ahead`."""
        until = now + ahead
        where = f"&end_time__gte={naive(now - JUST_OVER)}&start_time__lt={naive(until)}"
        try:
            try:
                found = self._all(path, kind, problems, where, named=False)
            except PexipUnknownError:  # no such filter, or no such list
                found = self._all(path, kind, problems, named=False)
        except (PexipUnknownError, PexipDeniedError) as error:
            problems.append(str(error))
            errors += [error] if isinstance(error, PexipDeniedError) else []
            return []
        timed = [(one, utc(one.start_time), utc(one.end_time)) for one in found]
        return [
            (one, begins, ends)
            for one, begins, ends in timed
            if begins and ends and begins < until and ends > now - JUST_OVER
        ]

    def _present(self, running: Mapping[str, datetime], problems: list[str]) -> dict[tuple[str, datetime], int]:
        """Return how many participants each of these conferences has, by its address and the begin of its meeting."""
        try:
            names = self._named(list(running), problems) if running else {}
            there = self._all("status/v1/participant", Present, problems, named=False) if names else []
        except PexipError as error:
            problems.append(str(error))
            return {}
        counted = Counter(one.conference for one in there)
        return {(uri, running[uri]): counted[name] for uri, name in names.items() if uri in running}

    def _named(self, uris: Sequence[str], problems: list[str]) -> dict[str, str]:
        """Return the names of these conferences; a platform may have thousands of others."""
        path = "configuration/v1/conference"
        found: list[ConferenceConfiguration] = []
        for chunk in batched(sorted(uris), NAMED_AT_ONCE, strict=False):
            ids = ",".join(uri.strip("/").rpartition("/")[2] for uri in chunk)
            try:
                found += self._all(path, ConferenceConfiguration, problems, f"&id__in={ids}", named=False)
            except PexipUnknownError:  # no such filter
                found = self._all(path, ConferenceConfiguration, problems, named=False)
                break
        return {conference.resource_uri: conference.name for conference in found}

    def turned_away(self, since: datetime, until: datetime, *, capacity: str, licences: str) -> TurnedAway:
        """Count the calls that ended turned away between two moments, by what their disconnect reason says: two requests.

        Pexip may keep no record of such a call at all: a count of 0 does not prove that no call was turned away.
        """
        self._begin()
        when = {"end_time__gte": naive(since), "end_time__lt": naive(until)}
        for_capacity, for_licences = (
            self._count("participant", kind="history", **when, disconnect_reason__iregex=words)
            for words in (capacity, licences)
        )
        return TurnedAway(since=since, until=until, capacity=for_capacity, licences=for_licences)

    def look_at(self, worker: Worker, *, registrations: bool, now: datetime) -> EmptyCheck:
        """Ask Pexip live whether anything is on a node, and whether any alarm mentions it.

        Seven requests, all but the one for alarms about this node alone; one more for a Proxying Edge Node, the only one that
        proxies calls, and one more with registrations.
        """
        self._begin()
        try:
            status = self._status_of(worker)
            carried: dict[str, Any] = {
                "shards": self._count("conference_shard", node=worker.address),
                "media": self._count("participant", media_node=worker.address),
                "signalling": self._count("participant", signalling_node=worker.address),
                "proxied": self._count("participant", proxy_node=worker.address) if worker.proxies else 0,
                "backplanes": self._count("backplane", media_node=worker.address),
            }
            alarm = any_alarm_about({worker.address, worker.name}, self._every("status/v1/alarm", Alarm))
            registered = self._count("registration_alias", node=worker.address) if registrations else None
            configured = self._configuration(worker)
        except PexipError as error:
            return blind_look(now, str(error))
        return EmptyCheck(
            at=now,
            address=worker.address,
            complete=status.name == worker.name and status.signaling_count is not None,
            listed=True,
            synced=is_in_step(status.sync_status),
            boot_time=utc(status.boot_time),
            closed=bool(status.maintenance_mode),
            closed_reason=status.maintenance_mode_reason or "",
            configured_closed=bool(configured.maintenance_mode),
            configured_reason=configured.maintenance_mode_reason or "",
            signaling_count=status.signaling_count or 0,
            registrations=registered,
            alarm=alarm,
            clock_off=self.clock_off,
            **carried,
        )

    def _status_of(self, worker: Worker) -> WorkerStatus:
        """Return a node's live status; of a node that Pexip shows none of, what stands in for it and makes no look complete."""
        try:
            return self._one(f"status/v1/worker_vm/{worker.status_id}", WorkerStatus)
        except PexipUnknownError:
            return without_status(worker.id, worker.name, worker.location, worker.node_type)

    def ask_whether_closed(self, worker: Worker, now: datetime) -> Asked:
        """Ask once more what a node's configuration says, before its instance is stopped."""
        self._begin()
        there = self._configuration(worker)
        return Asked(
            at=now,
            address=worker.address,
            closed=bool(there.maintenance_mode),
            reason=there.maintenance_mode_reason or "",
            clock_off=self.clock_off,
        )

    def configuration(self, worker: Worker) -> WorkerConfiguration:
        """Return a node's configuration as it is now; raise PexipOtherNodeError if its id belongs to another node."""
        self._begin()
        return self._configuration(worker)

    def _configuration(self, worker: Worker) -> WorkerConfiguration:
        there = self._one(f"configuration/v1/worker_vm/{worker.id}", WorkerConfiguration)
        if (there.name, there.address) != (worker.name, worker.address):
            raise PexipOtherNodeError(
                f"Pexip's node {worker.id} is {there.name} ({there.address}), where {worker.name} ({worker.address}) was "
                "expected. Nothing was changed; the next reading shows which node is which."
            )
        if there.maintenance_mode is None:
            raise PexipAnswerError(f"Pexip does not say whether {worker.name} is in maintenance mode.")
        return there

    def configure(self, worker: Worker, fence: Callable[[], object], **changes: object) -> None:
        """Change a node's configuration; it reaches every node after the replication time. Raise as `configuration` does.

        `fence` is called last before the change, and raises where that may no longer be made: this function may have hung since
        it began, and another workflow may have the node by now.
        """
        self._begin()
        self._configuration(worker)
        fence()
        self._request("PATCH", f"configuration/v1/worker_vm/{worker.id}", json=changes)

    def start_cloudnode(self, instance_id: str) -> None:
        """Have Pexip start a node itself, as its Start button does."""
        self._begin()
        self._request("POST", "command/v1/platform/start_cloudnode", json={"instance_id": instance_id})


def _can_be_kept(name: str, what: str, problems: list[str]) -> bool:
    """Say whether the ledger can keep anything under this name; else it is a problem of the reading, and left out."""
    if len(name.encode()) <= LONGEST_NAME:
        return True
    problems.append(f"Pexip's {what} is left out, as its name has {len(name)} characters")
    return False


def _in_progress(
    booked: Iterable[tuple[ScheduledConference, datetime, datetime]], now: datetime
) -> dict[str, datetime]:
    """Return the rooms with a meeting in progress, and when its newest one began: participants are counted for that one."""
    running: dict[str, datetime] = {}
    for one, begins, ends in booked:
        if one.conference and begins <= now < ends:
            running[one.conference] = max(begins, running.get(one.conference, begins))
    return running
