"""The Management Node's client, made from the credentials in the secret, which may change at any time."""

from dataclasses import dataclass

from aws_lambda_powertools.utilities.parameters import GetParameterError, SecretsProvider

from headroom.adapters.pexip import Credentials, ManagementNode, PexipUnreachableError
from headroom.settings import Settings

MAX_AGE = 300  # seconds a secret is kept before it is read again


@dataclass
class Pexip:
    """A Management Node, connected when first needed and again when its secret changes."""

    settings: Settings
    secret: str = ""
    node: ManagementNode | None = None
    stale: bool = False

    def __post_init__(self) -> None:
        """Keep one provider, and with it its cache."""
        self.provider = SecretsProvider()

    def forget(self) -> None:
        """Read the secret again next time: its credentials were refused, and may have been replaced."""
        self.stale = True

    def connect(self) -> ManagementNode:
        """Return the client; raise PexipRefusedError for a useless secret."""
        try:
            found = self.provider.get(self.settings.pexip_secret_arn, max_age=MAX_AGE, force_fetch=self.stale)
        except GetParameterError as error:
            raise PexipUnreachableError(
                f"The Pexip secret cannot be read ({error}): in a VPC it needs a NAT, or the endpoint that "
                "CreateSecretsEndpoint makes."
            ) from error
        self.stale = False
        secret = found if isinstance(found, str) else ""
        if self.node is None or secret != self.secret:
            if self.node:
                self.node.close()
            self.secret, self.node = (
                secret,
                ManagementNode(self.settings.pexip_url, Credentials.parse(secret)),
            )
        return self.node
