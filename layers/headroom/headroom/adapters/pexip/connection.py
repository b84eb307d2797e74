"""The connection to the Management Node, made from the credentials in the secret, which may change at any time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from aws_lambda_powertools.utilities.parameters import GetParameterError, SecretsProvider
from botocore.config import Config

from headroom.adapters.pexip.asking import ManagementNode
from headroom.adapters.pexip.credentials import Credentials
from headroom.adapters.pexip.errors import PexipDeniedError, PexipUnreachableError
from headroom.adapters.pexip.fetching import nothing

MAX_AGE = 300  # seconds a secret is kept before it is read again
QUICK = Config(
    retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=5
)  # ends before a function


class Address(Protocol):
    """Where the Management Node and its secret are."""

    @property
    def pexip_url(self) -> str:
        """Its address."""

    @property
    def pexip_secret_arn(self) -> str:
        """The secret with its credentials."""


@dataclass
class Connection[Node: ManagementNode = ManagementNode]:
    """Connects when first needed, and again when the secret changes; `kind` is what may be asked over it."""

    settings: Address
    # Of Connection without a parameter Node is ManagementNode: mypy does not compare a field's default with that
    kind: type[Node] = ManagementNode  # type: ignore[assignment]
    secret: str = ""
    client: Node | None = None

    def __post_init__(self) -> None:
        """Keep one provider, so that its cache is kept."""
        self.provider = SecretsProvider(boto_config=QUICK)

    @contextmanager
    def node(self, before_each: Callable[[], object] = nothing) -> Iterator[Node]:
        """Yield the connected Management Node, which reads the secret again if Pexip refuses its credentials.

        `before_each` is told before each request, which may take seconds.
        Raise PexipDeniedError for a secret without usable credentials, PexipUnreachableError if it cannot be read.
        """
        secret = self._read()
        if self.client is None or secret != self.secret:
            self.close()
            self.secret = secret
            self.client = self.kind(self.settings.pexip_url, self._parsed(secret), self._reread)
        self.client.before_each = before_each
        yield self.client

    def close(self) -> None:
        """Leave no connection open."""
        if self.client:
            self.client.close()

    def _parsed(self, secret: str) -> Credentials:
        try:
            return Credentials.parse(secret)
        except PexipDeniedError:
            return self._reread()  # what was kept may have been put right since

    def _reread(self) -> Credentials:
        self.secret = self._read(force_fetch=True)
        return Credentials.parse(self.secret)

    def _read(self, *, force_fetch: bool = False) -> str:
        try:
            found = self.provider.get(self.settings.pexip_secret_arn, max_age=MAX_AGE, force_fetch=force_fetch)
        except GetParameterError as error:
            raise PexipUnreachableError(
                f"The Pexip secret cannot be read ({error}): in a VPC this needs a NAT gateway, or the endpoint "
                "that CreateSecretsEndpoint creates."
            ) from error
        return found if isinstance(found, str) else ""
