"""`headroom why`, `verify` and `replay-decision`: what the ledger says, and whether it can be believed."""

import sys
from collections.abc import Iterable
from datetime import date

import click

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.history import kept
from headroom.domain.history.record import Decision
from headroom.widgets.words import time_of
from headroom_lab import explaining
from headroom_lab.cli.stack import ledger_of, spoken, stack_option


def _zone(ledger: Ledger) -> str:
    newest = ledger.decision_at(clock.now())
    return newest.policy.zone if newest else "UTC"


def _decision(ledger: Ledger, text: str) -> Decision:
    when = time_of(text, _zone(ledger), clock.now())
    if when is None:
        raise click.UsageError(f"{text} is no time: write 8:55 for today, or 2026-03-02T08:55.")
    decision = ledger.decision_at(when)
    if decision is None:
        raise click.ClickException(f"There is no plan as old as {text}: plans are kept for {kept.PLANS.days} days.")
    return decision


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


@click.command()
@click.argument("what", metavar="NODE|TIME")
@stack_option
def why(what: str, stack: str) -> None:
    """Explain a node, or the plan that was in force at a time: 8:55, or 2026-03-02T08:55, in the site's own time."""
    ledger = ledger_of(stack)
    with spoken():
        zone = _zone(ledger)
        if time_of(what, zone, clock.now()) is not None:
            _say(explaining.why_at(_decision(ledger, what)))
            return
        try:
            _say(explaining.why_node(ledger, what, zone, clock.now()))
        except explaining.UnknownError as error:
            raise click.ClickException(str(error)) from error


@click.command("replay-decision")
@click.argument("time")
@stack_option
def replay_decision(time: str, stack: str) -> None:
    """Make the plan that was in force at TIME again, from what it was made from, and compare the two bit for bit."""
    ledger = ledger_of(stack)
    with spoken():
        remade = explaining.make_again(_decision(ledger, time))
    _say(remade.sentences)
    if not remade.is_same:
        sys.exit(1)


@click.command()
@stack_option
@click.option(
    "--head", "heads", multiple=True, metavar="DAY=DIGEST", help="A head that was published, as its message shows it."
)
def verify(stack: str, heads: tuple[str, ...]) -> None:
    """Examine the whole ledger: that no plan was changed or taken out, as far back as plans are kept.

    Each day's last plan is published to the topic in the stack's output Heads, and to the log; with --head what is in the
    ledger is compared with what was published, which finds a ledger that was written anew altogether.
    """
    published = dict(_published(head) for head in heads)
    ledger = ledger_of(stack)
    with spoken():
        found = explaining.verify(ledger, clock.now(), published)
    click.echo(found.sentence)
    _say(found.wrong)
    if found.wrong:
        sys.exit(1)
    click.echo("All of it is as it was written.")


def _published(text: str) -> tuple[date, str]:
    day, _, digest = text.partition("=")
    try:
        return date.fromisoformat(day), digest
    except ValueError as error:
        raise click.UsageError(f"{text} is no head: write 2026-03-02=… as the message shows it.") from error
