"""How the Management API is asked: one session, checked certificates, Basic or OAuth2, and errors that say what to do."""

import re
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from headroom import clock
from headroom.adapters.pexip.answers import Page
from headroom.adapters.pexip.errors import (
    PexipAnswerError,
    PexipBusyError,
    PexipDeniedError,
    PexipUnknownError,
    PexipUnreachableError,
)

TIMEOUT = (3.05, 10)  # seconds to connect, seconds between two bytes of the answer
PAGE = 1000


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
        """Read the secret's JSON; raise PexipDeniedError if it holds no credentials."""
        try:
            found = msgspec.json.decode(secret, type=cls)
        except msgspec.MsgspecError as error:
            raise PexipDeniedError(f"The Pexip secret cannot be used ({error}): {cls.advice()}") from error
        if not (found.username and found.password) and not (found.client_id and found.private_key):
            raise PexipDeniedError(f"The Pexip secret holds no credentials: {cls.advice()}")
        return found

    @staticmethod
    def advice() -> str:
        """Return the sentence that says what to put into the secret."""
        return 'put {"username": …, "password": …} or {"client_id": …, "private_key": …} into it, and "ca" if needed.'


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
        """Ask for a new token; raise PexipDeniedError if the client is not known any more."""
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
            raise PexipDeniedError(f"The OAuth2 private key in the Pexip secret cannot be used: {error}") from error
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            "scope": "is_admin use_api",
        }
        response = self.session.post(self.url, data=form, timeout=TIMEOUT)
        if not response.ok:
            raise PexipDeniedError(
                f"Pexip refuses OAuth2 client {self.credentials.client_id} a token ({response.status_code} "
                f"{_brief(response)}): check the client under Users & Devices > OAuth2 clients, and the audience {audience}."
            )
        body = response.json()
        self.token = body["access_token"]
        self.until = now + timedelta(seconds=body.get("expires_in", 3600)) - timedelta(minutes=5)


@dataclass
class Client:
    """Fetches lists, single objects and counts; `calls` counts the requests.

    `reread` returns the credentials as the secret has them now: it is asked when Pexip refuses those in use.
    """

    url: str
    credentials: Credentials
    reread: Callable[[], Credentials] | None = None
    calls: Counter[str] = field(default_factory=Counter)
    # By answer since `_begin`: how far its clock is from ours
    _clocks: list[float | None] = field(default_factory=list)

    def _begin(self) -> None:
        """Begin a question of several requests, over which `clock_off` is taken."""
        self._clocks.clear()

    @property
    def clock_off(self) -> float | None:
        """Seconds by which the Management Node's clock is ahead of ours, the most of any answer; None if one did not say."""
        known = [off for off in self._clocks if off is not None]
        return max(known, key=abs) if known and len(known) == len(self._clocks) else None

    @cached_property
    def session(self) -> requests.Session:
        """One connection, GETs repeated twice where that can help, certificates checked."""
        session = requests.Session()
        retry = Retry(
            total=2,
            read=False,  # a node that does not answer is not asked again: a tick has no time for that
            backoff_factor=0.5,
            backoff_jitter=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET",),
            respect_retry_after_header=False,  # a tick has no time to wait: the next one comes in a minute
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
        """OAuth2 if the secret holds a client, else Basic."""
        if self.credentials.client_id:
            return BearerToken(self.url, self.credentials, self.session)
        return requests.auth.HTTPBasicAuth(self.credentials.username, self.credentials.password)

    def close(self) -> None:
        """Close the session and delete its CA file."""
        if isinstance(self.session.verify, str):
            Path(self.session.verify).unlink(missing_ok=True)
        self.session.close()

    def _all[T](self, path: str, kind: type[T], problems: list[str], where: str = "", *, named: bool = True) -> list[T]:
        """Return a list. Each unreadable object adds a problem with its name; without `named`, one problem counts all."""
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
        """Return a complete list, or raise PexipAnswerError: a missing entry could make a node look empty."""
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
                f"{response.url} answered with {what} instead of the Management API's JSON ({error}): check that "
                f"{self.url} is the Management Node, and not a proxy or a Conferencing Node."
            ) from error

    def _request(self, method: str, path: str, *, address: str = "", **more: Any) -> requests.Response:
        """Ask; once more if the secret has other credentials, or another CA, by now than those that failed.

        A request that was refused, or that was not sent over a connection without trust, did nothing.
        """
        try:
            return self._asked(method, path, address=address, **more)
        except (PexipDeniedError, PexipUnreachableError) as error:
            is_about_secret = isinstance(error, PexipDeniedError) or isinstance(
                error.__cause__, requests.exceptions.SSLError
            )
            if not (is_about_secret and self._takes_new_credentials()):
                raise
            return self._asked(method, path, address=address, **more)

    def _takes_new_credentials(self) -> bool:
        fresh = self.reread() if self.reread else self.credentials
        if fresh == self.credentials:
            return False
        self.close()
        for kept in ("session", "auth"):
            self.__dict__.pop(kept, None)
        self.credentials = fresh
        return True

    def _asked(self, method: str, path: str, *, address: str = "", **more: Any) -> requests.Response:
        address = address or f"{self.url}/api/admin/{path}/"
        self.calls[f"{method} {path}"] += 1
        sent_at = clock.now()
        try:
            response = self.session.request(
                method, address, auth=self.auth, timeout=TIMEOUT, allow_redirects=False, **more
            )
            if response.status_code == HTTPStatus.UNAUTHORIZED and isinstance(self.auth, BearerToken):
                self.auth.forget()  # a token can expire between two requests
                sent_at = clock.now()
                response = self.session.request(
                    method, address, auth=self.auth, timeout=TIMEOUT, allow_redirects=False, **more
                )
            self._clocks.append(clock_off(response.headers.get("Date", ""), sent_at, clock.now()))
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
            raise PexipDeniedError(
                f"Pexip refuses the credentials ({status}) for {response.request.method} {response.request.path_url}: check "
                "the Pexip secret and the role of that account."
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise PexipBusyError(
                "Pexip answers 429, too many requests: find what else polls the Management API so often."
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PexipBusyError(
                f"Pexip answers {status} ({_brief(response)}): look at the Management Node's support log."
            )
        unknown = status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
        raise (PexipUnknownError if unknown else PexipAnswerError)(
            f"Pexip answers {status} to {response.request.method} {response.request.path_url} ({_brief(response)}): "
            f"check that {self.url} is the Management Node, and that its version has this resource."
        )


def clock_off(date: str, sent_at: datetime, heard_at: datetime) -> float | None:
    """Return the seconds by which the server's clock must at least be ahead of ours, by an answer's Date (RFC 9110, 6.6.1).

    That is a whole second somewhere between asking and hearing. Negative if it is behind, None if it cannot be told.
    """
    try:
        said = parsedate_to_datetime(date)
    except ValueError:
        return None
    if said.tzinfo is None:  # a zone of "-0000"
        said = said.replace(tzinfo=UTC)
    ahead, behind = (said - heard_at).total_seconds(), (said + timedelta(seconds=1) - sent_at).total_seconds()
    return max(0.0, ahead) + min(0.0, behind)


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
