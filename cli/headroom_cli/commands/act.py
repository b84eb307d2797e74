"""`headroom start`, `hold`, `expect`, `release`, `open`, `close`, `pause` and `resume`: what people ask Headroom to do."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from headroom_cli.options import json_option, stack_option

MISSED = 3  # exit code: the nodes were started, but not all served in time

reason_option = click.option("--reason", default="", help="The reason; other operators will read it.")


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
        click.option("--until", metavar="TIME", help="Until the next 14:00, or 2026-03-02T14:00 (site's zone)."),
        click.option("--ready-by", metavar="TIME", help="When the nodes are to be ready; by default in ten minutes."),
        click.option("--location", "locations", multiple=True, help="Only nodes of this overflow location."),
        click.option("--all", "every", is_flag=True, help="Every overflow node that can be had."),
        click.option("--count", type=click.IntRange(1), help="How many nodes; Headroom chooses which."),
        click.argument("nodes", nargs=-1),
    ):
        wrapped = option(wrapped)
    return wrapped


@click.command()
@_capacity
@click.option("--no-wait", is_flag=True, help="Return at once, as --json does, instead of showing each node boot.")
def start(*, stack: str, wants_json: bool, no_wait: bool, **given: Any) -> None:
    """Start the named nodes, as many as --count says, or --all, and keep them on. Exit code 3: not all served in time."""
    from headroom.domain.people.orders import Do
    from headroom_cli import acting
    from headroom_cli.saying import say
    from headroom_cli.stack import spoken, stack_of

    deployed = stack_of(stack)
    done = acting.promised(deployed, Do.START, given)
    if no_wait or wants_json:
        acting.told(done, wants_json=wants_json)
        return
    say(f"{done.sentence}.")
    with spoken():
        missed = acting.shown_booting(deployed, done.executions[0], set(given["nodes"]))
    if missed:
        say(missed, err=True)
        sys.exit(MISSED)


@click.command()
@_capacity
def hold(*, stack: str, wants_json: bool, **given: Any) -> None:
    """Promise capacity until a time: named nodes, a number of them, or all. Headroom starts those that are missing."""
    from headroom.domain.people.orders import Do
    from headroom_cli import acting
    from headroom_cli.stack import stack_of

    acting.told(acting.promised(stack_of(stack), Do.HOLD, given), wants_json=wants_json)


@click.command()
@click.argument("what", metavar="HOLD|NODE")
@json_option
@stack_option
def release(what: str, stack: str, *, wants_json: bool) -> None:
    """End a promise before its time: by its name as `headroom status` shows it, or by a node that it holds."""
    from headroom import clock
    from headroom.domain.people.orders import Do
    from headroom.usecases.order import Order
    from headroom_cli import acting
    from headroom_cli.stack import spoken, stack_of

    deployed = stack_of(stack)
    with spoken():
        held, unread = deployed.ledger.holds_and_unread(clock.now())
        is_hold = what in {hold.id for hold in held} | {each.name for each in unread}
    order = Order(do=Do.RELEASE, hold=what) if is_hold else Order(do=Do.RELEASE, nodes=(what,))
    acting.told(acting.ordered(deployed, order), wants_json=wants_json)


@click.command()
@click.argument("hd", type=click.IntRange(1), metavar="HD")
@click.option(
    "--at", "ready_by", metavar="TIME", help="When they come: the next 10:00, or 2026-03-05T10:00 (site's zone)."
)
@click.option("--until", metavar="TIME", help="Until when they stay; by default an hour.")
@click.option("--location", "locations", multiple=True, help="The principal location; not needed if there is only one.")
@reason_option
@json_option
@stack_option
def expect(hd: int, stack: str, *, wants_json: bool, **given: Any) -> None:
    """Say that so many HD connections more than usual will come: the forecast counts them, beside all that is learned."""
    from headroom_cli import acting
    from headroom_cli.stack import stack_of

    acting.told(acting.expected(stack_of(stack), hd, given), wants_json=wants_json)


@click.command("take-out")
@click.argument("nodes", nargs=-1, required=True)
@reason_option
@json_option
@stack_option
def take_out(nodes: tuple[str, ...], reason: str, stack: str, *, wants_json: bool) -> None:
    """Take nodes out, for instance to repair them: closed, emptied, stopped, and off until they are put back.

    Other nodes are started in their place first, if they are needed. No call is cut.
    """
    _order("TAKE_OUT", stack, wants_json, nodes=nodes, reason=reason)


@click.command()
@click.argument("nodes", nargs=-1, required=True)
@json_option
@stack_option
def reinstate(nodes: tuple[str, ...], stack: str, *, wants_json: bool) -> None:
    """Put nodes back that were taken out: they are started when they are needed."""
    _order("REINSTATE", stack, wants_json, nodes=nodes)


@click.command("open")
@click.argument("nodes", nargs=-1, required=True)
@reason_option
@json_option
@stack_option
def open_(nodes: tuple[str, ...], reason: str, stack: str, *, wants_json: bool) -> None:
    """Open nodes that Headroom has closed, so that they take calls again."""
    _order("OPEN", stack, wants_json, nodes=nodes, reason=reason)


@click.command()
@click.argument("nodes", nargs=-1, required=True)
@reason_option
@json_option
@stack_option
def close(nodes: tuple[str, ...], reason: str, stack: str, *, wants_json: bool) -> None:
    """Close nodes: their calls go on, no new ones come. An empty node that is not needed is then stopped."""
    _order("CLOSE", stack, wants_json, nodes=nodes, reason=reason)


@click.command()
@click.argument("reason")
@click.option(
    "--until", metavar="TIME", help="When it ends by itself: the next 14:00, or 2026-03-02T14:00 (site's zone)."
)
@click.option("--stops-only", is_flag=True, help="Close and stop nothing, but still start and open nodes.")
@json_option
@stack_option
def pause(reason: str, stack: str, *, until: str | None, stops_only: bool, wants_json: bool) -> None:
    """Pause Headroom, with a reason: it opens the nodes that it has closed, and then changes nothing."""
    from headroom_cli import acting
    from headroom_cli.stack import stack_of

    acting.told(acting.paused(stack_of(stack), reason, until, stops_only=stops_only), wants_json=wants_json)


@click.command()
@json_option
@stack_option
def resume(stack: str, *, wants_json: bool) -> None:
    """End a pause."""
    _order("RESUME", stack, wants_json)


def _order(do: str, stack: str, wants_json: bool, **given: Any) -> None:
    from headroom.domain.people.orders import Do
    from headroom.usecases.order import Order
    from headroom_cli import acting
    from headroom_cli.stack import stack_of

    acting.told(acting.ordered(stack_of(stack), Order(do=Do[do], **given)), wants_json=wants_json)
