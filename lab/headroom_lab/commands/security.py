"""`headroom security`: what scanners say of the template."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("python", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def security(python: Path) -> None:
    """Scan the template with the scanners that PYTHON has, and write why each finding is as it is (`make security`)."""
    from rich.console import Console

    from headroom_lab.security.scanning import run

    sys.exit(0 if run(python.absolute(), Console()) else 1)
