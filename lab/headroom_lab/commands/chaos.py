"""`headroom chaos`: look for a schedule in which something goes wrong."""

import sys

import click


@click.command()
@click.option("--kernel", default=100_000, show_default=True, type=click.IntRange(0), help="Schedules of the model.")
@click.option(
    "--workflows", default=300, show_default=True, type=click.IntRange(0), help="Schedules of the shipped workflows."
)
@click.option("--minutes", type=click.FloatRange(0), help="Play schedules of the workflows for this many minutes.")
@click.option("--days", default=0, show_default=True, type=click.IntRange(0), help="Let so many days of ticks pass.")
@click.option("--first", default=0, show_default=True, type=click.IntRange(0), help="The seed of the first schedule.")
def chaos(kernel: int, workflows: int, minutes: float | None, days: int, first: int) -> None:
    """Look for a schedule in which a call is cut, a lifetime lost or a node stuck. Its seed reproduces it.

    The kernel is the shipped planner, safety rules and claims in a small world with abstract workflows. The workflows are the
    shipped state machines and functions on simulated time. Injected faults are counted, so that you can see which never occurred.
    Days of ticks say how long nobody reads Pexip where ticks come anywhere in their minutes and functions are killed.
    """
    from rich.console import Console

    from headroom_lab import chaos as schedules

    console = Console()
    if kernel and not schedules.kernel(console, kernel, first):
        sys.exit(1)
    if days and not schedules.ticks(console, days, first):
        sys.exit(1)
    if (workflows or minutes) and not schedules.workflows(console, workflows, minutes, first):
        sys.exit(1)
