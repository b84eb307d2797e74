"""`headroom pack`: what others install from."""

from pathlib import Path

import click


@click.command()
@click.argument("python", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--architecture", type=click.Choice(["arm64", "x86_64"]), default="arm64", show_default=True)
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default="dist", show_default=True)
def pack(python: Path, architecture: str, into: Path) -> None:
    """Build twice, compare and pack; PYTHON has CycloneDX's command (`make release`)."""
    from headroom_lab.packing import ReleaseError, release

    try:
        archive, digest = release(into, architecture, sbom=python.absolute())
    except ReleaseError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{archive}, twice the same: SHA-256 {digest}")
