"""Pexip's Management API: one tick's reading, the final look at a node, and the changes Headroom makes.

Every error is a PexipError whose message says what to do:

    PexipError
    ├── PexipUnreachableError   no answer, or no trusted connection
    ├── PexipRefusedError       the credentials or their role do not suffice
    ├── PexipBusyError          too many requests, or an error of the node's own
    └── PexipAnswerError        an answer that the Management API would not give
        └── PexipUnknownError   this version has no such resource or filter
"""

import re
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from itertools import batched
from pathlib import Path
from typing import Any

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from headroom import clock
from headroom.domain.demand.bookings import Meeting
from headroom.domain.demand.forecasting import JUST_OVER
from headroom.domain.demand.turned_away import Refused
from headroom.domain.fleet.fleet import Location, PexipSettings, Reading, Worker
from headroom.domain.safety.safety import EmptyCheck

TIMEOUT = (3.05, 10)  # seconds to connect, seconds between two bytes of the answer
PAGE = 1000
NAMED_AT_ONCE = 100  # conferences in one address
# Alarm names are not documented; this is what a lost node's alarm is taken to look like.
CONNECTIVITY = re.compile(r"connectivity|unreachable", re.IGNORECASE)


class PexipError(Exception):
    """The Management Node did not give a usable answer; the next minute tries again."""


class PexipUnreachableError(PexipError):
    """No answer, or no trusted connection."""


class PexipRefusedError(PexipError):
    """The credentials, or the role behind them, do not suffice."""


class PexipBusyError(PexipError):
    """Too many requests, or an error of the Management Node's own."""


class PexipAnswerError(PexipError):
    """An answer that the Management API would not give."""


class PexipUnknownError(PexipAnswerError):
    """This version of Pexip has no such resource, or does not filter it so."""


class Credentials(msgspec.Struct, forbid_unknown_fields=True, rename="lower"):
    """What the secret holds: a username and password, or an OAuth2 client and its private key; a CA if it is private.

    `audience` is the token URL as the Management Node calls itself, where that differs from the address we use.
    """

    username: str = ""
    password: str = ""
    client_id: str = ""
    private_key: str = ""
    audience: str = ""
    ca: str = ""

    @classmethod
    def parse(cls, secret: str) -> "Credentials":
        """Read the secret's JSON; raise PexipRefusedError if it holds no credentials."""
        try:
            found = msgspec.json.decode(secret, type=cls)
        except msgspec.MsgspecError as error:
            raise PexipRefusedError(f"The Pexip secret is not as it should be ({error}): {cls.advice()}") from error
        if not (found.username and found.password) and not (found.client_id and found.private_key):
            raise PexipRefusedError(f"The Pexip secret holds no credentials: {cls.advice()}")
        return found

    @staticmethod
    def advice() -> str:
        """Say what to put there."""
        return 'put {"username": …, "password": …} or {"client_id": …, "private_key": …} into it, and "ca" if needed.'


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
    maintenance_mode: bool = False
    maintenance_mode_reason: str | None = ""
    max_hd_calls: int | None = None
    media_load: float | None = None
    max_media_tokens: int | None = None
    media_tokens_used: int | None = None
    signaling_count: int | None = 0


class WorkerConfiguration(msgspec.Struct):
    """configuration/v1/worker_vm, as far as Headroom reads it."""

    id: int
    name: str
    address: str
    maintenance_mode: bool = False
    maintenance_mode_reason: str | None = ""
    static_nat_address: str | None = None
    enable_distributed_database: bool = False


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


class GlobalSettings(msgspec.Struct):
    """configuration/v1/global, as far as it concerns bursting."""

    bursting_enabled: bool = False
    bursting_threshold: int = 5
    bursting_min_lifetime: int = 50
    cloud_provider: str | None = "AWS"


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


def utc(text: str | None) -> datetime | None:
    """Read one of Pexip's times, which are UTC and carry no zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class BearerToken(requests.auth.AuthBase):
    """OAuth2 client credentials with a signed assertion (ES256); one token for an hour, fetched when needed."""

    def __init__(self, url: str, credentials: Credentials, session: requests.Session) -> None:
        self.url = f"{url}/oauth/token/"
        self.credentials = credentials
        self.session = session
        self.token = ""
        self.until = datetime.min.replace(tzinfo=UTC)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token on a request."""
        if clock.now() >= self.until:
            self.fetch()
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    def forget(self) -> None:
        """Fetch a new token next time."""
        self.until = datetime.min.replace(tzinfo=UTC)

    def fetch(self) -> None:
        """Ask for a new token; raise PexipRefusedError if the client is not known any more."""
        import jwt  # noqa: PLC0415 - half of a cold start, and only OAuth2 needs it

        now = clock.now()
        audience = self.credentials.audience or self.url
        claims = {
            "iss": self.credentials.client_id,
            "sub": self.credentials.client_id,
            "aud": audience,
            "iat": now,
            "exp": now + timedelta(minutes=5),
            "jti": uuid.uuid4().hex,
        }
        try:
            assertion = jwt.encode(claims, self.credentials.private_key, algorithm="ES256")
        except (ValueError, jwt.PyJWTError) as error:
            raise PexipRefusedError(f"The OAuth2 private key in the Pexip secret cannot be used: {error}") from error
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            "scope": "is_admin use_api",
        }
        response = self.session.post(self.url, data=form, timeout=TIMEOUT)
        if not response.ok:
            raise PexipRefusedError(
                f"Pexip gives OAuth2 client {self.credentials.client_id} no token ({response.status_code} "
                f"{_brief(response)}): check the client under Users & Devices > OAuth2 clients, and the audience {audience}."
            )
        body = response.json()
        self.token = body["access_token"]
        self.until = now + timedelta(seconds=body.get("expires_in", 3600)) - timedelta(minutes=5)


@dataclass
class ManagementNode:
    """A client that asks what Headroom needs to know; one method a question."""

    url: str
    credentials: Credentials
    calls: Counter[str] = field(default_factory=Counter)

    @cached_property
    def session(self) -> requests.Session:
        """One connection, GETs repeated twice where that can help, certificates checked."""
        session = requests.Session()
        retry = Retry(
            total=2,
            read=False,  # a node that keeps silent is not asked again: the tick has no time for it
            backoff_factor=0.5,
            backoff_jitter=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET",),
            respect_retry_after_header=False,  # a tick has no time for it: the next one comes in a minute
            raise_on_status=False,
        )
        session.mount("https://", HTTPAdapter(max_retries=retry))
        session.headers["Accept"] = "application/json"
        if self.credentials.ca:
            session.trust_env = False  # the machine's own bundle must not stand in for the CA that was given
            with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as bundle:
                bundle.write(self.credentials.ca)
            session.verify = bundle.name
        return session

    @cached_property
    def auth(self) -> requests.auth.AuthBase:
        """OAuth2 where a client is given, else Basic."""
        if self.credentials.client_id:
            return BearerToken(self.url, self.credentials, self.session)
        return requests.auth.HTTPBasicAuth(self.credentials.username, self.credentials.password)

    def close(self) -> None:
        """Leave nothing behind."""
        if isinstance(self.session.verify, str):
            Path(self.session.verify).unlink(missing_ok=True)
        self.session.close()

    def read(self, platform: str, now: datetime) -> Reading:
        """Return what the platform looks like now: seven requests, however many nodes there are."""
        problems: list[str] = []
        statuses = self._all("status/v1/worker_vm", WorkerStatus, problems)
        configurations = self._all("configuration/v1/worker_vm", WorkerConfiguration, problems)
        locations = self._all("configuration/v1/system_location", SystemLocation, problems)
        shards = Counter(shard.node for shard in self._every("status/v1/conference_shard", Shard))
        alarms = self._every("status/v1/alarm", Alarm)
        managers = self._every("status/v1/management_vm", ManagementVm)
        shown = self._every("configuration/v1/global", GlobalSettings)
        if len(shown) != 1:
            raise PexipAnswerError(f"Pexip shows {len(shown)} global settings: whether it bursts by itself is unknown")
        [settings] = shown
        configured = {configuration.id: configuration for configuration in configurations}
        workers = []
        for status in statuses:
            configuration = configured.get(status.configuration_id)
            if configuration is None:
                problems.append(f"Pexip shows the status of {status.name} but not its configuration")
            else:
                workers.append(_worker(status, configuration, shards[configuration.address], alarms))
        names = {location.resource_uri: location.name for location in locations}
        return Reading(
            platform=platform,
            read_at=now,
            workers=tuple(sorted(workers, key=lambda worker: worker.name)),
            locations=tuple(
                Location(name=location.name, overflow_location=names.get(location.overflow_location1 or ""))
                for location in sorted(locations, key=lambda location: location.name)
            ),
            settings=PexipSettings(
                bursting_enabled=settings.bursting_enabled,
                bursting_threshold=settings.bursting_threshold,
                bursting_min_lifetime=settings.bursting_min_lifetime,
                cloud_provider=settings.cloud_provider or "AWS",
            ),
            upgrading=any(manager.upgrade_status not in {None, "", "IDLE"} for manager in managers),
            problems=tuple(problems),
        )

    def meetings(self, now: datetime, ahead: timedelta) -> tuple[list[Meeting], list[str]]:
        """Return the meetings that are booked from now on, those in progress with who is there, and what was missing.

        Two requests, and two more while a meeting is in progress. A Pexip without one of the lists, or that will not
        filter it, has none of that kind, or sends all; a list that the account may not read costs its own meetings only.
        Raise any other error, and that one if the account may read neither: what was known is better than half of it.
        """
        problems: list[str] = []
        errors: list[PexipRefusedError] = []
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
                series=_series(one.recurring_conference or one.conference),
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
        errors: list[PexipRefusedError],
    ) -> list[tuple[T, datetime, datetime]]:
        """Return the meetings of a list that are not over and begin within `ahead`."""
        until = now + ahead
        where = f"&end_time__gte={_naive(now - JUST_OVER)}&start_time__lt={_naive(until)}"
        try:
            try:
                found = self._all(path, kind, problems, where, named=False)
            except PexipUnknownError:  # no such filter, or no such list
                found = self._all(path, kind, problems, named=False)
        except (PexipUnknownError, PexipRefusedError) as error:
            problems.append(str(error))
            errors += [error] if isinstance(error, PexipRefusedError) else []
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

    def refused(self, since: datetime, until: datetime, *, capacity: str, licences: str) -> Refused:
        """Count the calls that ended refused between two moments, by what their disconnect reason says: two requests.

        Pexip may keep no record of a refused call at all: none counted does not say that none was turned away.
        """
        when = {"end_time__gte": _naive(since), "end_time__lt": _naive(until)}
        for_capacity, for_licences = (
            self._count("participant", kind="history", **when, disconnect_reason__iregex=words)
            for words in (capacity, licences)
        )
        return Refused(since=since, until=until, capacity=for_capacity, licences=for_licences)

    def look_at(self, worker: Worker, *, registrations: bool, now: datetime) -> EmptyCheck:
        """Look live whether anything is on a node, and whether Pexip reaches it.

        Six requests, all but the one for alarms filtered by the node; one more for a Proxying Edge Node, the only one that
        proxies calls, and one more with registrations.
        """
        try:
            status = self._one(f"status/v1/worker_vm/{worker.status_id}", WorkerStatus)
            carried: dict[str, Any] = {
                "shards": self._count("conference_shard", node=worker.address),
                "media": self._count("participant", media_node=worker.address),
                "signalling": self._count("participant", signalling_node=worker.address),
                "proxied": self._count("participant", proxy_node=worker.address) if worker.proxies else 0,
                "backplanes": self._count("backplane", media_node=worker.address),
            }
            alarm = any_alarm_about({worker.address, worker.name}, self._every("status/v1/alarm", Alarm))
            registered = self._count("registration_alias", node=worker.address) if registrations else None
        except PexipError as error:
            return _blind(now, str(error))
        return EmptyCheck(
            at=now,
            complete=status.name == worker.name and status.signaling_count is not None,
            synced=status.sync_status in {None, "", "SYNCED"},
            boot_time=utc(status.boot_time),
            closed=status.maintenance_mode,
            closed_reason=status.maintenance_mode_reason or "",
            signaling_count=status.signaling_count or 0,
            registrations=registered,
            alarm=alarm,
            **carried,
        )

    def configuration(self, worker_id: int) -> WorkerConfiguration:
        """Return a node's configuration as it is now."""
        return self._one(f"configuration/v1/worker_vm/{worker_id}", WorkerConfiguration)

    def configure(self, worker_id: int, **changes: object) -> None:
        """Change a node's configuration; it reaches every node after the replication time."""
        self._request("PATCH", f"configuration/v1/worker_vm/{worker_id}", json=changes)

    def start_cloudnode(self, instance_id: str) -> None:
        """Have Pexip start a node itself, as its Start button does."""
        self._request("POST", "command/v1/platform/start_cloudnode", json={"instance_id": instance_id})

    def _all[T](self, path: str, kind: type[T], problems: list[str], where: str = "", *, named: bool = True) -> list[T]:
        """Return a list; what of it is unreadable is a problem each, or, where names are nobody's business, one."""
        found: list[T] = []
        unreadable = 0
        address: str | None = f"{self.url}/api/admin/{path}/?limit={PAGE}{where}"
        while address:
            page = self._decode(self._request("GET", path, address=address), Page)
            for thing in page.objects:
                try:
                    found.append(msgspec.convert(thing, kind))
                except msgspec.ValidationError as error:
                    unreadable += 1
                    if not named:
                        continue
                    which = thing.get("name") or thing.get("id") if isinstance(thing, Mapping) else thing
                    problems.append(f"Pexip's {path.rpartition('/')[2]} {which!r} cannot be read: {error}")
            address = f"{self.url}{page.meta.next}" if page.meta.next else None
        if unreadable and not named:
            problems.append(f"{unreadable} of Pexip's {path.rpartition('/')[2]} objects cannot be read")
        return found

    def _every[T](self, path: str, kind: type[T]) -> list[T]:
        """Return a list of which nothing may be missing: what is left out would look like safety."""
        problems: list[str] = []
        found = self._all(path, kind, problems)
        if problems:
            raise PexipAnswerError(problems[0])
        return found

    def _one[T](self, path: str, kind: type[T]) -> T:
        return self._decode(self._request("GET", path), kind)

    def _count(self, resource: str, *, kind: str = "status", **where: str) -> int:
        response = self._request("GET", f"{kind}/v1/{resource}", params={"limit": "1", **where})
        page = self._decode(response, Page)
        counted = page.meta.total_count
        if counted is None or counted < len(page.objects):
            raise PexipAnswerError(f"{response.url} does not say how many {resource} objects there are")
        return counted

    def _decode[T](self, response: requests.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.MsgspecError as error:
            what = "a web page" if response.content.lstrip()[:1] == b"<" else "something else"
            raise PexipAnswerError(
                f"{response.url} answered with {what} instead of the Management API's JSON ({error}): is {self.url} the "
                "Management Node, and no proxy or Conferencing Node?"
            ) from error

    def _request(self, method: str, path: str, *, address: str = "", **more: Any) -> requests.Response:
        address = address or f"{self.url}/api/admin/{path}/"
        self.calls[f"{method} {path}"] += 1
        try:
            response = self.session.request(
                method, address, auth=self.auth, timeout=TIMEOUT, allow_redirects=False, **more
            )
            if response.status_code == HTTPStatus.UNAUTHORIZED and isinstance(self.auth, BearerToken):
                self.auth.forget()  # an hour can end between two requests
                response = self.session.request(
                    method, address, auth=self.auth, timeout=TIMEOUT, allow_redirects=False, **more
                )
        except requests.exceptions.SSLError as error:
            raise PexipUnreachableError(
                f"No trusted connection to {self.url} ({_cause(error)}): renew the Management Node's certificate, or put "
                'the CA that signed it into the Pexip secret as "ca".'
            ) from error
        except requests.Timeout as error:
            raise PexipUnreachableError(
                f"{self.url} does not answer in time: look at the Management Node's load and at the network between."
            ) from error
        except requests.RequestException as error:
            raise PexipUnreachableError(
                f"{self.url} cannot be reached ({_cause(error)}): check PexipUrl, the subnets and their security group."
            ) from error
        return self._checked(response)

    def _checked(self, response: requests.Response) -> requests.Response:
        status = response.status_code
        if response.ok and status < HTTPStatus.MULTIPLE_CHOICES:
            return response
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise PexipRefusedError(
                f"Pexip refuses the credentials ({status}) for {response.request.method} {response.request.path_url}: check "
                "the Pexip secret and the role of that account."
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise PexipBusyError(
                "Pexip answers 429, too many requests: find who else polls the Management API so often."
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PexipBusyError(
                f"Pexip answers {status} ({_brief(response)}): look at the Management Node's support log."
            )
        unknown = status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
        raise (PexipUnknownError if unknown else PexipAnswerError)(
            f"Pexip answers {status} to {response.request.method} {response.request.path_url} ({_brief(response)}): is "
            f"{self.url} the Management Node, and its version one that has this resource?"
        )


def _naive(moment: datetime) -> str:
    """Write a time as Pexip's filters take it: UTC, without a zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _in_progress(
    booked: Iterable[tuple[ScheduledConference, datetime, datetime]], now: datetime
) -> dict[str, datetime]:
    """Return the rooms with a meeting in progress, and when its newest one began: whoever is there is there for that."""
    running: dict[str, datetime] = {}
    for one, begins, ends in booked:
        if one.conference and begins <= now < ends:
            running[one.conference] = max(begins, running.get(one.conference, begins))
    return running


def _series(uri: str | None) -> str:
    """Return the last two parts of an object's address: `recurring_conference/12`."""
    return "/".join((uri or "").strip("/").split("/")[-2:])


def _worker(status: WorkerStatus, configuration: WorkerConfiguration, shards: int, alarms: list[Alarm]) -> Worker:
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
        maintenance_mode=status.maintenance_mode,
        maintenance_mode_configured=configuration.maintenance_mode,
        maintenance_mode_reason=configuration.maintenance_mode_reason or status.maintenance_mode_reason or "",
        static_nat_address=configuration.static_nat_address or None,
        enable_distributed_database=configuration.enable_distributed_database,
        max_hd_calls=status.max_hd_calls,
        media_load=status.media_load,
        max_media_tokens=status.max_media_tokens,
        media_tokens_used=status.media_tokens_used,
        signaling_count=status.signaling_count or 0,
        shards=shards,
        alarm=_alarm_for({configuration.address, configuration.name}, alarms),
    )


def _alarm_for(names: set[str], alarms: list[Alarm]) -> str:
    """Return what the connectivity alarm for a node says, empty if there is none."""
    about = (alarm for alarm in alarms if names & {alarm.node, alarm.instance})
    lost = (alarm for alarm in about if CONNECTIVITY.search(f"{alarm.name} {alarm.details}"))
    return next((alarm.details or alarm.name or "connectivity lost" for alarm in lost), "")


def any_alarm_about(names: set[str], alarms: list[Alarm]) -> str:
    """Return what any alarm says that mentions a node anywhere: whether it means a lost node is not for us to guess."""
    any_name = "|".join(map(re.escape, sorted(names)))
    mentioned = re.compile(rf"(?<![\w.-])(?:{any_name})(?![\w-]|\.\w)", re.IGNORECASE)
    about = (
        alarm for alarm in alarms if mentioned.search(f"{alarm.node} {alarm.instance} {alarm.name} {alarm.details}")
    )
    return next((alarm.details or alarm.name or "without words" for alarm in about), "")


def _blind(now: datetime, trouble: str) -> EmptyCheck:
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


def _brief(response: requests.Response) -> str:
    return " ".join(response.text.split())[:120] or response.reason


def _cause(error: BaseException) -> str:
    """The innermost words of a chain of wrapped errors: they are what an operator can act on."""
    inner = error
    while (deeper := getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)) and isinstance(
        deeper, BaseException
    ):
        inner = deeper
    words = re.sub(r"^\[Errno -?\d+\] ", "", str(inner).rpartition(": ")[2])
    return words or type(inner).__name__
