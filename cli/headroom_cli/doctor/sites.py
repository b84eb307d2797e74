"""Which site the doctor looks at: one where a stack is deployed, or one before that."""

from pathlib import Path
from urllib.parse import urlsplit

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from headroom import clock
from headroom.adapters.pexip.credentials import Credentials
from headroom.adapters.pexip.errors import PexipDeniedError
from headroom.domain.doctor.facts import Facts
from headroom.domain.policy import Policy
from headroom.usecases.examine import peaks_of
from headroom_cli.doctor.gathering import gathered
from headroom_cli.installing.manager import ADDRESS
from headroom_cli.stack import Deployed, spoken, stack_of


def before(url: str, tag_value: str | None, credentials: Path | None) -> Facts:
    """Look at a site that has no stack yet."""
    if not ADDRESS.fullmatch(url):
        raise click.UsageError("--url is the Management Node's address, as https://manager.example.com.")
    host = urlsplit(url).hostname or ""
    with spoken():
        return gathered(
            stack="",
            tag_value=tag_value or host,
            url=url,
            credentials=_from_file(credentials) if credentials else None,
            parameters=None,
            policy=Policy(),
        )


def deployed(stack: str, credentials: Path | None) -> Facts:
    """Look at the site of a deployed stack, with the settings and the load of its newest plan."""
    there = stack_of(stack)
    with spoken():
        newest = there.ledger.decision_at(clock.now())
        return gathered(
            stack=there.name,
            tag_value=there.parameters["TagValue"],
            url=there.parameters["PexipUrl"],
            credentials=_from_file(credentials) if credentials else _from_stack(there),
            parameters=there.parameters,
            policy=newest.policy if newest else Policy(mode=there.mode),
            peaks=lambda: peaks_of(there.ledger.profiles()),
        )


def _from_file(path: Path) -> Credentials:
    try:
        return Credentials.parse(path.read_text())
    except (OSError, UnicodeError, PexipDeniedError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _from_stack(there: Deployed) -> Credentials | None:
    """Return what the stack's secret holds; None for who may not read it, and for a secret without credentials."""
    try:
        said = boto3.client("secretsmanager").get_secret_value(SecretId=there.outputs["PexipCredentials"])[
            "SecretString"
        ]
        return Credentials.parse(said)
    except (ClientError, BotoCoreError, PexipDeniedError, KeyError):
        return None
