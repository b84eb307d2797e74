"""`headroom start`, `hold`, `release`, `open`, `close`, `pause` and `resume`: what people ask Headroom to do."""

import sys
from collections.abc import Callable
from datetime import datetime
from functools import wraps
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
from headroom_lab import showing
from headroom_lab.cli.show import as_json, json_option, status_in
from headroom_lab.cli.stack import Deployed, identity, spoken, stack_of, stack_option

LOOKS_AGAIN = 2.0  # seconds
MISSED = 3  # exit code: it was begun, and did not come in time

reason_option = click.option("--reason", default="", help="Why: others will read it.")


def _when(ledger: Ledger, text: str | None) -> datetime | None:
    """Read a time of day in the site's zone, the next one of that name, or a whole time."""
    if text is None:
        return None
    decision = ledger.decision_at(clock.now())
    when = next_time_of(text, decision.policy.zone if decision else "UTC", clock.now())
    if when is None:
        raise click.UsageError(f"{text} is no time: write 14:00, or 2026-03-02T14:00.")
    return when


def ordered(deployed: Deployed, order: Order) -> Done:
    """Have it carried out; raise ClickException with what to change if it cannot be."""
    with spoken():
        try:
            return deployed.operator().carry_out(order, identity())
        except BadRequestError as error:
            raise click.ClickException(str(error)) from error


def _told(done: Done, *, wants_json: bool) -> None:
    click.echo(as_json(done) if wants_json else f"{done.sentence}.")


def _capacity(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which capacity, and until when."""

    @wraps(command)
    def with_options(**given: Any) -> None:
        command(**given)

    wrapped: Callable[..., None] = with_options
    for option in (
        stack_option,
        json_option,
        reason_option,
        click.option(
            "--until", metavar="TIME", help="Kept until then: 14:00, or 2026-03-02T14:00, in the site's time."
        ),
        click.option("--ready-by", metavar="TIME", help="Serving by then; ten minutes from now if left out."),
        click.option("--location", "locations", multiple=True, help="Only of this overflow location."),
        click.option("--count", type=click.IntRange(1), help="So many nodes, whichever they are."),
        click.argument("nodes", nargs=-1),
    ):
        wrapped = option(wrapped)
    return wrapped


def _promised(deployed: Deployed, do: Do, given: dict[str, Any]) -> Done:
    if not given["nodes"] and given["count"] is None and not given["locations"]:
        raise click.UsageError("Say which: names of nodes, --count, or --location.")
    with spoken():
        ready_by, until = (_when(deployed.ledger, given[name]) for name in ("ready_by", "until"))
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


@click.command()
@_capacity
@click.option("--no-wait", is_flag=True, help="Return at once instead of showing each node boot, as --json does.")
def start(*, stack: str, wants_json: bool, no_wait: bool, **given: Any) -> None:
    """Start nodes, by name or by number, and keep them. Exit code 3 if not all of them served in time."""
    deployed = stack_of(stack)
    done = _promised(deployed, Do.START, given)
    if no_wait or wants_json:
        _told(done, wants_json=wants_json)
        return
    click.echo(f"{done.sentence}.")
    with spoken():
        missed = _shown_booting(deployed, done.executions[0], set(given["nodes"]))
    if missed:
        click.echo(missed, err=True)
        sys.exit(MISSED)


def _shown_booting(deployed: Deployed, execution: str, names: set[str]) -> str:
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
                    clock.sleep(LOOKS_AGAIN)
                case "SUCCEEDED":
                    ready = msgspec.json.decode(found["output"]).get("ready") or []
                    console.print(f"Serving: {', '.join(ready)}." if ready else "Promised; nobody watches it here.")
                    return ""
                case _:
                    return str(found.get("cause") or found["status"])


@click.command()
@_capacity
def hold(*, stack: str, wants_json: bool, **given: Any) -> None:
    """Promise capacity until a time: named nodes, or so many; what is missing is started."""
    _told(_promised(stack_of(stack), Do.HOLD, given), wants_json=wants_json)


@click.command()
@click.argument("what", metavar="HOLD|NODE")
@json_option
@stack_option
def release(what: str, stack: str, *, wants_json: bool) -> None:
    """End a promise before its time: by its name as `headroom status` shows it, or that of a node it holds."""
    deployed = stack_of(stack)
    with spoken():
        is_hold = deployed.ledger.hold(what) is not None
    order = Order(do=Do.RELEASE, hold=what) if is_hold else Order(do=Do.RELEASE, nodes=(what,))
    _told(ordered(deployed, order), wants_json=wants_json)


@click.command("open")
@click.argument("nodes", nargs=-1, required=True)
@reason_option
@json_option
@stack_option
def open_(nodes: tuple[str, ...], reason: str, stack: str, *, wants_json: bool) -> None:
    """Open nodes that Headroom has closed, so that they take calls again."""
    _told(ordered(stack_of(stack), Order(do=Do.OPEN, nodes=nodes, reason=reason)), wants_json=wants_json)


@click.command()
@click.argument("nodes", nargs=-1, required=True)
@reason_option
@json_option
@stack_option
def close(nodes: tuple[str, ...], reason: str, stack: str, *, wants_json: bool) -> None:
    """Close nodes: calls on them go on, no new ones come. Once empty they are stopped unless they are needed."""
    _told(ordered(stack_of(stack), Order(do=Do.CLOSE, nodes=nodes, reason=reason)), wants_json=wants_json)


@click.command()
@click.argument("reason")
@click.option(
    "--stops-only", is_flag=True, help="Nothing is closed or stopped; nodes are started and opened as before."
)
@json_option
@stack_option
def pause(reason: str, stack: str, *, stops_only: bool, wants_json: bool) -> None:
    """Hold Headroom still, and say why: it opens what it has closed, turns retirements round, and changes nothing more."""
    order = Order(do=Do.PAUSE, reason=reason, stops_only=stops_only)
    _told(ordered(stack_of(stack), order), wants_json=wants_json)


@click.command()
@json_option
@stack_option
def resume(stack: str, *, wants_json: bool) -> None:
    """End a pause."""
    _told(ordered(stack_of(stack), Order(do=Do.RESUME)), wants_json=wants_json)
