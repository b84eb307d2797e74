"""The replay as a page: calls turned away and cost of each policy, and the busiest day under each."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby, pairwise
from math import log10
from statistics import mean
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from headroom_cli.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    TEMPLATES,
    VERMILION,
    Line,
    over_time,
    scatter,
    steps,
)
from headroom_replay.score import Result
from headroom_replay.show import in_order

MARGIN = 30 * 60.0  # seconds
TICKS = (1, 10, 100, 1_000, 10_000)  # calls turned away, on an axis that is almost logarithmic
COLOURS = {
    "headroom": BLUE,
    "native": VERMILION,
    "native+0850": PURPLE,
    "target-tracking": SKY,
    "oracle": GREEN,
    "perfect-forecast": GREY,
}
SAYS = {
    "headroom": "Headroom",
    "native": "Pexip's own rule",
    "native-either": "Pexip's own rule, if a principal location at its threshold also starts nodes",
    "native-impatient": "Pexip's own rule, if it does not wait for a booting node",
    "native+0850": "Pexip's own rule, and every node started at 08:50, as its guide advises",
    "target-tracking": "Target tracking at 55 %, as an Auto Scaling group does",
    "perfect-forecast": "Headroom with a perfect forecast",
    "oracle": "Knowing every call beforehand",
    "always-on": "Every node always on",
    "none": "No overflow node",
}
PAGE = TEMPLATES.from_string("""<!DOCTYPE html>
<html lang="en"><head><title>Headroom replayed on {{ work }}</title>{{ style }}</head><body>
<h1>{{ work }}</h1>
<p>{{ offered }} calls{% if seeds > 1 %}, drawn {{ seeds }} times,{% endif %} were played to each of these policies on the same
simulated platform. Calls cut: {{ cut }}.</p>
<div class="scroll"><table><tr><th>Policy</th><th class="number">Turned away of 10,000</th><th class="number">Node-hours</th>
<th class="number">× the least possible</th>{% if price is not none %}<th class="number">Cost</th>{% endif %}
<th class="number">Starts</th></tr>
{% for line in lines %}<tr{% if line.policy == "headroom" %} class="ours"{% endif %}><td>{{ line.says }}</td>
<td class="number">{{ "%.1f"|format(line.rejected) }}</td><td class="number">{{ "%.0f"|format(line.hours) }}</td>
<td class="number">{{ "%.2f"|format(line.ratio) }}</td>
{% if price is not none %}<td class="number">{{ "%.0f"|format(line.hours * price) }}</td>{% endif %}
<td class="number">{{ "%.0f"|format(line.starts) }}</td></tr>{% endfor %}</table></div>
<h2>The busiest day, {{ day }}</h2>
<p>HD connections that serve under each policy, against those in use; a dot is a minute in which a call was turned away.</p>
{{ course }}
<h2>What it costs to turn nobody away</h2>
<p>Further left turns fewer callers away, further down costs fewer node-hours.</p>
{{ costs }}
</body></html>""")


def page_of(results: Sequence[Result], zone: str, price: float | None = None) -> str:
    """Return the page of one work's results, the busiest day that of the first seed."""
    results = in_order(results)
    lines = [_line(policy, list(runs)) for policy, runs in groupby(results, key=lambda each: each.policy)]
    first = [each for each in results if each.seed == results[0].seed and each.course]
    return PAGE.render(
        work=results[0].work,
        offered=f"{results[0].offered:,}",
        seeds=len({each.seed for each in results}),
        cut=sum(each.cut for each in results),
        lines=lines,
        price=price,
        day=f"{datetime.fromtimestamp(first[0].course[0].at, ZoneInfo(zone)):%A %d %B %Y}",
        course=_course(first, ZoneInfo(zone)),
        costs=_costs(lines),
        style=STYLE,
    )


def _line(policy: str, runs: Sequence[Result]) -> dict[str, Any]:
    return {
        "policy": policy,
        "says": SAYS.get(policy, policy),
        "rejected": mean(each.rejected_per_10k for each in runs),
        "hours": mean(each.node_hours for each in runs),
        "ratio": mean(each.ratio for each in runs),
        "starts": mean(each.starts for each in runs),
    }


def _course(results: Sequence[Result], zone: ZoneInfo) -> Markup:
    most = max(results, key=lambda each: max(moment.used for moment in each.course))
    busy = [moment.at for moment in most.course if moment.used]
    begins, ends = busy[0] - MARGIN, busy[-1] + MARGIN
    used = [(moment.at, float(moment.used)) for moment in most.course if begins <= moment.at <= ends]
    lines = [Line(label="in use", points=steps(used), colour=ORANGE, fill=True)]
    lost = []
    for each in sorted(results, key=lambda each: each.policy == "headroom"):  # ours on top
        colour, says = COLOURS.get(each.policy), SAYS.get(each.policy, each.policy)
        if colour is None and each.policy in SAYS:
            continue  # too many lines say nothing
        course = [moment for moment in each.course if begins <= moment.at <= ends]
        points = steps([(moment.at, float(moment.capacity)) for moment in course])
        width = 3 if each.policy == "headroom" else 1.2
        lines.append(Line(label=says, points=points, colour=colour or SKY, width=width))
        away = [(now.at, float(now.capacity)) for before, now in pairwise(course) if now.rejected > before.rejected]
        if away:
            lost.append(Line(label=f"{says}: a call turned away", points=away, colour=colour or SKY, dots=True))
    title = "HD connections serving under each policy, and in use, over the busiest day"
    return over_time(title, "HD connections", [*lines, *lost], zone, (begins, ends), height=420 + 12 * len(lost))


def _costs(lines: Sequence[dict[str, Any]]) -> Markup:
    found = [
        Line(label=line["says"], points=[(line["rejected"], line["hours"])], colour=COLOURS.get(line["policy"], GREY))
        for line in lines
    ]
    most = max(line["rejected"] for line in lines)
    ticks = [0.0, *(tick for tick in TICKS if tick < most), next((tick for tick in TICKS if tick >= most), TICKS[-1])]
    title = "Node-hours of each policy against calls turned away"
    return scatter(title, ("calls turned away of 10,000", "node-hours"), found, lambda number: log10(1 + number), ticks)
