"""`headroom replay`, `tune` and `size`: what can be tried on a load, without a stack."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headroom_cli.options import html_option, json_option
from headroom_replay.names import NAMES

if TYPE_CHECKING:
    from headroom_cli.replaying import Load

YES_NO = {"true": True, "false": False}
WHATIF: dict[str, Callable[[str], Any]] = {
    "threshold": int,
    "minimum_lifetime": lambda text: timedelta(minutes=float(text)),
    "max_nodes": int,
    "call_turned_away_cost": float,
    "confidence": float,
    "max_forecast_nodes": int,
    "forecasting": YES_NO.__getitem__,
    "reserve": YES_NO.__getitem__,
}


def _of_a_load(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a `Load`, and the load."""
    options = {
        "trace": click.argument("trace", type=click.Path(dir_okay=False, path_type=Path)),
        "seeds": click.option(
            "--seeds", default=1, show_default=True, type=click.IntRange(1), help="How many random draws of the load."
        ),
        "days": click.option(
            "--days", type=click.IntRange(1), help="How many of the load's last days; by default 28, or all there are."
        ),
        "meetings": click.option("--meetings", is_flag=True, help="Derive booked meetings from counted arrivals."),
        "zone": click.option("--zone", default="UTC", show_default=True, callback=_zone, help="Time zone of the days."),
        "always_on": click.option(
            "--always-on", default=80, show_default=True, type=click.IntRange(1), help="HD connections always on."
        ),
        "nodes": click.option("--nodes", default=13, show_default=True, type=click.IntRange(1), help="Overflow nodes."),
        "node_hd": click.option(
            "--node-hd", default=15, show_default=True, type=click.IntRange(1), help="HD connections per overflow node."
        ),
        "fill_up": click.option(
            "--fill-up", is_flag=True, help="Calls fill one node before the next, instead of going to the least loaded."
        ),
    }

    @wraps(command)
    def with_load(**given: Any) -> None:
        from headroom_cli.replaying import Load

        command(load=Load(**{name: given.pop(name) for name in options}), **given)

    wrapped: Callable[..., None] = json_option(with_load)
    for option in reversed(options.values()):
        wrapped = option(wrapped)
    return wrapped


def _zone(_context: object, _parameter: object, name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.BadParameter(f"{name} is not a time zone; write one like Europe/Oslo.") from error
    return name


def _changes(_context: object, _parameter: object, given: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
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


@click.command()
@_of_a_load
@click.option(
    "--policy", "policies", multiple=True, type=click.Choice(NAMES), help="Only these policies; all by default."
)
@click.option(
    "--whatif", multiple=True, callback=_changes, metavar="NAME=VALUE", help="Also play Headroom with this setting."
)
@click.option("--price", type=click.FloatRange(0), help="Price of a node per hour; adds costs to the output.")
@html_option
def replay(
    load: "Load",
    policies: tuple[str, ...],
    whatif: tuple[tuple[str, Any], ...],
    price: float | None,
    html: Path | None,
    wants_json: bool,
) -> None:
    """Play TRACE to Headroom, to Pexip's own rule, and to others, and compare them.

    TRACE is one of three: a file of timestamp,arrivals (scaled until the always-on nodes alone would turn away 40 % of the
    calls, with --meetings 27 %); a file of meetings, begins,ends,size[,booked]; or a load history that `headroom export` wrote.
    """
    from rich.console import Console

    from headroom_cli.replaying import readable, replayed
    from headroom_replay.run import Job
    from headroom_replay.show import as_json, table_of

    chosen = policies or (("headroom",) if whatif else NAMES)
    changed = ", ".join(f"{name}={_said(value)}" for name, value in whatif)
    variants = ((f"headroom with {changed}", whatif),) if whatif else ()
    each = [((name,), ()) for name in chosen] + [((), (variant,)) for variant in variants]
    with readable():
        make = load.maker()
        results = replayed(
            [
                Job(make=make, seed=seed, names=names, variants=more, watch=html is not None)
                for names, more in each
                for seed in range(1, load.seeds + 1)
            ]
        )
    if html:
        from headroom_cli.reporting.replayed import page_of

        html.write_text(page_of(results, load.zone, price))
        click.echo(f"Wrote {html}.", err=True)
    if wants_json:
        click.echo(json.dumps(as_json(results), indent=2))
    else:
        Console().print(table_of(results, price))


def _said(value: object) -> object:
    return f"{value.total_seconds() / 60:g}" if isinstance(value, timedelta) else value


@click.command()
@_of_a_load
def tune(load: "Load", wants_json: bool) -> None:
    """Try settings on a site's own load, and recommend one.

    TRACE is what `headroom replay` takes; a load history that `headroom export` wrote is best. The table shows the settings that
    no other beats in calls turned away, node-hours and starts, and what the thresholds of Pexip's guide do on this load.
    """
    from dataclasses import asdict

    from rich.console import Console

    from headroom_cli.replaying import readable, replayed
    from headroom_replay import tune as tuner
    from headroom_replay.run import Job

    with readable():
        make = load.maker()
        settings = tuner.settings_of(make(seed=1).platform)
        results = replayed(
            [
                Job(make=make, seed=seed, names=(), variants=(variant,))
                for variant in settings.items()
                for seed in range(1, load.seeds + 1)
            ]
        )
    points = tuner.points_of(results)
    if wants_json:
        best = tuner.recommended(points)
        unbeaten = tuner.front(points)
        rows = [asdict(point) | {"front": point in unbeaten, "recommended": point == best} for point in points]
        click.echo(json.dumps(rows, indent=2))
    else:
        Console().print(tuner.table_of(points))
        Console().print(tuner.sentence(points))


@click.command()
@click.option("--hd", default=0, type=click.IntRange(0), help="HD calls at the peak.")
@click.option("--full-hd", default=0, type=click.IntRange(0), help="Full HD calls at the peak.")
@click.option("--sd", default=0, type=click.IntRange(0), help="SD calls at the peak.")
@click.option("--audio", default=0, type=click.IntRange(0), help="Audio calls at the peak.")
@click.option(
    "--conferences", default=0, type=click.IntRange(0), help="Conferences at the peak: each reserves a backplane."
)
@click.option("--largest", default=0, type=click.IntRange(0), help="HD calls of the largest conference.")
@click.option("--always-on", type=click.IntRange(0), help="HD connections always on; the guide's example has 80.")
@click.option("--node-hd", type=click.IntRange(2), help="HD connections of an overflow node; the guide's has 15.")
@click.option(
    "--price", type=click.FloatRange(0), help="Price of a node per hour; the stack's NodeHourPrice with --stack."
)
@click.option("--stack", help="Take what its nodes really offer, instead of the guide's figures.")
@json_option
def size(
    always_on: int | None,
    node_hd: int | None,
    price: float | None,
    stack: str | None,
    *,
    wants_json: bool,
    **calls: int,
) -> None:
    """Say how many overflow nodes a forecast peak needs, what they cost, and which threshold Pexip's guide advises.

    By Pexip's weights an SD call is half an HD connection, an audio call a twelfth, a Full HD call two. A conference reserves
    one on each node that hosts it; one is counted here, and large conferences take more.
    """
    from dataclasses import asdict, replace

    from headroom_cli.advice import Peak, Site, nodes_for
    from headroom_cli.stack import spoken, stack_of

    site = Site()
    if stack:
        deployed = stack_of(stack)
        with spoken():
            reading = deployed.ledger.last_reading()
        site, price = Site.of(reading) if reading else site, deployed.price if price is None else price
    given = {name: value for name, value in (("always_on", always_on), ("node_hd", node_hd)) if value is not None}
    site = replace(site, **given, measured=site.measured or node_hd is not None)
    found = nodes_for(Peak(**calls), site, price=price)
    click.echo(json.dumps(asdict(found), indent=2) if wants_json else found.sentence)
