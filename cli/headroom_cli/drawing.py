"""What every page of ours looks like: one style, colours that everyone can tell apart, charts as SVG inside the page.

pygal draws. Its scripts are taken out again: the pages' Content-Security-Policy allows none. Text has the page's own colour.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import jinja2
import pygal
from markupsafe import Markup
from pygal.style import Style

# Okabe and Ito's palette
ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, BLACK = (
    *("#E69F00", "#56B4E9", "#009E73", "#0072B2"),
    *("#D55E00", "#CC79A7", "#000000"),
)
GREY, FAINT = "#767676", "rgba(128, 128, 128, .3)"
STYLE = Markup("""<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.ours td { font-weight: 600; }
svg { max-width: 100%; height: auto; } .scroll { overflow-x: auto; }
</style>""")
TEMPLATES = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
WIDTH = 960
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)  # minutes, of an axis of time
TICKS = 10  # at most, on an axis of time
SHORT = 30  # characters of a label: three of these fit in a row

type Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart: its points, `None` where it is broken; `fill` fills down to 0, `dots` draws no line but marks."""

    label: str
    points: Sequence[Point | None]
    colour: str
    width: float = 1.5
    fill: bool = False
    dots: bool = False
    dashed: bool = False


def over_time(
    label: str, heading: str, lines: Sequence[Line], zone: tzinfo, within: tuple[float, float], *, height: int = 320
) -> Markup:
    """Draw lines over epoch seconds, between two of them; `label` is what a screen reader says."""
    chart = _chart(pygal.XY, lines, height, title=heading, allow_interruptions=True, include_x_axis=True)
    _clock(chart, *within, zone)
    _draw(chart, lines)
    return _svg(chart, label)


def rows_over_time(
    label: str, heading: str, names: Sequence[str], lines: Sequence[Line], zone: tzinfo, within: tuple[float, float]
) -> Markup:
    """Draw bars over epoch seconds, in one row a name, the first on top; a point's second number is its row."""
    lines = [_upside_down(line, len(names)) for line in lines]
    chart = _chart(pygal.XY, lines, 90 + 24 * len(names), title=heading, allow_interruptions=True)
    chart.y_labels = [{"value": len(names) - row, "label": name} for row, name in enumerate(names)]
    chart.range = (0.4, len(names) + 0.6)
    _clock(chart, *within, zone)
    _draw(chart, lines)
    return _svg(chart, label)


def _upside_down(line: Line, rows: int) -> Line:
    points = [(point[0], rows - point[1]) if point else None for point in line.points]
    return Line(label=line.label, points=points, colour=line.colour, width=line.width, dashed=line.dashed)


def scatter(
    label: str, titles: tuple[str, str], dots: Sequence[Line], at: Callable[[float], float], ticks: Sequence[float]
) -> Markup:
    """Draw dots against two axes; `at` says where on the first axis a number stands, `ticks` are the numbers marked there."""
    placed = [
        Line(
            label=each.label,
            points=[(at(point[0]), point[1]) for point in each.points if point],
            colour=each.colour,
            dots=True,
        )
        for each in dots
    ]
    chart = _chart(pygal.XY, placed, 380, x_title=titles[0], y_title=titles[1], include_x_axis=True, dots_size=7)
    chart.x_labels = [{"value": at(tick), "label": f"{tick:g}"} for tick in ticks]
    chart.xrange = (at(min(ticks)), at(max(ticks)))
    _draw(chart, placed)
    return _svg(chart, label)


def bars(label: str, named: Iterable[tuple[str, float, str]], unit: str) -> Markup:
    """Draw a horizontal bar for each name, number and colour."""
    rows = list(reversed(list(named)))  # pygal draws them upwards
    chart = _chart(
        pygal.HorizontalBar,
        [],
        60 + 36 * len(rows),
        show_legend=False,
        x_title=unit,
        print_values=True,
        value_formatter=lambda number: f"{number:,.0f}",
    )
    chart.x_labels = [name for name, _, _ in rows]
    chart.add(unit, [{"value": number, "color": colour} for _, number, colour in rows])
    return _svg(chart, label)


def dots(
    label: str, heading: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[float | None]]], colour: str
) -> Markup:
    """Draw a grid of dots, the larger the number the larger the dot."""
    rows = list(rows)
    chart = _chart(pygal.Dot, [], 70 + 30 * len(rows), [colour] * len(rows), title=heading, show_legend=False)
    chart.value_formatter = lambda number: f"{number:,.0f}"
    chart.x_labels = columns
    for name, numbers in rows:
        chart.add(name, list(numbers))
    return _svg(chart, label)


def steps(points: Sequence[Point]) -> list[Point]:
    """Return points between which a line stays as high as the last one, until the next."""
    found: list[Point] = []
    for (at, value), (following, _) in pairwise(points):
        found += [(at, value), (following, value)]
    return [*found, *points[-1:]]


def _chart(kind: Any, lines: Sequence[Line], height: int, colours: Sequence[str] = (), **more: Any) -> Any:
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="currentColor",
        foreground_strong="currentColor",
        foreground_subtle="currentColor",
        guide_stroke_color=FAINT,
        guide_stroke_dasharray="none",
        major_guide_stroke_color=FAINT,
        major_guide_stroke_dasharray="none",
        font_family="system-ui, sans-serif",
        title_font_size=15,
        legend_font_size=13,
        label_font_size=12,
        major_label_font_size=12,
        value_font_size=12,
        value_colors=("currentColor",) * max(1, len(lines)),
        opacity=".45",
        opacity_hover=".45",
        stroke_opacity="1",
        stroke_width="inherit",  # each line's own
        transition="0s",
        colors=tuple(colours) or tuple(line.colour for line in lines) or (BLUE,),
    )
    look = {
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 2 if any(len(line.label) > SHORT for line in lines) else 3,
        "truncate_legend": -1,
        "truncate_label": -1,
        "js": (),
        "margin": 8,
        "margin_bottom": 34 if lines else 8,  # pygal leaves too little for a legend's last row
        "show_y_guides": True,
        "show_x_guides": False,
    }
    return kind(style=style, width=WIDTH, height=height, **(look | more))


def _draw(chart: Any, lines: Sequence[Line]) -> None:
    for line in lines:
        stroke = {"width": line.width, "linecap": "butt"} | ({"dasharray": "3, 3"} if line.dashed else {})
        points = list(_closed(line.points)) if line.fill else [point or (None, None) for point in line.points]
        chart.add(line.label, points, stroke=not line.dots, show_dots=line.dots, fill=line.fill, stroke_style=stroke)


def _closed(points: Sequence[Point | None]) -> Iterator[tuple[float | None, float | None]]:
    """Let what is filled fall to 0 before each break and rise from 0 behind it."""
    for before, point, after in zip([None, *points], points, [*points[1:], None], strict=False):
        if point is None:
            yield None, None
            continue
        if before is None:
            yield point[0], 0
        yield point
        if after is None:
            yield point[0], 0


def _clock(chart: Any, begins: float, ends: float, zone: tzinfo) -> None:
    """Have an axis of time say round times of day in a zone."""
    step = next((minutes for minutes in STEPS if (ends - begins) / 60 / minutes <= TICKS), STEPS[-1])
    at = datetime.fromtimestamp(begins, zone).replace(minute=0, second=0, microsecond=0)
    labels = []
    while at.timestamp() <= ends:
        if at.timestamp() >= begins and (60 * at.hour + at.minute) % step == 0:
            labels.append({"value": at.timestamp(), "label": f"{at:%H:%M}"})
        at = (at.astimezone(UTC) + timedelta(minutes=min(step, 60))).astimezone(zone)
    chart.x_labels = labels
    chart.xrange = (begins, ends)


def _svg(chart: Any, label: str) -> Markup:
    chart.uuid = sha256(label.encode()).hexdigest()[:12]  # the same chart is the same text
    root = chart.render_tree()
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.endswith("script"):
                parent.remove(child)
    for title in [child for child in root if child.tag.endswith("title")]:
        root.remove(title)  # a browser shows it wherever the mouse rests
    root.attrib |= {"role": "img", "aria-label": label}
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - pygal's drawing of our numbers, its text escaped
