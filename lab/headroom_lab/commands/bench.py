"""`headroom bench`: measure what the documents claim."""

import sys
from pathlib import Path

import click

WIDE = 180  # columns where the output is no terminal


@click.command()
@click.argument("traces", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--seeds", default=5, show_default=True, type=click.IntRange(1), help="How many random draws of each load."
)
@click.option(
    "--days",
    default=42,
    show_default=True,
    type=click.IntRange(1),
    help="The last days of each trace; of a family at most ten.",
)
@click.option("--first", default=1, show_default=True, type=click.IntRange(1), help="The first draw.")
@click.option("--only", type=click.Choice(["families", "coverage", "loads", "times"]), help="Measure only these.")
def bench(traces: Path | None, seeds: int, days: int, first: int, only: str | None) -> None:
    """Measure what the documents claim: each policy's score, how often forecasts hold, and how long things take.

    Sites are played that each seed draws from families of loads, then the loads in TRACES, a directory of files of
    timestamp,arrivals; without it a synthetic load.
    """
    from rich.console import Console

    from headroom_lab.bench import OF_FAMILIES, coverages, scores, timing
    from headroom_lab.coverage import coverage_table
    from headroom_replay.families import cases_of_families
    from headroom_replay.load import TraceError
    from headroom_replay.names import HUNG, NAMES
    from headroom_replay.show import score_table, spread_table
    from headroom_replay.suite import cases_of

    console, draws = Console(width=None if sys.stdout.isatty() else WIDE), range(first, first + seeds)
    try:
        loads = cases_of(traces, days)
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    if only in {None, "times"}:
        console.print(timing())
    if only in {None, "families"}:
        console.print(spread_table(scores(cases_of_families(days), draws, OF_FAMILIES)))
    if only in {None, "coverage"}:
        console.print(coverage_table(coverages(draws)))
    if only in {None, "loads"}:
        console.print(score_table(scores(loads, draws, (*NAMES, HUNG))))
