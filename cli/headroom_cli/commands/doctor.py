"""`headroom doctor`: whether a site is as Pexip's guide and Headroom need it."""

import sys
from pathlib import Path

import click

from headroom_cli.options import json_option, stack_option

WRONG = 1  # exit code: something is an error


@click.command()
@click.option("--url", metavar="URL", help="The Management Node's address, before a stack is deployed.")
@click.option(
    "--tag-value", metavar="HOSTNAME", help="Its hostname, as Pexip shows it beside «tag value»; of --url by default."
)
@click.option(
    "--secret",
    "credentials",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with the Management API's credentials; the stack's secret by default.",
)
@click.option(
    "--facts",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what was seen, with names replaced, to a file.",
)
@json_option
@stack_option
def doctor(
    stack: str,
    url: str | None,
    tag_value: str | None,
    credentials: Path | None,
    facts: Path | None,
    *,
    wants_json: bool,
) -> None:
    """Look at everything that Pexip's guide and Headroom need, and say what to mend. Exit code 1: an error was found.

    With --url it needs no stack: run it before you deploy. It changes nothing, in Pexip or in AWS. The file of --facts may be
    sent to the maintainers: it says what this platform answers, without a name or an address.
    """
    from rich.console import Console

    from headroom.domain.doctor.checks import examine
    from headroom.domain.fleet.finding import Severity
    from headroom_cli.doctor import showing
    from headroom_cli.doctor.sites import before, deployed
    from headroom_cli.looking import as_json

    found = before(url, tag_value, credentials) if url else deployed(stack, credentials)
    findings = list(examine(found))
    if facts:
        facts.write_text(showing.facts_of(found, findings))
    if wants_json:
        click.echo(as_json(findings))
    else:
        Console().print(showing.page_of(findings))
    if any(each.severity is Severity.ERROR for each in findings):
        sys.exit(WRONG)
