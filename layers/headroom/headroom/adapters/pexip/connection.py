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
        """Keep one provider, and with it its cache."""
        self.provider = SecretsProvider()

    @contextmanager
    def node(self) -> Iterator[ManagementNode]:
        """Lend the Management Node; where it denies the credentials, the secret is read again the next time.

        Raise PexipDeniedError for a useless secret, PexipUnreachableError for one that cannot be read.
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
                f"The Pexip secret cannot be read ({error}): in a VPC it needs a NAT, or the endpoint that "
                "CreateSecretsEndpoint makes."
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
