"""The report as a page, and as tables for a terminal."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from markupsafe import Markup
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from headroom_cli.drawing import GREEN, SKY, STYLE, TEMPLATES, bars
from headroom_cli.reporting.figures import Place, Report
from headroom_cli.showing import plain

PAGE = TEMPLATES.from_string((Path(__file__).parent / "report.html").read_text())


def page_of(report: Report, zone: str) -> str:
    """Return the page."""
    here = ZoneInfo(zone)
    last = report.until.astimezone(here) - timedelta(microseconds=1)
    period = f"{report.since.astimezone(here):%d %B %Y} to {last:%d %B %Y}"
    charts = [_hours(place) for place in report.places]
    return PAGE.render(report=report, zone=here, period=period, charts=charts, style=STYLE)


def _hours(place: Place) -> Markup:
    was = place.lines[0].node_hours
    named = [
        ("needed", place.needed_hours, SKY),
        *((line.who, line.node_hours, GREEN) for line in place.lines),
        ("always on", place.always_on_hours, SKY),
    ]
    needed, always = place.needed_hours, place.always_on_hours
    title = f"Node-hours in {place.overflow_location}: {was:.0f} on, {needed:.0f} needed, {always:.0f} always on"
    return bars(title, named, "node-hours")


def tables_of(report: Report) -> Iterator[RenderableType]:
    """Yield the report for a terminal."""
    for place in report.places:
        yield _comparison(report, place)
    boots, promises = report.boots, report.promises
    half = (
        ""
        if boots.median is None
        else f", half of them within {boots.median:.0f} s, the slowest after {boots.longest:.0f} s"
    )
    yield (
        f"Starts that served: {boots.started}{half}; given up: {boots.given_up}. "
        f"Promises kept: {promises.kept}, missed: {promises.missed}, refused: {promises.refused}."
    )
    for each in report.forecasts:
        yield f"Forecasts of {plain(each.location)}: {each.sentence}."
    if report.costliest:
        table = _table("The costliest decisions", ("node", "started (UTC)", "hours", "why", "who"), right=("hours",))
        for one in report.costliest:
            table.add_row(
                plain(one.node), f"{one.began:%Y-%m-%d %H:%M}", f"{one.hours:.1f}", plain(one.reason), plain(one.by)
            )
        yield table


def _comparison(report: Report, place: Place) -> Table:
    titles: tuple[str, ...] = ("", "turned away\n(recorded)", "turned away\n(estimated)", "node-\nhours", "starts")
    titles = titles if report.price is None else (*titles, "cost")
    table = _table(
        f"{plain(place.overflow_location)}, {place.since:%Y-%m-%d} to {report.until:%Y-%m-%d}", titles, right=titles[1:]
    )
    saved = "" if place.saved_against_always_on is None else f", {place.saved_against_always_on:,.2f} above actual cost"
    table.caption = (
        f"Needed if the load had been known, with Pexip's threshold free: {place.needed_hours:,.0f} node-hours; "
        f"always on: {place.always_on_hours:,.0f}{saved}. "
        f"Calls turned away because licences ran out (more nodes do not help): {place.out_of_licence}. Estimates are rough "
        "and may be too high; Pexip's records cover the whole platform."
    )
    for line in place.lines:
        table.add_row(
            line.who,
            "-" if line.turned_away_recorded is None else f"{line.turned_away_recorded:,}",
            f"{line.turned_away_estimated:,.0f}",
            f"{line.node_hours:,.1f}",
            f"{line.starts:,.0f}",
            *([] if line.cost is None else [f"{line.cost:,.2f}"]),
        )
    return table


def _table(title: str, columns: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in {"", "node"})
    return table
