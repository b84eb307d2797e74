"""OAuth2 at the Management Node: client credentials with a signed assertion (ES256)."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import requests

from headroom import clock
from headroom.adapters.pexip.credentials import CLIENTS, Credentials
from headroom.adapters.pexip.errors import PexipAnswerError, PexipDeniedError

SCOPE = "is_admin use_api"
EARLY = timedelta(minutes=5)  # before its end a token is not used any more
SHORTEST, LONGEST, USUAL = timedelta(minutes=1), timedelta(hours=1), timedelta(hours=1)
MOST = 8_192  # characters of a token


class BearerToken(requests.auth.AuthBase):
    """A token for an hour at the most, fetched when it is needed; `post` sends a form, and returns the body of an answer 2xx."""

    def __init__(self, url: str, credentials: Credentials, post: Callable[..., bytes]) -> None:
        self.url = f"{url}/oauth/token/"
        self.credentials = credentials
        self.post = post
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
        """Ask for a new token; raise PexipDeniedError if the client is refused, PexipAnswerError if none is in the answer."""
        now = clock.now()
        audience = self.credentials.audience or self.url
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self._assertion(audience, now),
            "scope": SCOPE,
        }
        try:
            body = self.post(self.url, form)
        except PexipDeniedError as error:
            raise PexipDeniedError(
                f"Pexip gives OAuth2 client {self.credentials.client_id} no token ({error}): check the client under {CLIENTS}, "
                f"and the audience {audience}."
            ) from error
        self.token, lasts = _read(body, self.url)
        self.until = now + lasts - min(EARLY, lasts / 2)

    def _assertion(self, audience: str, now: datetime) -> str:
        import jwt  # noqa: PLC0415 - half of a cold start, and only OAuth2 needs it

        claims = {
            "iss": self.credentials.client_id,
            "sub": self.credentials.client_id,
            "aud": audience,
            "iat": now,
            "exp": now + timedelta(minutes=5),
            "jti": uuid.uuid4().hex,
        }
        try:
            return jwt.encode(claims, self.credentials.private_key, algorithm="ES256")
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise PexipDeniedError(
                f"The private_key in the Pexip secret cannot be used ({error}): it must be the EC key (ES256) of the client "
                f"under {CLIENTS}."
            ) from error


def _read(body: bytes, url: str) -> tuple[str, timedelta]:
    """Return the token of an answer, and how long it may be used."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        found = None
    token = found.get("access_token") if isinstance(found, dict) else None
    is_token = isinstance(token, str) and 0 < len(token) <= MOST and re.fullmatch(r"[!-~]+", token)
    if not is_token:  # and it is not quoted: it may be half of one
        raise PexipAnswerError(
            f"{url} answers the request for a token with something else: check that this is the Management Node."
        )
    return str(token), _lifetime(found.get("expires_in"))


def _lifetime(told: object) -> timedelta:
    """Return how long a token lasts: what the answer says where that makes sense, and an hour at the most."""
    try:
        seconds = (
            float(told) if isinstance(told, int | float | str) and not isinstance(told, bool) else USUAL.total_seconds()
        )
    except (ValueError, OverflowError):
        return USUAL
    if not SHORTEST.total_seconds() <= seconds <= LONGEST.total_seconds():  # nor is a figure that is none
        return SHORTEST if seconds < SHORTEST.total_seconds() else USUAL
    return timedelta(seconds=seconds)
