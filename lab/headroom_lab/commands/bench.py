"""`headroom bench`: measure what the documents claim."""

from pathlib import Path

import click


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
@click.option("--families", is_flag=True, help="Play families of sites drawn by each seed, and no trace.")
@click.option("--first", default=1, show_default=True, type=click.IntRange(1), help="The first draw.")
def bench(traces: Path | None, seeds: int, days: int, first: int, *, families: bool) -> None:
    """Measure what the documents claim: each policy's score, and how long planning, learning and waking take.

    TRACES is a directory of files of timestamp,arrivals; without it a synthetic load is played.
    """
    from rich.console import Console

    from headroom_lab.bench import OF_FAMILIES, run
    from headroom_replay.families import cases_of_families
    from headroom_replay.load import TraceError
    from headroom_replay.names import HUNG, NAMES
    from headroom_replay.suite import cases_of

    draws = range(first, first + seeds)
    try:
        if families:
            run(Console(), cases_of_families(days), draws, OF_FAMILIES)
        else:
            run(Console(), cases_of(traces, days), draws, (*NAMES, HUNG))
    except TraceError as error:
        raise click.ClickException(str(error)) from error
