"""`headroom pexip`: the simulated Pexip platform alone."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headroom_lab.pexip.server import Serving


@click.command()
@click.option("--port", default=8443, show_default=True)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where it keeps its state; a new one in your configuration folder by default.",
)
@click.option("--ec2", help="Endpoint of an embedded AWS whose tagged instances are its overflow nodes.")
@click.option("--hostname", default="manager.example.com", show_default=True)
def pexip(port: int, folder: Path | None, ec2: str | None, hostname: str) -> None:
    """Serve a simulated Pexip platform: its Management API over HTTPS, with a small world behind it."""
    from headroom import clock
    from headroom_lab.demo.scenario import platform_of
    from headroom_lab.pexip.alone import Home, run
    from headroom_replay.world import World

    home = Home(folder or Path(click.get_app_dir("headroom")) / "pexip")
    home.folder.mkdir(parents=True, exist_ok=True)
    if not home.world.exists():
        locations, nodes = platform_of()
        for node in nodes:
            node.instance = f"i-{node.id:017x}" if node.overflow else ""
        home.keep(World(locations, nodes, now=clock.seconds()))
    access = home.access()

    def ready(serving: "Serving") -> None:
        click.echo(f"Pexip answers at {serving.url}/api/admin/status/v1/")
        click.echo(f"  user {access.username}, password {access.password}, or OAuth2 client {access.client_id}")
        click.echo(f"  CA {home.folder / 'ca.pem'}, OAuth2 private key {home.folder / 'client.pem'}")
        sys.stdout.flush()

    try:
        run(home, port, aws=ec2, tag_value=hostname, ready=ready)
    except OSError as error:
        raise click.ClickException(str(error)) from error
