"""Ask for the Management API's credentials, without showing them, and put them into the stack's secret."""

from pathlib import Path

import boto3
import click
import msgspec
from botocore.exceptions import ClientError

from headroom.adapters.pexip.credentials import CLIENTS, Credentials
from headroom.adapters.pexip.errors import PexipDeniedError
from headroom_cli.saying import say

RIGHTS = (
    "It must be able to read status, history and configuration, and to change Conferencing Nodes (maintenance mode)."
)
STEPS = f"""In Pexip's administrator interface:
  {CLIENTS} > Add OAuth2 client, with a role that may use the Management API. Pexip shows the private key once: save it to a file.
  {RIGHTS}"""


def is_empty(arn: str) -> bool:
    """Whether nobody has put credentials there yet; a secret that this person may not read is taken for a full one."""
    try:
        said = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except ClientError:
        return False
    return said.strip() in {"", "{}"}


def put(arn: str, credentials: dict[str, str]) -> None:
    """Put credentials into the secret."""
    boto3.client("secretsmanager").put_secret_value(
        SecretId=arn, SecretString=msgspec.json.encode(credentials).decode()
    )


def read(path: Path) -> dict[str, str]:
    """Read them from a JSON file as the secret holds it; raise ClickException for one that cannot be used."""
    try:
        text = path.read_text()
        Credentials.parse(text)
        return dict(msgspec.json.decode(text.lstrip("\ufeff").strip()))
    except (OSError, UnicodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from error
    except PexipDeniedError as error:
        raise click.ClickException(f"{path}: {error}") from error


def ask(ca: str = "") -> dict[str, str]:
    """Ask for an OAuth2 client's id and key, or a username and password, until they can be used."""
    say(STEPS)
    while True:
        given = _asked() | ({"ca": ca} if ca else {})
        try:
            Credentials.parse(msgspec.json.encode(given).decode())
        except PexipDeniedError as error:
            say(str(error))
        else:
            return given


def _asked() -> dict[str, str]:
    client = click.prompt("  OAuth2 client ID (empty for a username and password)", default="", show_default=False)
    if not client:
        return {"username": click.prompt("  Username"), "password": click.prompt("  Password", hide_input=True)}
    key = click.prompt("  File with its private key", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    return {"client_id": client, "private_key": key.read_text()}
