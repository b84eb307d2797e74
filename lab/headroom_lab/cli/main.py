"""The `headroom` command: what an operator or a developer does with Headroom at a desk."""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, time, timedelta
from functools import wraps
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from rich.console import Console

import headroom
from headroom import clock
from headroom_lab.advice import Peak, nodes_for
from headroom_lab.cli.act import close, hold, open_, pause, release, resume, start
from headroom_lab.cli.chaos import chaos
from headroom_lab.cli.explain import replay_decision, verify, why
from headroom_lab.cli.operate import hand_back, hand_over
from headroom_lab.cli.page import page
from headroom_lab.cli.report import replayed, report
from headroom_lab.cli.show import history, issues, nodes, status
from headroom_lab.cli.stack import ledger_of, spoken, stack_option
from headroom_lab.demo.scenario import bundled, from_trace, platform_of
from headroom_lab.load import TraceError
from headroom_lab.pexip.alone import Home
from headroom_lab.pexip.alone import run as run_platform
from headroom_lab.pexip.server import Serving
from headroom_lab.pexip.world import World
from headroom_lab.replay.run import NAMES, Changes, Job
from headroom_lab.replay.sources import maker_of
from headroom_lab.replay.suite import cases_of
from headroom_lab.replay.work import Platform, Work

BEGINS, ENDS = time(8, 28), time(10, 30)
WHATIF: dict[str, Callable[[str], Any]] = {
    "threshold": int,
    "minimum_lifetime": lambda text: timedelta(minutes=float(text)),
    "max_nodes": int,
    "confidence": float,
    "max_forecast_nodes": int,
    "forecasting": lambda text: {"true": True, "false": False}[text],
    "reserve": lambda text: {"true": True, "false": False}[text],
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Which load is replayed, on how large a platform: what every command that replays is told."""

    trace: Path
    seeds: int
    days: int
    meetings: bool
    zone: str
    always_on: int
    nodes: int
    node_hd: int
    fill_up: bool

    def maker(self) -> Callable[..., Work]:
        """Return what draws it for a seed; raise TraceError if it cannot be read."""
        size = Platform(always_on=self.always_on, nodes=self.nodes, node_hd=self.node_hd, fill_up=self.fill_up)
        return maker_of(self.trace, size, meetings=self.meetings, days=self.days, zone=self.zone)


def _of_a_load(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a `Load`, and the load."""
    options = [
        click.argument("trace", type=click.Path(dir_okay=False, path_type=Path)),
        click.option(
            "--seeds", default=1, show_default=True, type=click.IntRange(1), help="So many draws of the load."
        ),
        click.option(
            "--days", default=28, show_default=True, type=click.IntRange(1), help="The last days of the load."
        ),
        click.option("--meetings", is_flag=True, help="Derive meetings with bookings from counted arrivals."),
        click.option("--zone", default="UTC", show_default=True, callback=_zone, help="Time zone of the days."),
        click.option("--always-on", default=80, show_default=True, type=click.IntRange(1), help="HD connections."),
        click.option("--nodes", default=13, show_default=True, type=click.IntRange(1), help="Overflow nodes."),
        click.option(
            "--node-hd", default=15, show_default=True, type=click.IntRange(1), help="HD connections of each."
        ),
        click.option(
            "--fill-up", is_flag=True, help="Calls fill one node before the next, instead of the least loaded."
        ),
        click.option("--json", "wants_json", is_flag=True, help="Every run's figures, for a program."),
    ]

    @wraps(command)
    def with_load(**given: Any) -> None:
        load = Load(**{field.name: given.pop(field.name) for field in fields(Load)})
        command(load=load, **given)

    wrapped: Callable[..., None] = with_load
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def _zone(_context: object, _parameter: object, name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.BadParameter(f"{name} is no time zone; write one like Europe/Oslo.") from error
    return name


def _changes(_context: object, _parameter: object, given: tuple[str, ...]) -> Changes:
    """Read `threshold=15` and its like, in the types that the policy has."""
    changes: dict[str, Any] = {}
    for pair in given:
        name, _, text = pair.partition("=")
        if name not in WHATIF:
            raise click.BadParameter(f"{name} cannot be changed; {', '.join(WHATIF)} can.")
        try:
            changes[name] = WHATIF[name](text)
        except (KeyError, ValueError) as error:
            raise click.BadParameter(f"{pair} cannot be read: {error}.") from error
    return tuple(changes.items())


@main.command()
@_of_a_load
@click.option("--policy", "policies", multiple=True, type=click.Choice(NAMES), help="Only these; all if left out.")
@click.option(
    "--whatif", multiple=True, callback=_changes, metavar="NAME=VALUE", help="Headroom with this changed, too."
)
@click.option("--price", type=click.FloatRange(0), help="What a node costs an hour, to have costs shown.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Leave a report there, with charts.")
def replay(
    load: Load,
    policies: tuple[str, ...],
    whatif: Changes,
    price: float | None,
    html: Path | None,
    wants_json: bool,
) -> None:
    """Play TRACE to Headroom, to Pexip's own rule, and to others, and compare them.

    TRACE is a file of timestamp,arrivals (scaled until the always-on nodes alone would turn away 40 % of the calls, of
    meetings 27 %), of meetings as begins,ends,size[,booked], or a load history that `headroom export` wrote.
    """
    from headroom_lab.replay.show import as_json, table_of  # noqa: PLC0415 - only this command shows them

    chosen = policies or (("headroom",) if whatif else NAMES)
    changed = ", ".join(f"{name}={_said(value)}" for name, value in whatif)
    variants = ((f"headroom with {changed}", whatif),) if whatif else ()
    try:
        make = load.maker()
        each = [((name,), ()) for name in chosen] + [((), (variant,)) for variant in variants]
        results = replayed(
            [
                Job(make=make, seed=seed, names=names, variants=more, watch=html is not None)
                for names, more in each
                for seed in range(1, load.seeds + 1)
            ]
        )
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    if html:
        from headroom_lab.replay.page import page_of  # noqa: PLC0415 - charts take a second to import

        html.write_text(page_of(results, load.zone, price))
        click.echo(f"{html} shows it.", err=True)
    if wants_json:
        click.echo(json.dumps(as_json(results), indent=2))
    else:
        Console().print(table_of(results, price))


def _said(value: object) -> object:
    return f"{value.total_seconds() / 60:g}" if isinstance(value, timedelta) else value


@main.command()
@_of_a_load
def tune(load: Load, wants_json: bool) -> None:
    """Try settings on a site's own load, and recommend one.

    TRACE is what `headroom replay` takes, best a load history that `headroom export` wrote. Shown are the settings that no
    other beats in calls turned away, node-hours and starts, and how the thresholds that Pexip's guide advises do here.
    """
    from headroom_lab.replay import tune as tuner  # noqa: PLC0415 - only this command needs it

    try:
        make = load.maker()
        measured = make(seed=1).platform
        results = replayed(
            [
                Job(make=make, seed=seed, names=(), variants=(variant,))
                for variant in tuner.settings_of(measured).items()
                for seed in range(1, load.seeds + 1)
            ]
        )
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    points = tuner.points_of(results)
    if wants_json:
        best = tuner.recommended(points)
        unbeaten = tuner.front(points)
        rows = [asdict(point) | {"front": point in unbeaten, "recommended": point == best} for point in points]
        click.echo(json.dumps(rows, indent=2))
    else:
        Console().print(tuner.table_of(points))
        Console().print(tuner.sentence(points))


def _since(days: int) -> tuple[datetime, datetime]:
    now = clock.now()
    return now - timedelta(days=days), now


@main.command()
@stack_option
@click.option("--location", help="The principal location; may be left out if there is one.")
@click.option("--days", default=56, show_default=True, type=click.IntRange(1, 400))
def export(stack: str, location: str | None, days: int) -> None:
    """Write the load that Headroom has recorded, as `headroom replay` and `headroom tune` read it: CSV, by the minute."""
    ledger = ledger_of(stack)
    with spoken():
        reading = ledger.last_reading()
        known = [place.name for place in reading.locations if place.overflow_location] if reading else []
        if not known:
            raise click.ClickException("Headroom has recorded nothing yet: come back after some days.")
        if location not in known and (location or len(known) > 1):
            raise click.UsageError(f"Choose a --location: {', '.join(known)}.")
        writer = csv.writer(sys.stdout)
        writer.writerow(["at", "location", "used", "booked", "hd"])
        for sample in ledger.samples(location or known[0], *_since(days)):
            writer.writerow([sample.at.isoformat(), sample.location, sample.used, sample.booked, sample.hd])


@main.command()
@click.option("--hd", default=0, type=click.IntRange(0), help="HD calls at the peak.")
@click.option("--full-hd", default=0, type=click.IntRange(0), help="Full HD calls at the peak.")
@click.option("--sd", default=0, type=click.IntRange(0), help="SD calls at the peak.")
@click.option("--audio", default=0, type=click.IntRange(0), help="Audio calls at the peak.")
@click.option(
    "--conferences", default=0, type=click.IntRange(0), help="Conferences at the peak: each reserves a backplane."
)
@click.option("--always-on", default=80, show_default=True, type=click.IntRange(0), help="HD connections.")
@click.option(
    "--node-hd", default=15, show_default=True, type=click.IntRange(1), help="HD connections of an overflow node."
)
@click.option("--json", "wants_json", is_flag=True, help="The same for a program.")
def capacity(
    hd: int, full_hd: int, sd: int, audio: int, conferences: int, always_on: int, node_hd: int, wants_json: bool
) -> None:
    """Say how many overflow nodes a forecast peak needs, and which threshold Pexip's guide advises.

    By Pexip's weights an SD call is half an HD connection, an audio call a twelfth, a Full HD call two, and a conference
    reserves one on each node that hosts it (one is counted here: large conferences take more).
    """
    found = nodes_for(
        Peak(hd=hd, full_hd=full_hd, sd=sd, audio=audio, conferences=conferences), always_on=always_on, node_hd=node_hd
    )
    click.echo(json.dumps(asdict(found), indent=2) if wants_json else found.sentence)


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
    access = home.access()

    def ready(serving: Serving) -> None:
        click.echo(f"Pexip answers at {serving.url}/api/admin/status/v1/")
        click.echo(f"  user {access.username}, password {access.password}, or OAuth2 client {access.client_id}")
        click.echo(f"  CA {home.folder / 'ca.pem'}, OAuth2 private key {home.folder / 'client.pem'}")
        sys.stdout.flush()

    try:
        run_platform(home, port, aws=ec2, tag_value=hostname, ready=ready)
    except OSError as error:
        raise click.ClickException(str(error)) from error


SEEING = (status, nodes, history, issues, why, verify, replay_decision)
ACTING = (start, hold, release, open_, close, pause, resume, hand_over, hand_back)
for command in (*SEEING, *ACTING, page, report, chaos):
    main.add_command(command)

if __name__ == "__main__":
    main()
