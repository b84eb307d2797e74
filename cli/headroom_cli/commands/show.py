"""`headroom status`, `nodes`, `issues` and `history`: what is there, and what happened."""

import sys
from datetime import date

import click

from headroom_cli.options import json_option, stack_option

SOMETHING = 3  # exit code: what is shown needs attention; the command itself did not fail

watch_option = click.option("--watch", is_flag=True, help="Refresh every five seconds, until Ctrl-C.")


@click.command()
@watch_option
@json_option
@stack_option
def status(stack: str, *, watch: bool, wants_json: bool) -> None:
    """Show load, nodes that are not off, promises and issues. Exit code 3: the reading is old."""
    from headroom_cli import showing
    from headroom_cli.looking import shown
    from headroom_cli.stack import ledger_of

    found = shown(ledger_of(stack), showing.whole, lambda status: status, watch=watch, wants_json=wants_json)
    sys.exit(SOMETHING if found.is_old else 0)


@click.command()
@click.option("--state", metavar="STATE", help="Only nodes in this state: serving, closed, stopped, …")
@watch_option
@json_option
@stack_option
def nodes(stack: str, state: str | None, *, watch: bool, wants_json: bool) -> None:
    """Show every overflow node: its state, for how long, what Headroom wants of it and why."""
    from headroom.domain.fleet.fleet import NodeState
    from headroom.domain.people.status import Seen, Status
    from headroom_cli import showing
    from headroom_cli.looking import shown
    from headroom_cli.stack import ledger_of

    if state is not None and state not in {str(each) for each in NodeState}:
        raise click.UsageError(f"{state} is not a node state; the states are {', '.join(NodeState)}.")

    def chosen(found: Status) -> list[Seen]:
        return [node for node in found.nodes if state in {None, str(node.state)}]

    shown(
        ledger_of(stack),
        lambda found: showing.nodes_of(chosen(found), found.at),
        chosen,
        watch=watch,
        wants_json=wants_json,
    )


@click.command()
@watch_option
@json_option
@stack_option
def issues(stack: str, *, watch: bool, wants_json: bool) -> None:
    """Show what is wrong, with what to do about it. Exit code 3: there is an issue."""
    from headroom_cli import showing
    from headroom_cli.looking import shown
    from headroom_cli.stack import ledger_of

    found = shown(
        ledger_of(stack),
        lambda one: showing.issues_of(one) if one.issues else "No issues.",
        lambda one: one.issues,
        watch=watch,
        wants_json=wants_json,
    )
    sys.exit(SOMETHING if found.issues else 0)


@click.command()
@click.option("--node", help="Only events of this node.")
@click.option("--kind", help="Only events whose kind begins with this: instance, issue, promise missed, …")
@click.option("--day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="The last day (UTC); today by default.")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 400), help="How many days.")
@click.option("--newest", default=50, show_default=True, type=click.IntRange(1), help="At most this many events.")
@json_option
@stack_option
def history(
    stack: str, node: str | None, kind: str | None, day: date | None, days: int, newest: int, *, wants_json: bool
) -> None:
    """Show what happened, why, and who did it, the newest first."""
    from itertools import islice

    from rich.console import Console

    from headroom import clock
    from headroom_cli import showing
    from headroom_cli.looking import as_json
    from headroom_cli.stack import ledger_of, spoken

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
        click.echo("No matching events.")
