"""What an operator wants to see while the morning plays: time, headroom as bars, nodes, workflows, reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headroom.domain.fleet.fleet import NodeState
from headroom.domain.fleet.load import Load
from headroom.domain.history.events import Event, Kind
from headroom.domain.planning.plans import Plan

COLOURS = {
    NodeState.STOPPED: "dim",
    NodeState.STARTING: "yellow",
    NodeState.LATE: "bold red",
    NodeState.SERVING: "green",
    NodeState.OPENING: "cyan",
    NodeState.CLOSED: "magenta",
    NodeState.CLOSED_BY_OTHERS: "bold red",
    NodeState.UPGRADING: "blue",
    NodeState.STOPPING: "dim yellow",
    NodeState.GONE: "red",
}
EVENTS_SHOWN = 9
ROUTINE = {Kind.INSTANCE_PENDING, Kind.INSTANCE_RUNNING, Kind.INSTANCE_STOPPING, Kind.START_ASKED}


@dataclass(frozen=True, slots=True)
class View:
    """One look at everything."""

    now: datetime
    speed: float
    endpoint: str
    page: str
    title: str
    plan: Plan | None
    events: Sequence[Event]
    executions: Sequence[dict[str, Any]]
    offered: int
    rejected: int
    cut: int


def draw(view: View) -> RenderableType:
    """Draw the whole screen."""
    running = [one for one in view.executions if one["status"] == "RUNNING"]
    head = Text.assemble(
        (f"{view.now:%H:%M:%S}", "bold"),
        f"  {view.title}, {view.speed:g} times as fast as real   ",
        f"calls offered {view.offered}   turned away ",
        (str(view.rejected), "bold red" if view.rejected else "green"),
        "   cut ",
        (str(view.cut), "bold red" if view.cut else "green"),
    )
    where = Text(f"The page, live: {view.page}\nThe embedded AWS answers at {view.endpoint}", style="dim")
    if view.plan is None:
        return Group(head, where, Text("Waiting for the first plan", style="dim"))
    return Group(
        head,
        where,
        Panel(_locations(view.plan), title="HD connections", title_align="left"),
        Panel(_nodes(view.plan), title="Overflow nodes", title_align="left"),
        Panel(_workflows(running), title="Workflows at work", title_align="left"),
        Panel(_events(view), title="What happened, and why", title_align="left"),
        Text.assemble(("Plan  ", "bold"), view.plan.reason),
    )


def _locations(plan: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    for load in [*plan.principals, *plan.overflows]:
        table.add_row(load.location, _bar(load), f"{load.used} of {load.hd} in use", _free(load))
    return table


def _bar(load: Load) -> RenderableType:
    return ProgressBar(total=max(load.hd, 1), completed=load.used, width=40)


def _free(load: Load) -> Text:
    coming = f", {load.coming} coming" if load.coming else ""
    return Text(f"{load.free} free{coming}", style="green" if load.free else "red")


def _nodes(plan: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    cells = [
        Text.assemble(
            (f"{node.name} ", "bold"),
            (f"{node.state:<10}", COLOURS[node.state]),
            f"{node.used:>3}/{node.hd}" if node.state in {NodeState.SERVING, NodeState.CLOSED} else "      ",
        )
        for node in plan.nodes
    ]
    for row in range(0, len(cells), 3):
        table.add_row(*cells[row : row + 3])
    return table


def _workflows(running: Sequence[dict[str, Any]]) -> Text:
    if not running:
        return Text("none", style="dim")
    counts: dict[str, int] = {}
    for one in running:
        name = one["stateMachineArn"].rpartition(":")[2].partition("-")[2].replace("-", "_")
        counts[name] = counts.get(name, 0) + 1
    return Text(", ".join(f"{name} × {count}" for name, count in sorted(counts.items())))


def _events(view: View) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    for width in (8, 9, 15):
        table.add_column(no_wrap=True, min_width=width)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    shown = [event for event in view.events if event.kind not in ROUTINE][:EVENTS_SHOWN]
    for event in shown:
        at = event.at.astimezone(view.now.tzinfo)
        table.add_row(f"{at:%H:%M:%S}", event.node, event.kind, event.reason)
    return table


def say_briefly(console: Console, view: View) -> None:
    """One line, for a log instead of a terminal."""
    if view.plan is None:
        return
    loads = "; ".join(
        f"{load.location} {load.used}/{load.hd}" for load in [*view.plan.principals, *view.plan.overflows]
    )
    on = sum(node.state is NodeState.SERVING for node in view.plan.nodes)
    console.print(
        f"{view.now:%H:%M}  {loads}; {on} nodes serve; turned away {view.rejected}. {view.plan.reason}", soft_wrap=True
    )
