"""What every report looks like: one style, colours that everyone can tell apart, charts as SVG inside the page."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import Any

import jinja2
import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure

# Okabe and Ito's palette
ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, BLACK = (
    *("#E69F00", "#56B4E9", "#009E73", "#0072B2"),
    *("#D55E00", "#CC79A7", "#000000"),
)
STYLE = Markup("""<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.ours td { font-weight: 600; }
svg { max-width: 100%; height: auto; } .scroll { overflow-x: auto; }
</style>""")
INK = "#010203"  # stands for the page's own colour of text, whichever theme it is in
THEME: Any = {
    "svg.hashsalt": "headroom",
    "svg.fonttype": "none",
    "savefig.transparent": True,
    "text.parse_math": False,  # a location may be called anything
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}
TEMPLATES = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)


class Drawing:
    """A figure, and the SVG that becomes of it."""

    def __init__(self, figure: Figure, axes: Axes) -> None:
        self.figure, self.axes, self.svg = figure, axes, Markup()


@contextmanager
def drawing(title: str, *, zone: tzinfo | None = None, height: float = 4) -> Iterator[Drawing]:
    """Draw one chart; `title` is what a screen reader says. With a zone the x axis is a time of day in it."""
    with mpl.rc_context(THEME):
        figure = Figure(figsize=(10, height))
        made = Drawing(figure, figure.subplots())
        yield made
        if zone:
            made.axes.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=zone))
        out = io.StringIO()
        figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = out.getvalue().replace(INK, "currentColor")
    label = Markup('<svg role="img" aria-label="{}"').format(title)
    made.svg = label + Markup(text[text.index("<svg") + len("<svg") :])  # noqa: S704 - matplotlib's drawing of our numbers
