"""The connection to the Management Node, made from the credentials in the secret, which may change at any time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aws_lambda_powertools.utilities.parameters import GetParameterError, SecretsProvider

from headroom.adapters.pexip.asking import ManagementNode
from headroom.adapters.pexip.errors import PexipDeniedError, PexipUnreachableError
from headroom.adapters.pexip.fetching import Credentials
from headroom.settings import Settings

MAX_AGE = 300  # seconds a secret is kept before it is read again


@dataclass
class Connection:
    """Connects when first needed, and again when the secret changes."""

    settings: Settings
    secret: str = ""
    client: ManagementNode | None = None
    stale: bool = False

    def __post_init__(self) -> None:
        """Keep one provider, so that its cache is kept."""
        self.provider = SecretsProvider()

    @contextmanager
    def node(self) -> Iterator[ManagementNode]:
        """Yield the connected Management Node; if it denies the credentials, read the secret again next time.

        Raise PexipDeniedError for a secret without usable credentials, PexipUnreachableError if it cannot be read.
        """
        try:
            yield self._connected()
        except PexipDeniedError:
            self.stale = True  # they may have been replaced
            raise

    def close(self) -> None:
        """Leave no connection open."""
        if self.client:
            self.client.close()

    def _connected(self) -> ManagementNode:
        try:
            found = self.provider.get(self.settings.pexip_secret_arn, max_age=MAX_AGE, force_fetch=self.stale)
        except GetParameterError as error:
            raise PexipUnreachableError(
                f"The Pexip secret cannot be read ({error}): in a VPC this needs a NAT gateway, or the endpoint "
                "that CreateSecretsEndpoint creates."
            ) from error
        self.stale = False
        secret = found if isinstance(found, str) else ""
        if self.client is None or secret != self.secret:
            if self.client:
                self.client.close()
            self.secret, self.client = (
                secret,
                ManagementNode(self.settings.pexip_url, Credentials.parse(secret)),
            )
        return self.client
