"""Status, nodes, issues and history as a terminal shows them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from headroom.domain.fleet.fleet import NodeState
from headroom.domain.history.events import Event
from headroom.domain.people.status import Level, Place, Seen, Status
from headroom.domain.texts import line
from headroom.widgets.words import ago

COLOURS = {
    NodeState.SERVING: "green",
    NodeState.STARTING: "yellow",
    NodeState.OPENING: "yellow",
    NodeState.CLOSED: "cyan",
    NodeState.STOPPED: "dim",
    NodeState.LATE: "red",
    NodeState.GONE: "red",
}
LEVELS = {Level.FINE: "", Level.APPROACHING: "yellow", Level.REACHED: "red"}


def plain(text: str) -> str:
    """Write a text so that rich takes it as it is, and a terminal as one line."""
    return escape(line(text))


def _table(*titles: str, right: Sequence[str] = (), whole: Sequence[str] = ()) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left", no_wrap=title in whole or title in right)
    return table


def head_of(status: Status) -> Text:
    """Return the first lines: which platform, how old the news is, what the plan says."""
    here = ZoneInfo(status.zone)
    counts = ", ".join(f"{count} {state}" for state, count in status.nodes_by_state().items()) or "no overflow nodes"
    text = Text()
    text.append(status.platform, style="bold")
    text.append(f" in {status.mode} mode, {status.at.astimezone(here):%a %H:%M:%S} {status.zone}; Pexip read ")
    text.append(f"{ago(status.age)} ago", style="red" if status.is_old else "")
    text.append(f"; {counts}\n")
    if status.pause:
        by = f" by {status.pause.by}" if status.pause.by else ""
        ends = f" until {status.pause.until.astimezone(here):%a %d %b %H:%M}" if status.pause.until else ""
        text.append(line(f"Paused{by}{ends}: {status.pause.reason}") + "\n", style="yellow")
    text.append(line(status.reason))
    return text


def places_of(places: Iterable[Place]) -> Table:
    """Return one line a location."""
    table = _table(
        "location", "free", "of", "coming", "reserve", "threshold", "", "what asks for more",
        right=("free", "of", "coming", "reserve", "threshold"), whole=("location", ""),
    )  # fmt: skip
    for place in places:
        table.add_row(
            plain(place.location),
            str(place.free),
            str(place.hd),
            str(place.coming or ""),
            str(place.reserve or ""),
            str(place.threshold),
            Text(place.level, style=LEVELS[place.level]),
            plain(place.why),
        )
    return table


def nodes_of(nodes: Iterable[Seen], now: datetime) -> Table:
    """Return one line a node."""
    table = _table(
        "node", "location", "state", "for", "used", "of", "why", right=("for", "used", "of"), whole=("node",)
    )
    for node in nodes:
        table.add_row(
            plain(node.name),
            plain(node.location),
            Text(node.state, style=COLOURS.get(node.state, "")),
            ago((now - node.since).total_seconds()) if node.since else "",
            str(node.used or ""),
            str(node.hd),
            plain(
                "; ".join(part for part in (node.workflow, node.why, *(f"held: {why}" for why in node.holds)) if part)
            ),
        )
    return table


def issues_of(status: Status) -> Table:
    """Return one line an issue, with what to do."""
    table = _table("issue", "what to do")
    for issue in status.issues:
        table.add_row(plain(issue.what), plain(issue.advice))
    return table


def holds_of(status: Status) -> Table:
    """Return one line a promise."""
    here = ZoneInfo(status.zone)
    table = _table("promised", "what", "ready by", "until", "by", "hold", whole=("ready by", "until"))
    for hold in status.holds:
        table.add_row(
            plain(hold.reason),
            plain(hold.what),
            _when(hold.ready_by, status.at, here),
            "it is put back" if hold.out else _when(hold.until, status.at, here),
            plain(hold.by),
            plain(hold.id),
        )
    return table


def history_of(events: Iterable[Event], zone: str) -> Table:
    """Return one line an event, the newest first."""
    here = ZoneInfo(zone)
    table = _table("when", "node", "what", "why", "who", whole=("when", "node"))
    for event in events:
        table.add_row(
            f"{event.at.astimezone(here):%Y-%m-%d %H:%M:%S}",
            plain(event.node),
            plain(event.kind),
            plain(event.reason),
            plain(event.by),
        )
    return table


def whole(status: Status) -> RenderableType:
    """Return everything that has to be seen at a glance."""
    parts: list[RenderableType] = [head_of(status), places_of(status.places)]
    busy = [node for node in status.nodes if node.state is not NodeState.STOPPED or node.workflow]
    if busy:
        parts.append(nodes_of(busy, status.at))
    if status.holds:
        parts.append(holds_of(status))
    if status.issues:
        parts.append(issues_of(status))
    return Group(*parts)


def _when(moment: datetime, now: datetime, here: ZoneInfo) -> str:
    local, is_near = moment.astimezone(here), abs(moment - now) < timedelta(hours=12)
    return f"{local:%H:%M}" if is_near else f"{local:%a %H:%M}"
