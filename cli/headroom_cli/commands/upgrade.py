"""`headroom upgrade`: through an upgrade of the platform."""

import click

from headroom_cli.options import stack_option


@click.command()
@click.option("--until", metavar="TIME", help="Until when the nodes are kept on at most; by default for four hours.")
@click.option("--anyway", is_flag=True, help="Go on although some nodes do not serve.")
@stack_option
def upgrade(until: str | None, stack: str, *, anyway: bool) -> None:
    """Before an upgrade of Pexip: start and open all overflow nodes, hold still, and wait until all have the new version.

    A node that is off is not upgraded. Given again, for instance after the terminal was closed, it goes on where it was.
    """
    from headroom_cli import upgrading
    from headroom_cli.stack import stack_of

    upgrading.upgrade(stack_of(stack), until, anyway=anyway)
