"""`headroom chaos`: schedules of the model and of the shipped workflows, by the million and by the hour."""

import sys
import time
from collections import Counter
from datetime import timedelta

import click
from rich.console import Console
from rich.table import Table

from headroom_lab.proof import chaos as proof
from headroom_lab.proof.play import Played

ENOUGH = 200  # schedules, in which every function must have had an answer


@click.command()
@click.option("--kernel", default=100_000, show_default=True, type=click.IntRange(0), help="Schedules of the model.")
@click.option(
    "--workflows", default=300, show_default=True, type=click.IntRange(0), help="Schedules of the shipped workflows."
)
@click.option(
    "--minutes", type=click.FloatRange(0), help="As many schedules of the workflows as so many minutes allow."
)
@click.option("--first", default=0, show_default=True, type=click.IntRange(0), help="The seed of the first schedule.")
def chaos(kernel: int, workflows: int, minutes: float | None, first: int) -> None:
    """Look for a schedule in which a call is cut, a lifetime lost or a node stuck; each has a seed that brings it back.

    The kernel is the shipped planner, safety rules and claims in a small world with abstract workflows. The workflows are the
    shipped state machines and functions on simulated time. What was injected is counted: a fault that never came shows.
    """
    console = Console()
    if kernel and not _kernel(console, kernel, first):
        sys.exit(1)
    if (workflows or minutes) and not _workflows(console, workflows, minutes, first):
        sys.exit(1)


def _kernel(console: Console, schedules: int, first: int) -> bool:
    began = time.monotonic()
    with console.status("Walking") as status:
        found = proof.kernel(
            schedules, first=first, progress=lambda so_far: status.update(f"Walking: {so_far.schedules:,} schedules")
        )
    console.print(_counts("What happened in the model", found.happened))
    console.print(
        f"Kernel: {found.schedules:,} schedules, {found.moves:,} moves, {found.happened['stops it']:,} stops in "
        f"{_took(began)}: {'something went wrong' if found.trace else '0 calls cut, 0 lifetimes lost, 0 nodes stuck'}."
    )
    for move in found.trace:
        console.print(f"  {move}")
    if found.trace:
        console.print(f"Seed {found.seed}, shrunk.")
    return not found.trace


def _workflows(console: Console, schedules: int, minutes: float | None, first: int) -> bool:
    began = time.monotonic()
    with console.status("Playing") as status:
        found = proof.workflows(
            schedules,
            first=first,
            seconds=None if minutes is None else 60 * minutes,
            progress=lambda so_far: status.update(f"Playing: {so_far.schedules:,} schedules"),
        )
    console.print(_counts("What was injected into the workflows", found.happened))
    verdict = f"{len(found.wrong)} went wrong" if found.wrong else "0 calls cut, 0 lifetimes lost, 0 nodes stuck"
    console.print(
        f"Workflows: {found.schedules:,} schedules, {found.executions:,} executions, {found.starts:,} starts, "
        f"{found.stops:,} stops asked for, in {_took(began)}: {verdict}."
    )
    for played in found.wrong:
        console.print(_told(played))
    if found.silent:
        console.print(f"Never answered: {', '.join(found.silent)}.")
    return not found.wrong and not (found.silent and found.schedules >= ENOUGH)


def _told(played: Played) -> str:
    return "\n  ".join([f"Seed {played.seed}:", *played.wrong, *played.script])


def _counts(title: str, happened: Counter[str]) -> Table:
    table = Table(title=title, show_header=False)
    for what, times in sorted(happened.items()):
        table.add_row(what, f"{times:,}")
    return table


def _took(began: float) -> str:
    return f"{timedelta(seconds=round(time.monotonic() - began))}"
