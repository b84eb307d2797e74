"""The replay as a page: who turned how many away, at what cost, and the busiest day as each policy met it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import cycle, groupby, pairwise
from statistics import mean
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from headroom_lab.drawing import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, STYLE, TEMPLATES, VERMILION, drawing
from headroom_lab.replay.score import Result
from headroom_lab.replay.show import in_order

MARGIN = timedelta(minutes=30)
GREY = "#767676"
COLOURS = {
    "headroom": BLUE,
    "native": VERMILION,
    "native+0850": PURPLE,
    "target-tracking": SKY,
    "oracle": GREEN,
    "perfect-forecast": BLACK,
}
SAYS = {
    "headroom": "Headroom",
    "native": "Pexip's own rule",
    "native-either": "Pexip's own rule, read so that the principal location goes on counting",
    "native-impatient": "Pexip's own rule, read so that it does not wait for a node that boots",
    "native+0850": "Pexip's guide: its rule, and every node at 08:50",
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
<p>HD connections that serve under each policy, against those in use; a cross is a minute in which a call was turned away.</p>
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
    with drawing("HD connections serving under each policy, and in use, over the busiest day", zone=zone) as made:
        axes = made.axes
        most = max(results, key=lambda each: max(moment.used for moment in each.course))
        times = _times([moment.at for moment in most.course], zone)
        used = [moment.used for moment in most.course]
        axes.fill_between(times, used, step="post", alpha=0.35, color=ORANGE, label="in use")
        for each in sorted(results, key=lambda each: each.policy == "headroom"):  # ours on top
            colour, says = COLOURS.get(each.policy), SAYS.get(each.policy, each.policy)
            if colour is None and each.policy in SAYS:
                continue  # too many lines say nothing
            course, width = each.course, 2.2 if each.policy == "headroom" else 1.1
            capacity = [moment.capacity for moment in course]
            axes.step(
                _times([moment.at for moment in course], zone),
                capacity,
                where="post",
                color=colour or SKY,
                lw=width,
                label=says,
            )
            lost = [now for before, now in pairwise(course) if now.rejected > before.rejected]
            crosses = _times([moment.at for moment in lost], zone)
            axes.plot(crosses, [moment.capacity for moment in lost], "x", color=colour or SKY, ms=7, mew=2)
        busy = [at for at, load in zip(times, used, strict=True) if load]
        axes.set_xlim(busy[0] - MARGIN, busy[-1] + MARGIN)
        axes.set_ylabel("HD connections")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncol=2, frameon=False, fontsize="small")
    return made.svg


def _times(moments: Sequence[float], zone: ZoneInfo) -> Any:
    return [datetime.fromtimestamp(at, zone) for at in moments]


def _costs(lines: Sequence[dict[str, Any]]) -> Markup:
    with drawing("Node-hours of each policy against calls turned away", height=3.5) as made:
        axes = made.axes
        for line, marker in zip(lines, cycle("osD^vP*X"), strict=False):
            colour = COLOURS.get(line["policy"], GREY)
            axes.plot(line["rejected"], line["hours"], marker, color=colour, label=line["says"], ls="none", ms=8)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(left=-0.2)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("calls turned away of 10,000")
        axes.set_ylabel("node-hours")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=2, frameon=False, fontsize="small")
    return made.svg
