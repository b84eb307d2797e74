"""`headroom hand-over` and `hand-back`: who may change what, switched with checks."""

import click

from headroom_cli.options import stack_option


@click.command("hand-over")
@stack_option
def hand_over(stack: str) -> None:
    """Hand the overflow nodes over from Pexip's own bursting to Headroom.

    It checks that nodes and instances match, deploys with Mode=control, says when to disable Pexip's bursting, and waits for it.
    """
    from headroom_cli import handing
    from headroom_cli.stack import stack_of

    handing.hand_over(stack_of(stack))


@click.command("hand-back")
@click.option(
    "--mode",
    type=click.Choice(["observe", "assist"]),
    default="observe",
    show_default=True,
    help="The stack's mode afterwards.",
)
@stack_option
def hand_back(mode: str, stack: str) -> None:
    """Hand the overflow nodes back to Pexip's own bursting, for instance before you delete the stack.

    It opens all nodes that Headroom closed, says when to enable Pexip's bursting, waits for it, and deploys with another mode.
    """
    from headroom.domain.policy import Mode
    from headroom_cli import handing
    from headroom_cli.stack import stack_of

    handing.hand_back(stack_of(stack), Mode(mode))
