"""Play schedules of the model and of the shipped workflows, by the million and by the hour, and say what was found."""

import time
from collections import Counter
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from headroom_lab.proof import chaos as proof
from headroom_lab.proof.play import Played
from headroom_lab.proof.ticks import Ticks
from headroom_lab.proof.ticks import play as play_ticks

ENOUGH = 200  # schedules, in which every function must have had an answer


def kernel(console: Console, schedules: int, first: int) -> bool:
    """Play schedules of the model; return whether all went well."""
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


def workflows(console: Console, schedules: int, minutes: float | None, first: int) -> bool:
    """Play schedules of the shipped workflows; return whether all went well."""
    began, told = time.monotonic(), 0
    with console.status("Playing") as status:

        def told_at_once(so_far: proof.PlayedAll) -> None:
            nonlocal told
            status.update(f"Playing: {so_far.schedules:,} schedules")
            for played in so_far.wrong[told:]:
                console.print(_told(played))
            told = len(so_far.wrong)

        found = proof.workflows(
            schedules,
            first=first,
            seconds=None if minutes is None else 60 * minutes,
            progress=told_at_once,
        )
    console.print(_counts("What was injected into the workflows", found.happened))
    console.print(_counts("Which rule objected to a stop", found.objections))
    console.print(_counts("What the looks at a node found", found.looks))
    console.print(_counts("Where capacity was missing", found.waits))
    verdict = f"{len(found.wrong)} went wrong" if found.wrong else "0 calls cut, 0 lifetimes lost, 0 nodes stuck"
    console.print(
        f"Workflows: {found.schedules:,} schedules, {found.executions:,} executions, {found.starts:,} starts, "
        f"{found.stops:,} stops asked for, in {_took(began)}: {verdict}."
    )
    if found.silent:
        console.print(f"Never answered: {', '.join(found.silent)}.")
    return not found.wrong and not (found.silent and found.schedules >= ENOUGH)


def ticks(console: Console, days: int, first: int) -> bool:
    """Let so many days of ticks pass; return whether no gap between two readings, and no lease, was too long."""
    began = time.monotonic()
    with console.status("Ticking"):
        found = play_ticks(24 * days, seed=first)
    console.print(
        f"Ticks: {days} days with {sum(found.killed.values())} functions killed, in {_took(began)}: {told(found)}."
    )
    return found.is_well


def told(found: Ticks) -> str:
    """Say in a sentence how long nobody has read Pexip."""
    return (
        f"{found.readings:,} readings, the longest gap {found.gap.total_seconds():.0f} s, or "
        f"{found.gap_of_killed.total_seconds():.0f} s where `observe` was killed; no lease outlived what had it by more than "
        f"{found.lease.total_seconds():.1f} s"
    )


def _told(played: Played) -> str:
    return "\n  ".join([f"Seed {played.seed}:", *played.wrong, *played.script])


def _counts(title: str, happened: Counter[str]) -> Table:
    table = Table(title=title, show_header=False)
    for what, times in sorted(happened.items()):
        table.add_row(what, f"{times:,}")
    return table


def _took(began: float) -> str:
    return f"{timedelta(seconds=round(time.monotonic() - began))}"
