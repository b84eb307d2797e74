"""What is shown as HTML: status, nodes and history, for the dashboard's widgets and for `headroom page`.

One page, two kinds of buttons: CloudWatch wants its own element beside a link, a browser a real button. Everything is escaped
by the templates; the tags they use are the ones that CloudWatch lets pass.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import jinja2
import msgspec
from markupsafe import Markup

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.people.orders import FITS, Do
from headroom.domain.people.status import Seen, Status, status_of
from headroom.domain.safety.permission import NOT_PLANNED_YET
from headroom.widgets.words import ago, typed

ROWS = 150  # nodes or events; CloudWatch takes 256 KB of a widget
MOST = 50  # issues, locations, promises
MOST_OF_ONE = 500  # events of one node that are looked through
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
)
FIRST = (
    *(NodeState.LATE, NodeState.GONE, NodeState.CLOSED_BY_OTHERS, NodeState.UPGRADING),
    *(NodeState.STARTING, NodeState.OPENING, NodeState.CLOSED, NodeState.STOPPING),
)


class Buttons(Protocol):
    """How buttons work where the page is shown."""

    @property
    def can_act(self) -> bool:
        """Whether anything can be pressed at all."""

    def button(self, what: str, order: Mapping[str, Any], question: str) -> Markup:
        """Return the HTML of a button that gives an order once `question` was confirmed."""

    def again(self, what: str, show: str) -> Markup:
        """Return the HTML of a button that shows the same page again, with what was typed into its fields."""


@dataclass(frozen=True, slots=True)
class Widgets:
    """Buttons on a CloudWatch dashboard: a link, and the action that belongs to it, which calls a function.

    `act` is the ARN of the function that acts, `show` of the one that shows; without `act` nothing can be pressed.
    """

    show: str
    act: str = ""

    @property
    def can_act(self) -> bool:
        """Whether the dashboard names a function that acts."""
        return bool(self.act)

    def button(self, what: str, order: Mapping[str, Any], question: str) -> Markup:
        """Return a link and a call of the function that acts; its answer pops up."""
        if not self.act:
            return Markup()
        return Markup(
            '<a class="btn">{}</a><cwdb-action action="call" endpoint="{}" display="popup" confirmation="{}">{}</cwdb-action>'
        ).format(what, self.act, question, msgspec.json.encode(order).decode())

    def again(self, what: str, show: str) -> Markup:
        """Return a link and a call of the function that shows; its answer takes the widget's place."""
        given = msgspec.json.encode({"show": show, "act": self.act}).decode()
        return Markup(
            '<a class="btn btn-primary">{}</a><cwdb-action action="call" endpoint="{}" display="widget">{}</cwdb-action>'
        ).format(what, self.show, given)


@dataclass(frozen=True, slots=True)
class Browser:
    """Buttons on a page of our own: its script sends the order, with the fields of the section it is in."""

    can_act: bool = True

    def button(self, what: str, order: Mapping[str, Any], question: str) -> Markup:
        """Return a button that carries its order and its question."""
        return Markup('<button type="button" data-order="{}" data-question="{}">{}</button>').format(
            msgspec.json.encode(order).decode(), question, what
        )

    def again(self, what: str, show: str) -> Markup:
        """Return a button that has its section shown anew."""
        return Markup('<button type="button" data-again="{}">{}</button>').format(show, what)


@dataclass
class Pages:
    """Makes the pages from the ledger. `price` is what a node costs per hour, 0 if it is not set."""

    ledger: Ledger
    buttons: Buttons
    schedule: str = ""
    price: float = 0.0

    def show(self, what: str, fields: Mapping[str, str]) -> str:
        """Return a page's HTML; an unknown one is the status. `fields` is what was typed into its form."""
        now = clock.now()
        decision = self.ledger.decision_at(now)
        if decision is None:
            return answer(NOT_PLANNED_YET, failed=True)
        status = status_of(decision.observation, decision.policy, decision.plan, self.ledger.commitments(now), now)
        make: Callable[[Status, Mapping[str, str]], dict[str, Any]] = {
            "nodes": self._nodes,
            "history": self._history,
        }.get(what, self._status)
        what = what if what in {"nodes", "history"} else "status"
        shared = {
            "status": status,
            "price": self.price,
            "button": self.buttons.button,
            "again": lambda text: self.buttons.again(text, what),
            "can_act": self.buttons.can_act,
            "rows": ROWS,
            "most": MOST,
        }
        return _whole(what, now, status.zone, shared | make(status, fields))

    def _status(self, status: Status, _: Mapping[str, str]) -> dict[str, Any]:
        counts = ", ".join(f"{count} {state}" for state, count in status.nodes_by_state().items())
        return {"counts": counts or "No overflow nodes", "schedule": self.schedule}

    def _nodes(self, status: Status, fields: Mapping[str, str]) -> dict[str, Any]:
        like, state = typed(fields, "like"), typed(fields, "state")
        found = [
            node
            for node in status.nodes
            if state in {"", str(node.state)} and (like in node.name or like in node.location)
        ]
        return {
            "like": like,
            "state": state,
            "states": [str(each) for each in NodeState],
            "found": sorted(found, key=lambda node: (_place_in_line(node), node.name)),
            "actions": actions,
        }

    def _history(self, status: Status, fields: Mapping[str, str]) -> dict[str, Any]:
        node, kind, days = (typed(fields, name) for name in ("node", "kind", "days"))
        whole = min(int(days[:3]), 400) if days.isdecimal() and int(days[:3]) else 1
        found = (
            (event for event in self.ledger.events_of(node, MOST_OF_ONE) if event.kind.startswith(kind))
            if node
            else self.ledger.history(status.at.date(), whole, kind=kind)
        )
        return {"node": node, "kind": kind, "days": whole, "events": list(islice(found, ROWS + 1))}


UNTIL = "until the time above, or for the minimum lifetime if no time is given"


def answer(sentence: str, *, failed: bool = False) -> str:
    """Return the result of an order, as HTML."""
    return _whole("done", clock.now(), "UTC", {"sentence": sentence, "failed": failed})


def actions(node: Seen) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What can be done with a node as it is: the button, the order, the question."""
    name = node.name
    if node.state in FITS[Do.START]:
        yield "Start", {"do": "start", "nodes": [name]}, f"Start {name} and keep it {UNTIL}?"
    if node.state in FITS[Do.HOLD]:
        yield "Hold", {"do": "hold", "nodes": [name]}, f"Keep {name} serving {UNTIL}?"
    if node.state in FITS[Do.OPEN]:
        yield "Open", {"do": "open", "nodes": [name]}, f"Open {name} for new calls?"
    if node.state in FITS[Do.CLOSE]:
        yield "Close", {"do": "close", "nodes": [name]}, f"Close {name}? Its calls go on, new ones go elsewhere."
    if node.holds:
        held = ", ".join(f"«{reason}»" for reason in node.holds)
        yield (
            "Release",
            {"do": "release", "nodes": [name]},
            f"End the hold {held}? Its nodes may then be closed and stopped.",
        )


def _place_in_line(node: Seen) -> int:
    """Sort key: nodes that change or have a problem come first, stopped ones last."""
    if node.state in FIRST:
        return FIRST.index(node.state)
    return len(FIRST) + (node.state is NodeState.STOPPED)


def _whole(template: str, now: datetime, zone: str, given: Mapping[str, Any]) -> str:
    here = ZoneInfo(zone)

    def on_the_clock(moment: datetime) -> str:
        local = moment.astimezone(here)
        return f"{local:%H:%M:%S}" if local.date() == now.astimezone(here).date() else f"{local:%a %d %b %H:%M}"

    style = TEMPLATES.get_template("style.html").render()
    body = TEMPLATES.get_template(f"{template}.html").render(ago=ago, clock=on_the_clock, **given)
    return f'<div class="hr hr-{template}">{style}{body}</div>'
