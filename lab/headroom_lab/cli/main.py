"""The `headroom` command: what an operator or a developer does with Headroom at a desk."""

import sys
from datetime import date, time
from pathlib import Path

import boto3
import click
from rich.console import Console

import headroom
from headroom import clock
from headroom_lab.demo.scenario import bundled, from_trace, platform_of
from headroom_lab.load import TraceError
from headroom_lab.pexip.alone import Home
from headroom_lab.pexip.alone import run as run_platform
from headroom_lab.pexip.server import Serving
from headroom_lab.pexip.world import World

BEGINS, ENDS = time(8, 28), time(10, 30)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(headroom.__version__)
def main() -> None:
    """Keep enough free HD connections ready on Pexip Infinity's overflow Conferencing Nodes in EC2."""


@main.command()
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0.5, 60),
    help="1 is real time; slower while much begins.",
)
@click.option("--trace", type=click.Path(dir_okay=False, path_type=Path), help="Play this file of timestamp,arrivals.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The day of the trace.")
@click.option("--until", default=f"{ENDS:%H:%M}", show_default=True, help="End at this local time.")
@click.option("--out", default="demo", show_default=True, type=click.Path(file_okay=False, path_type=Path))
def demo(speed: float, trace: Path | None, day: date | None, until: str, out: Path) -> None:
    """Play a weekday morning end to end: the real template on an embedded AWS, against a simulated Pexip platform."""
    from headroom_lab.demo.run import run  # noqa: PLC0415 - charts take a second to import

    console = Console()
    try:
        ends = time.fromisoformat(until)
        if trace is None:
            scenario = bundled(BEGINS, ends)
        elif day is None:
            raise click.UsageError("A trace needs a day: --day 2003-10-20.")
        else:
            scenario = from_trace(trace, date(day.year, day.month, day.day), BEGINS, ends)
    except (TraceError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    try:
        sys.exit(run(scenario, speed, console, out))
    except KeyboardInterrupt:
        console.print("Stopped; everything it had started is gone.")
        sys.exit(130)


@main.command()
def bench() -> None:
    """Measure what the documents claim."""
    from headroom_lab.bench import run  # noqa: PLC0415 - only this command needs it

    run(Console())


@main.command()
@click.option("--port", default=8443, show_default=True)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where it keeps what it is; a new one if left out.",
)
@click.option("--ec2", help="Endpoint of an embedded AWS whose tagged instances are its overflow nodes.")
@click.option("--hostname", default="manager.example.com", show_default=True)
def pexip(port: int, folder: Path | None, ec2: str | None, hostname: str) -> None:
    """Serve a simulated Pexip platform: its Management API over HTTPS, with a small world behind it."""
    home = Home(folder or Path(click.get_app_dir("headroom")) / "pexip")
    home.folder.mkdir(parents=True, exist_ok=True)
    if not home.world.exists():
        locations, nodes = platform_of()
        for node in nodes:
            node.instance = f"i-{node.id:017x}" if node.overflow else ""
        home.keep(World(locations, nodes, now=clock.seconds()))
    client = boto3.client("ec2", endpoint_url=ec2) if ec2 else None
    access = home.access()

    def ready(serving: Serving) -> None:
        click.echo(f"Pexip answers at {serving.url}/api/admin/status/v1/")
        click.echo(f"  user {access.username}, password {access.password}, or OAuth2 client {access.client_id}")
        click.echo(f"  CA {home.folder / 'ca.pem'}, OAuth2 private key {home.folder / 'client.pem'}")
        sys.stdout.flush()

    try:
        run_platform(home, port, ec2=client, tag_value=hostname, ready=ready)
    except OSError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
