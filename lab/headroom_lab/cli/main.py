"""The `headroom` command: what an operator or a developer does with Headroom at a desk."""

import json
import sys
from datetime import date, time
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import boto3
import click
from rich.console import Console
from rich.progress import Progress

import headroom
from headroom import clock
from headroom_lab.demo.scenario import bundled, from_trace, platform_of
from headroom_lab.load import TraceError, read_trace
from headroom_lab.pexip.alone import Home
from headroom_lab.pexip.alone import run as run_platform
from headroom_lab.pexip.server import Serving
from headroom_lab.pexip.world import World
from headroom_lab.replay.run import NAMES, Job, play_all
from headroom_lab.replay.score import Result
from headroom_lab.replay.suite import cases_of
from headroom_lab.replay.work import Platform, of_counts, of_meetings

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
@click.argument("trace", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--policy", "policies", multiple=True, type=click.Choice(NAMES), help="Only these; all if left out.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="So many draws of the same load.")
@click.option("--days", default=28, show_default=True, type=click.IntRange(1), help="The last days of the trace.")
@click.option("--meetings", is_flag=True, help="Derive meetings with bookings from the trace's daily curve.")
@click.option("--zone", default="UTC", show_default=True, help="Time zone of the trace.")
@click.option("--always-on", default=80, show_default=True, type=click.IntRange(1), help="HD connections.")
@click.option("--nodes", default=13, show_default=True, type=click.IntRange(1), help="Overflow nodes.")
@click.option("--node-hd", default=15, show_default=True, type=click.IntRange(1), help="HD connections of each.")
@click.option("--price", type=click.FloatRange(0), help="What a node costs an hour, to have costs shown.")
@click.option("--json", "wants_json", is_flag=True, help="Every run's figures, for a program.")
def replay(
    trace: Path,
    policies: tuple[str, ...],
    seeds: int,
    days: int,
    meetings: bool,
    zone: str,
    always_on: int,
    nodes: int,
    node_hd: int,
    price: float | None,
    wants_json: bool,
) -> None:
    """Play TRACE, a file of timestamp,arrivals, to Headroom, to Pexip's own rule, and to others, and compare them.

    The trace is scaled until the always-on nodes alone would turn away 40 % of its calls (of meetings 27 %).
    """
    from headroom_lab.replay.show import as_json, table_of  # noqa: PLC0415 - only this command shows them

    size = Platform(always_on=always_on, nodes=nodes, node_hd=node_hd)
    results: list[Result] = []
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.BadParameter(f"{zone} is no time zone; write one like Europe/Oslo.", param_hint="--zone") from error
    try:
        make = partial(of_meetings if meetings else of_counts, read_trace(trace), size, days=days, zone=zone)
        jobs = [Job(make=make, seed=seed, names=(name,)) for name in policies or NAMES for seed in range(1, seeds + 1)]
        with Progress(console=Console(stderr=True), transient=True) as progress:
            for found in progress.track(play_all(jobs), total=len(jobs), description="Replaying"):
                results += found
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    if wants_json:
        click.echo(json.dumps(as_json(results), indent=2))
    else:
        Console().print(table_of(results, price))


@main.command()
@click.argument("traces", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1), help="So many draws of each load.")
@click.option("--days", default=42, show_default=True, type=click.IntRange(1), help="The last days of each trace.")
def bench(traces: Path | None, seeds: int, days: int) -> None:
    """Measure what the documents claim: every policy's score, and how long planning and learning take.

    TRACES is a directory of files of timestamp,arrivals; without it a synthetic load is played.
    """
    from headroom_lab.bench import run  # noqa: PLC0415 - only this command needs it

    try:
        run(Console(), cases_of(traces, days), seeds)
    except TraceError as error:
        raise click.ClickException(str(error)) from error


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
