"""`headroom status`, `nodes`, `issues` and `history`: what is there, and what happened."""

import sys
from collections.abc import Callable
from datetime import date
from itertools import islice

import click
import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.people.status import Seen, Status, status_of
from headroom.domain.safety.permission import NOT_PLANNED_YET
from headroom_lab import showing
from headroom_lab.cli.stack import ledger_of, spoken, stack_option

LOOKS_AGAIN = 5.0  # seconds
SOMETHING = 3  # exit code: something is amiss with what is shown, not with the command

json_option = click.option("--json", "wants_json", is_flag=True, help="The same for a program (docs/schemas).")
watch_option = click.option("--watch", is_flag=True, help="Show it anew every five seconds, until Ctrl-C.")


def status_in(ledger: Ledger) -> Status:
    """Return what there is to see now; raise ClickException if nothing was ever planned."""
    now = clock.now()
    decision = ledger.decision_at(now)
    if decision is None:
        raise click.ClickException(NOT_PLANNED_YET)
    return status_of(decision.observation, decision.policy, decision.plan, ledger.commitments(now), now)


def as_json(value: object) -> str:
    """Write a value as docs/schemas describes it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def shown(ledger: Ledger, view: Callable[[Status], RenderableType], *, watch: bool) -> Status:
    """Print what there is to see, again and again if asked; return the last of it."""
    console = Console()
    with spoken():
        status = status_in(ledger)
        if not watch:
            console.print(view(status))
            return status
        with Live(view(status), console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                clock.sleep(LOOKS_AGAIN)
                live.update(view(status_in(ledger)), refresh=True)


def _json_of(ledger: Ledger) -> Status:
    with spoken():
        return status_in(ledger)


@click.command()
@watch_option
@json_option
@stack_option
def status(stack: str, *, watch: bool, wants_json: bool) -> None:
    """Show everything at a glance: load, nodes that are not off, promises, issues. Exit code 3 if the news is old."""
    ledger = ledger_of(stack)
    if wants_json:
        found = _json_of(ledger)
        click.echo(as_json(found))
    else:
        found = shown(ledger, showing.whole, watch=watch)
    sys.exit(SOMETHING if found.is_old else 0)


@click.command()
@click.option("--state", type=click.Choice([str(state) for state in NodeState]), help="Only nodes that are this.")
@watch_option
@json_option
@stack_option
def nodes(stack: str, state: str | None, *, watch: bool, wants_json: bool) -> None:
    """Show every overflow node: what it is, for how long, what is wanted of it and why."""
    ledger = ledger_of(stack)

    def chosen(found: Status) -> list[Seen]:
        return [node for node in found.nodes if state in {None, str(node.state)}]

    if wants_json:
        click.echo(as_json(chosen(_json_of(ledger))))
    else:
        shown(ledger, lambda found: showing.nodes_of(chosen(found), found.at), watch=watch)


@click.command()
@watch_option
@json_option
@stack_option
def issues(stack: str, *, watch: bool, wants_json: bool) -> None:
    """Show what an operator should know, with what to do about it. Exit code 3 if there is anything."""
    ledger = ledger_of(stack)
    if wants_json:
        found = _json_of(ledger)
        click.echo(as_json(found.issues))
    else:
        found = shown(ledger, lambda one: showing.issues_of(one) if one.issues else "No issues.", watch=watch)
    sys.exit(SOMETHING if found.issues else 0)


@click.command()
@click.option("--node", help="Only this node's.")
@click.option("--kind", help="Only what is called so, or begins so: instance, issue, promise missed, …")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The last day (UTC); today if left out.")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 400), help="So many days.")
@click.option("--newest", default=50, show_default=True, type=click.IntRange(1), help="At most this many events.")
@json_option
@stack_option
def history(
    stack: str, node: str | None, kind: str | None, day: date | None, days: int, newest: int, *, wants_json: bool
) -> None:
    """Show what happened, why, and who did it, the newest first."""
    ledger = ledger_of(stack)
    with spoken():
        decision = ledger.decision_at(clock.now())
        last = date(day.year, day.month, day.day) if day else clock.now().date()
        found = list(islice(ledger.history(last, days, node=node or "", kind=kind or ""), newest))
    if wants_json:
        click.echo(as_json(found))
    elif found:
        Console().print(showing.history_of(found, decision.policy.zone if decision else "UTC"))
    else:
        click.echo("Nothing happened that fits.")
