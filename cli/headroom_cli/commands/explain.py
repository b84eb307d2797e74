"""`headroom why`, `verify` and `replay-decision`: what the ledger says, and whether it can be believed."""

import sys
from collections.abc import Iterable
from datetime import date

import click

from headroom_cli.options import stack_option


def _say(lines: Iterable[str]) -> None:
    from headroom_cli.saying import say

    for line in lines:
        say(line)


@click.command()
@click.argument("what", metavar="NODE|TIME")
@stack_option
def why(what: str, stack: str) -> None:
    """Explain a node, or the plan that was in force at a time: 8:55, or 2026-03-02T08:55, in the site's time zone."""
    from headroom import clock
    from headroom_cli import explaining
    from headroom_cli.stack import ledger_of, spoken

    ledger = ledger_of(stack)
    with spoken():
        if explaining.is_time(ledger, what):
            for decision in explaining.decisions_of(ledger, what):
                _say(explaining.why_at(decision))
            return
        try:
            _say(explaining.why_node(ledger, what, explaining.zone_of(ledger), clock.now()))
        except explaining.UnknownError as error:
            raise click.ClickException(str(error)) from error


@click.command("replay-decision")
@click.argument("time")
@stack_option
def replay_decision(time: str, stack: str) -> None:
    """Make the plan that was in force at TIME again, from its own inputs, and compare the two bit for bit."""
    from headroom_cli import explaining
    from headroom_cli.stack import ledger_of, spoken

    ledger = ledger_of(stack)
    with spoken():
        remade = explaining.make_again(explaining.decision_of(ledger, time))
    _say(remade.sentences)
    if not remade.is_same:
        sys.exit(1)


@click.command()
@stack_option
@click.option(
    "--head", "heads", multiple=True, metavar="DAY=DIGEST", help="A digest that was published, as its message shows it."
)
def verify(stack: str, heads: tuple[str, ...]) -> None:
    """Check that no plan in the ledger was changed or removed, as far back as plans are kept.

    Each day's last plan is published to the topic in the stack's output Heads, and to the log. With --head the ledger is
    compared with what was published: this finds a ledger that somebody rewrote as a whole.
    """
    from headroom import clock
    from headroom_cli import explaining
    from headroom_cli.stack import ledger_of, spoken

    published = dict(_published(head) for head in heads)
    ledger = ledger_of(stack)
    with spoken():
        found = explaining.verify(ledger, clock.now(), published)
    _say([found.sentence, *found.wrong])
    if found.wrong:
        sys.exit(1)
    click.echo("Nothing was changed or removed.")


def _published(text: str) -> tuple[date, str]:
    day, _, digest = text.partition("=")
    try:
        return date.fromisoformat(day), digest
    except ValueError as error:
        raise click.UsageError(f"{text} is not a head: write 2026-03-02=…, as the message shows it.") from error
