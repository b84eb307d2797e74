"""How the Management API is asked: one session, checked certificates, Basic or OAuth2, and errors that say what to do.

Whatever answers may be somebody else, or sick: no address is followed that leaves the Management Node, no redirect, and a
question takes no longer and brings no more than `WITHIN` and `MOST_BYTES`, however it is packed.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from headroom import clock
from headroom.adapters.pexip.answers import Page, leniently
from headroom.adapters.pexip.credentials import Credentials
from headroom.adapters.pexip.errors import (
    PexipAnswerError,
    PexipBusyError,
    PexipDeniedError,
    PexipUnknownError,
    PexipUnreachableError,
)
from headroom.adapters.pexip.token import BearerToken
from headroom.domain.texts import line

CONNECTS, ANSWERS = 3.05, 10.0  # seconds to connect, seconds between two bytes of the answer
WITHIN = 25.0  # seconds for one question with all its requests: a function has a minute
MOST_BYTES = 20_000_000  # of all answers to one question, unpacked
PAGE, MOST_PAGES = 1000, 500
CHUNK = 65_536
QUOTED = 120  # characters of an error's text
# What may be a secret, or precede one
SECRET = re.compile(r"\b(?:basic|bearer|authorization|password|assertion)\b|\S{40}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end."""

    method: str
    url: str
    status: int
    words: str  # of its status
    body: bytes

    @property
    def path(self) -> str:
        """What was asked for, without the host."""
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def brief(self) -> str:
        """Return what an answer says went wrong: only an error text that cannot quote our credentials, as a proxy may."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return self.words
        told = found.get("error_message") or found.get("error") if isinstance(found, Mapping) else None
        if not isinstance(told, str) or SECRET.search(told):
            return self.words
        return line(told, QUOTED)


def nothing() -> None:
    """Do nothing: nobody asks to be told before each request."""


@dataclass
class Client:
    """Fetches lists, single objects and counts; `calls` counts the requests.

    `reread` returns the credentials as the secret has them now: it is asked when Pexip refuses those in use.
    `before_each` is told before each request, which may take seconds.
    """

    url: str
    credentials: Credentials
    reread: Callable[[], Credentials] | None = None
    before_each: Callable[[], object] = nothing
    calls: Counter[str] = field(default_factory=Counter)
    # By answer since `_begin`: how far its clock is from ours
    _clocks: list[float | None] = field(default_factory=list)
    _until: float | None = None  # by the stopwatch: what a network takes is real time
    _bytes: int = 0

    def _begin(self) -> None:
        """Begin a question of several requests, over which `clock_off`, time and bytes are taken."""
        self._clocks.clear()
        self._until, self._bytes = clock.stopwatch() + WITHIN, 0

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
            return BearerToken(self.url, self.credentials, self._post_form)
        return requests.auth.HTTPBasicAuth(self.credentials.username, self.credentials.password)

    def close(self) -> None:
        """Close the session and delete its CA file."""
        if isinstance(self.session.verify, str):
            Path(self.session.verify).unlink(missing_ok=True)
        self.session.close()

    def _all[T: msgspec.Struct](
        self, path: str, kind: type[T], problems: list[str], where: str = "", *, named: bool = True
    ) -> list[T]:
        """Return a list. What cannot be read of an object adds a problem that names it; without `named`, one counts all."""
        found: list[T] = []
        unreadable = 0
        what = path.rpartition("/")[2]
        rows, missing = self._rows(path, where)
        problems += [f"Pexip's list of {what} {missing}"] if missing else []
        for thing in rows:
            one, odd = leniently(thing, kind)
            unreadable += bool(odd)
            if one is not None:
                found.append(one)
            if odd and named:
                problems.append(
                    f"Pexip's {what} {_name_of(thing)} cannot be read{'' if one is None else ' in full'}: {odd}"
                )
        if unreadable and not named:
            problems.append(f"{unreadable} of Pexip's {what} objects cannot be read in full")
        return found

    def _every[T](self, path: str, kind: type[T]) -> list[T]:
        """Return a complete list of rows as they should be, or raise PexipAnswerError: one that is missing hides a call."""
        rows, missing = self._rows(path)
        if missing:
            raise PexipAnswerError(f"Pexip's list of {path.rpartition('/')[2]} {missing}")
        try:
            return [msgspec.convert(thing, kind) for thing in rows]
        except (msgspec.ValidationError, RecursionError) as error:
            raise PexipAnswerError(f"An object of Pexip's {path.rpartition('/')[2]} cannot be read: {error}") from error

    def _rows(self, path: str, where: str = "") -> tuple[list[Any], str]:
        """Return all objects of a list, and what is missing; a list that changes while it is read is read once more."""
        for _ in range(2):
            rows: list[Any] = []
            told = 0
            address: str | None = f"{self.url}/api/admin/{path}/?limit={PAGE}{where}"
            for _ in range(MOST_PAGES):
                page = self._decode(answer := self._request("GET", path, address=address or ""), Page)
                rows += page.objects
                told = max(told, page.meta.total_count or 0)
                address = self._next(page.meta.next, answer, path)
                if address is None:
                    break
            else:
                raise PexipAnswerError(f"Pexip's list of {path.rpartition('/')[2]} has more than {MOST_PAGES} pages.")
            ids = [each["id"] for each in rows if isinstance(each, dict) and isinstance(each.get("id"), int | str)]
            whole = dict(zip(ids, rows, strict=True)) if len(ids) == len(rows) else None
            if len(rows) >= told and (whole is None or len(whole) == len(rows)):
                return rows, ""
        kept = list(whole.values()) if whole is not None else rows
        return kept, f"changes while it is read, or is cut short: {len(kept)} of {told} objects"

    def _next(self, told: str | None, answer: Answer, path: str) -> str | None:
        """Return the address of a list's next page; raise PexipAnswerError for one that is not of this list."""
        if not told:
            return None
        address = urljoin(answer.url, told)
        here, there = urlsplit(self.url), urlsplit(address)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc) or there.path != f"/api/admin/{path}/":
            raise PexipAnswerError(
                f"Pexip's list of {path.rpartition('/')[2]} continues at another address than its own: nothing was sent there. "
                f"Check that {self.url} is the Management Node, and what stands between."
            )
        return address

    def _one[T](self, path: str, kind: type[T]) -> T:
        return self._decode(self._request("GET", path), kind)

    def _count(self, resource: str, *, kind: str = "status", **where: str) -> int:
        answer = self._request("GET", f"{kind}/v1/{resource}", params={"limit": "1", **where})
        page = self._decode(answer, Page)
        counted = page.meta.total_count
        if counted is None or counted < len(page.objects):
            raise PexipAnswerError(f"{answer.url} does not say how many {resource} objects there are")
        return counted

    def _decode[T](self, answer: Answer, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            what = "a web page" if answer.body.lstrip()[:1] == b"<" else "something else"
            raise PexipAnswerError(
                f"{answer.url} answered with {what} instead of the Management API's JSON ({error}): check that "
                f"{self.url} is the Management Node, and not a proxy or a Conferencing Node."
            ) from error

    def _request(self, method: str, path: str, *, address: str = "", **more: Any) -> Answer:
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

    def _asked(self, method: str, path: str, *, address: str = "", **more: Any) -> Answer:
        address = address or f"{self.url}/api/admin/{path}/"
        self.calls[f"{method} {path}"] += 1
        answer = self._sent(method, address, auth=self.auth, **more)
        if answer.status == HTTPStatus.UNAUTHORIZED and isinstance(self.auth, BearerToken):
            self.auth.forget()  # a token can expire between two requests
            answer = self._sent(method, address, auth=self.auth, **more)
        return self._checked(answer)

    def _post_form(self, address: str, form: Mapping[str, str]) -> bytes:
        """Send a form without credentials of its own, as for a token; return the answer's body. Raise as a request does."""
        answer = self._sent("POST", address, data=form, is_timed=False)
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.TOO_MANY_REQUESTS:
            raise PexipDeniedError(f"{answer.status}, {answer.brief()}")
        return self._checked(answer).body

    def _sent(self, method: str, address: str, *, is_timed: bool = True, **more: Any) -> Answer:
        """Send one request, and read its answer to the end; the only place at which anything is sent to Pexip."""
        left = self._until - clock.stopwatch() if self._until else ANSWERS
        if left <= 0:
            raise PexipUnreachableError(self._too_slow())
        self.before_each()
        sent_at = clock.now()
        try:
            response = self.session.request(
                method,
                address,
                timeout=(CONNECTS, min(ANSWERS, max(1.0, left))),
                allow_redirects=False,
                stream=True,
                **more,
            )
            heard_at = clock.now()
            answer = self._read(response)
        except requests.exceptions.SSLError as error:
            raise PexipUnreachableError(
                f"No trusted connection to {self.url} ({_cause(error)}): renew the Management Node's certificate, or put "
                'the CA that signed it into the Pexip secret as "ca".'
            ) from error
        except requests.Timeout as error:
            raise PexipUnreachableError(self._too_slow()) from error
        except requests.RequestException as error:
            raise PexipUnreachableError(
                f"{self.url} cannot be reached ({_cause(error)}): check PexipUrl, the subnets and their security group."
            ) from error
        if is_timed:
            self._clocks.append(clock_off(response.headers.get("Date", ""), sent_at, heard_at))
        return answer

    def _read(self, response: requests.Response) -> Answer:
        """Read an answer to its end, as far as the question has time and bytes left."""
        body = bytearray()
        try:
            for chunk in response.iter_content(CHUNK):
                body += chunk
                if self._bytes + len(body) > MOST_BYTES:
                    raise PexipAnswerError(f"{self.url} sends more than {MOST_BYTES // 10**6} MB for one question.")
                if self._until and clock.stopwatch() > self._until:
                    raise PexipUnreachableError(self._too_slow())
        finally:
            response.close()
        self._bytes += len(body)
        method = response.request.method or ""
        return Answer(method, response.url, response.status_code, response.reason or "no reason", bytes(body))

    def _too_slow(self) -> str:
        return f"{self.url} does not answer in time: look at the Management Node's load and at the network between."

    def _checked(self, answer: Answer) -> Answer:
        status = answer.status
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise PexipDeniedError(
                f"Pexip refuses the credentials ({status}) for {answer.method} {answer.path}: check "
                "the Pexip secret and the role of that account."
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise PexipBusyError(
                "Pexip answers 429, too many requests: find what else polls the Management API so often."
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PexipBusyError(
                f"Pexip answers {status} ({answer.brief()}): look at the Management Node's support log."
            )
        unknown = status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
        raise (PexipUnknownError if unknown else PexipAnswerError)(
            f"Pexip answers {status} to {answer.method} {answer.path} ({answer.brief()}): "
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


def _name_of(thing: object) -> str:
    name = thing.get("name") or thing.get("id") if isinstance(thing, Mapping) else thing
    return repr(name)[:QUOTED]


def _cause(error: BaseException) -> str:
    """The innermost words of a chain of wrapped errors: they are what an operator can act on."""
    inner = error
    while (deeper := getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)) and isinstance(
        deeper, BaseException
    ):
        inner = deeper
    words = re.sub(r"^\[Errno -?\d+\] ", "", str(inner).rpartition(": ")[2])
    return words or type(inner).__name__
