"""Carry out what people ask for, and show the result."""

from datetime import datetime
from typing import Any

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.people.orders import Do
from headroom.domain.planning.promises import BadRequestError
from headroom.usecases.order import Done, Order
from headroom.widgets.words import next_time_of
from headroom_cli import showing, waiting
from headroom_cli.looking import as_json, status_in
from headroom_cli.saying import say
from headroom_cli.stack import Deployed, spoken

LOOKS_AGAIN = 2.0  # real seconds


def _when(ledger: Ledger, text: str | None, after: datetime) -> datetime | None:
    """Read a time of day in the site's zone, the next one after a moment, or a whole time."""
    if text is None:
        return None
    decision = ledger.decision_at(clock.now())
    when = next_time_of(text, decision.policy.zone if decision else "UTC", after)
    if when is None:
        raise click.UsageError(f"{text} is not a time: write 14:00, or 2026-03-02T14:00.")
    return when


def ordered(deployed: Deployed, order: Order) -> Done:
    """Carry out an order; if it is refused, raise ClickException, which says what to change."""
    with spoken():
        try:
            return deployed.operator().carry_out(order, deployed.who())
        except BadRequestError as error:
            raise click.ClickException(str(error)) from error


def told(done: Done, *, wants_json: bool) -> None:
    """Print what was done."""
    if wants_json:
        click.echo(as_json(done))
    else:
        say(f"{done.sentence}.")


def promised(deployed: Deployed, do: Do, given: dict[str, Any]) -> Done:
    """Promise the capacity that a command's options describe."""
    chosen = bool(given["nodes"]) or given["count"] is not None
    if given["every"] and chosen:
        raise click.UsageError("Give --all, or name the nodes, or give --count: only one of them.")
    if not (given["every"] or chosen or given["locations"]):
        raise click.UsageError("Name the nodes, or give --all, --count or --location.")
    with spoken():
        now = clock.now()
        ready_by = _when(deployed.ledger, given["ready_by"], now)
        until = _when(deployed.ledger, given["until"], ready_by or now)
    return ordered(
        deployed,
        Order(
            do=do,
            nodes=tuple(given["nodes"]),
            count=given["count"],
            locations=tuple(given["locations"]),
            reason=given["reason"],
            ready_by=ready_by,
            until=until,
        ),
    )


def expected(deployed: Deployed, hd: int, given: dict[str, Any]) -> Done:
    """Write down what a command's options say will come."""
    with spoken():
        now = clock.now()
        ready_by = _when(deployed.ledger, given["ready_by"], now)
        until = _when(deployed.ledger, given["until"], ready_by or now)
    places = tuple(given["locations"])
    order = Order(do=Do.EXPECT, hd=hd, locations=places, reason=given["reason"], ready_by=ready_by, until=until)
    return ordered(deployed, order)


def paused(deployed: Deployed, reason: str, until: str | None, *, stops_only: bool) -> Done:
    """Pause, as a command's options say."""
    with spoken():
        ends = _when(deployed.ledger, until, clock.now())
    return ordered(deployed, Order(do=Do.PAUSE, reason=reason, until=ends, stops_only=stops_only))


def shown_booting(deployed: Deployed, execution: str, names: set[str]) -> str:
    """Show the nodes until the promise is kept or missed; return what is missing."""
    states, console = deployed.operator().states, Console()
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:
        while True:
            status = status_in(deployed.ledger)
            nodes = [node for node in status.nodes if node.name in names or (not names and node.workflow)]
            live.update(Group(showing.nodes_of(nodes, status.at)), refresh=True)
            found = states.describe_execution(executionArn=execution)
            match found["status"]:
                case "RUNNING":
                    waiting.wait(LOOKS_AGAIN)
                case "SUCCEEDED":
                    ready = msgspec.json.decode(found["output"]).get("ready") or []
                    say(f"Serving: {', '.join(ready)}." if ready else "Promised; not waiting for nodes.")
                    return ""
                case _:
                    return str(found.get("cause") or found["status"])
