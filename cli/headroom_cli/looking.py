"""Show the status: once, as JSON, or repeatedly."""

from collections.abc import Callable

import click
import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.people.status import Status, status_of
from headroom.domain.safety.permission import NOT_PLANNED_YET
from headroom_cli import waiting
from headroom_cli.stack import spoken

LOOKS_AGAIN = 5.0  # real seconds


def status_in(ledger: Ledger) -> Status:
    """Return the current status; raise ClickException if there is no plan yet."""
    now = clock.now()
    decision = ledger.decision_at(now)
    if decision is None:
        raise click.ClickException(NOT_PLANNED_YET)
    return status_of(decision.observation, decision.policy, decision.plan, ledger.commitments(now), now)


def as_json(value: object) -> str:
    """Write a value as docs/schemas describes it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def shown(
    ledger: Ledger,
    view: Callable[[Status], RenderableType],
    of_a_program: Callable[[Status], object],
    *,
    watch: bool,
    wants_json: bool,
) -> Status:
    """Print the status, repeatedly with `watch`; return it."""
    console = Console()
    with spoken():
        status = status_in(ledger)
        if wants_json:
            click.echo(as_json(of_a_program(status)))
            return status
        if not watch:
            console.print(view(status))
            return status
        with Live(view(status), console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                waiting.wait(LOOKS_AGAIN)
                live.update(view(status_in(ledger)), refresh=True)
