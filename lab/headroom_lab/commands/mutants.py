"""`headroom mutants`: how many small mistakes the tests notice."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("mutmut", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def mutants(mutmut: Path, folder: Path) -> None:
    """Make small mistakes in rules and planner with MUTMUT in FOLDER, and write how many the tests notice (`make mutants`)."""
    from headroom_lab.mutants import run

    sys.exit(run(mutmut.absolute(), folder.absolute()))
