"""The result of the morning: numbers, the comparison with Pexip's own rule, and whether history and world agree."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from markupsafe import Markup

from headroom.adapters.ledger import Ledger
from headroom.domain.history.events import Event, Kind
from headroom.domain.history.lifetimes import Lifetime
from headroom_cli.drawing import BLUE, ORANGE, STYLE, TEMPLATES, VERMILION, Line, over_time, steps
from headroom_lab.demo.scenario import ZONE, Outcome, Scenario

LAUNCHES_AGREE = 2.0  # seconds
STOPS_AGREE = 120.0
NINE = time(9)


@dataclass(frozen=True, slots=True)
class Morning:
    """Everything the report is made of."""

    scenario: Scenario
    journal: list[dict[str, Any]]
    events: list[Event]
    lifetimes: dict[str, list[Lifetime]]
    executions: list[dict[str, Any]]
    native: Outcome
    oracle: Outcome
    wall_seconds: float

    def happened(self, what: str) -> list[dict[str, Any]]:
        """The journal's lines of one kind."""
        return [line for line in self.journal if line["what"] == what]


def read_history(
    ledger: Ledger, nodes: list[str], since: datetime, until: datetime
) -> tuple[list[Event], dict[str, list[Lifetime]]]:
    """Read all events of those days, oldest first, and every node's lifetimes."""
    days = {f"{since + timedelta(days=number):%Y-%m-%d}" for number in range((until - since).days + 2)}
    events = sorted((event for day in sorted(days) for event in ledger.events(day)), key=lambda event: event.at)
    return events, {node: ledger.lifetimes(node) for node in nodes}


def numbers(morning: Morning) -> dict[str, Any]:
    """Return report.json."""
    last = morning.happened("sample")[-1]
    failed = [one for one in morning.executions if one["status"] in {"FAILED", "TIMED_OUT", "ABORTED"}]
    given_up = any(event.kind is Kind.GIVEN_UP for event in morning.events)
    expected = {"NodeDidNotServe", "PromiseMissed"} if given_up else set()
    nine = morning.scenario.at(NINE)
    return {
        "calls_offered": last["offered"],
        "calls_rejected": len(morning.happened("rejected")),
        "calls_cut": len(morning.happened("cut")),
        "native_calls_rejected": morning.native.rejected,
        "oracle_calls_rejected": morning.oracle.rejected,
        "node_hours": round(last["node_seconds"] / 3600, 2),
        "native_node_hours": round(morning.native.node_hours, 2),
        "oracle_node_hours": round(morning.oracle.node_hours, 2),
        "nodes_started": len(morning.happened("powered on")),
        "nodes_serving_at_0900": _serving_at(morning.journal, nine),
        "nodes_stopped": len(morning.happened("powered off")),
        "executions": {
            "succeeded": sum(one["status"] == "SUCCEEDED" for one in morning.executions),
            "failed": len(failed),
        },
        "events": len(morning.events),
        "lifetimes": sum(map(len, morning.lifetimes.values())),
        "wall_seconds": round(morning.wall_seconds, 1),
        "stops_refused_or_reversed": sum(event.kind in {Kind.STOP_REFUSED, Kind.REOPENED} for event in morning.events),
        "failed_starts": sum(event.kind is Kind.GIVEN_UP for event in morning.events),
        "stops_closed_and_empty": sum(line["closed"] and not line["calls"] for line in morning.happened("powered off")),
        "disagreements": disagreements(morning),
        "unexpected_failures": [
            f"{one['name']}: {one.get('error', one['status'])}" for one in failed if one.get("error") not in expected
        ],
    }


def _serving_at(journal: list[dict[str, Any]], at: float) -> int:
    ready: dict[str, float] = {}
    closed: set[str] = set()
    for line in journal:
        if line["at"] > at:
            break
        match line["what"]:
            case "powered on":
                ready[line["node"]] = line["ready_at"]
            case "powered off":
                ready.pop(line["node"], None)
            case "closed":
                closed.add(line["node"])
            case "opened":
                closed.discard(line["node"])
    return sum(ready_at <= at and node not in closed for node, ready_at in ready.items())


def disagreements(morning: Morning) -> list[str]:
    """Compare lifetimes and events with the world's own record; an empty list is agreement."""
    kept = {
        (node, lifetime.launched_at.timestamp()): lifetime
        for node, lifetimes in morning.lifetimes.items()
        for lifetime in lifetimes
    }
    found = [
        f"{line['node']} was powered on at {_clock(line['at'])}, but no lifetime says so"
        for line in morning.happened("powered on")
        if not _near(kept, line["node"], line["launched_at"])
    ]
    offs = {(line["node"], line["launched_at"]): line["at"] for line in morning.happened("powered off")}
    for (node, launched_at), off_at in offs.items():
        lifetime = _near(kept, node, launched_at)
        stopped_at = lifetime.stopped_at if lifetime else None
        if stopped_at is None or abs(stopped_at.timestamp() - off_at) > STOPS_AGREE:
            found.append(f"{node} was powered off at {_clock(off_at)}, its lifetime says {stopped_at}")
    ons = [(line["node"], line["launched_at"]) for line in morning.happened("powered on")]
    for node, launched_at in kept:
        if not any(node == name and abs(launched_at - at) < LAUNCHES_AGREE for name, at in ons):
            found.append(f"a lifetime of {node} begins at {_clock(launched_at)}, but it was not powered on then")
    served = Counter(event.node for event in morning.events if event.kind is Kind.SERVING)
    stopped = Counter(event.node for event in morning.events if event.kind is Kind.INSTANCE_STOPPED)
    for node, count in Counter(node for node, _ in offs).items():
        if stopped[node] != count:
            found.append(f"{node} was powered off {count} times, but history shows {stopped[node]}")
    unknown = sorted(set(served) - {node for node, _ in ons})
    return found + [f"{node} serves in history, but was never powered on" for node in unknown]


def _near(kept: dict[tuple[str, float], Lifetime], node: str, launched_at: float) -> Lifetime | None:
    matches = [one for (name, at), one in kept.items() if name == node and abs(at - launched_at) < LAUNCHES_AGREE]
    return matches[0] if matches else None


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, ZONE):%H:%M:%S}"


def failures(found: dict[str, Any]) -> list[str]:
    """Return why the morning failed; an empty list means success."""
    problems = [f"{found['calls_cut']} calls were cut"] if found["calls_cut"] else []
    problems += [f"history disagrees with the world: {what}" for what in found["disagreements"]]
    problems += [f"a workflow failed: {what}" for what in found["unexpected_failures"]]
    if found["nodes_stopped"] != found["stops_closed_and_empty"]:
        problems.append("a node was stopped that was not closed and empty")
    return problems


PAGE = TEMPLATES.from_string("""<!DOCTYPE html>
<html lang="en"><head><title>Headroom: {{ title }}</title>{{ style }}
<style>.scroll td:not(:nth-child(4)) { white-space: nowrap; }</style></head><body>
<h1>{{ title }}</h1>
<p>{{ found.calls_offered }} calls were offered. Headroom turned away {{ found.calls_rejected }} of them, Pexip's own rule
would have turned away {{ found.native_calls_rejected }} on the same morning. {{ found.calls_cut }} calls were cut.</p>
<table><tr><th></th><th>Headroom</th><th>Pexip's own rule</th><th>Knowing every call beforehand</th></tr>
<tr><td>Calls turned away</td><td>{{ found.calls_rejected }}</td><td>{{ found.native_calls_rejected }}</td>
<td>{{ found.oracle_calls_rejected }}</td></tr>
<tr><td>Overflow node-hours</td><td>{{ found.node_hours }}</td><td>{{ found.native_node_hours }}</td>
<td>{{ found.oracle_node_hours }}</td></tr>
<tr><td>Nodes started</td><td>{{ found.nodes_started }}</td><td>{{ native_starts }}</td><td>{{ oracle_starts }}</td></tr>
<tr><td>Stops refused or reversed because of a call or a need</td><td>{{ found.stops_refused_or_reversed }}</td><td></td><td></td></tr>
</table>
<h2>Load against capacity</h2>{{ chart }}
<h2>What happened, and why</h2><div class="scroll"><table><tr><th>Time</th><th>Node</th><th>Event</th><th>Reason</th><th>By</th></tr>
{% for event in events %}<tr><td>{{ event.at.astimezone(zone).strftime("%H:%M:%S") }}</td><td>{{ event.node }}</td>
<td>{{ event.kind }}</td><td>{{ event.reason }}</td><td>{{ event.by }}</td></tr>{% endfor %}</table></div>
</body></html>""")  # noqa: E501


def chart(morning: Morning) -> Markup:
    """Draw load against capacity over the morning, rejected calls marked."""
    begin = morning.scenario.at(morning.scenario.begins)
    samples = [line for line in morning.happened("sample") if line["at"] >= begin]
    capacity = steps([(line["at"], line["capacity"]) for line in samples])
    used = [(line["at"], line["used"]) for line in samples]
    lines = [
        Line(label="HD connections that serve", points=capacity, colour=BLUE, width=2),
        Line(label="in use", points=used, colour=ORANGE, fill=True),
    ]
    rejected = [(line["at"], 0.0) for line in morning.happened("rejected")]
    lines += [Line(label="call turned away", points=rejected, colour=VERMILION, dots=True)] if rejected else []
    return over_time(
        "HD connections in use and serving over the morning", "HD connections", lines, ZONE, (begin, samples[-1]["at"])
    )


def write(morning: Morning, folder: Path) -> dict[str, Any]:
    """Write report.json and report.html into a folder; return the numbers."""
    found = numbers(morning)
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps(found, indent=2) + "\n")
    page = PAGE.render(
        title=f"Headroom on {morning.scenario.title}",
        found=found,
        native_starts=morning.native.starts,
        oracle_starts=morning.oracle.starts,
        events=morning.events,
        zone=ZONE,
        chart=chart(morning),
        style=STYLE,
    )
    (folder / "report.html").write_text(page)
    return found
