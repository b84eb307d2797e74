"""The dashboard's widgets, and what happens when one of their buttons is pressed."""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from functions.order import app as act
from functions.show import app as show
from headroom.domain.people.orders import Do
from headroom.domain.planning.promises import BadRequestError
from headroom.usecases.order import Order
from headroom.widgets import Browser, Pages, Widgets
from headroom.widgets.pressed import order_of
from headroom_lab.proof.stage import CONTEXT, Stage
from tests.simulation.conftest import Deployed

SHOWN = ("status", "nodes", "history")
TAGS = {
    *(
        "a",
        "br",
        "caption",
        "code",
        "cwdb-action",
        "div",
        "form",
        "input",
        "label",
        "option",
        "p",
        "select",
        "span",
        "strong",
    ),
    *("style", "table", "tbody", "td", "th", "thead", "tr"),
}
ATTRIBUTES = {
    *("action", "class", "colspan", "confirmation", "display", "endpoint", "id", "inputmode", "maxlength", "name"),
    *("placeholder", "role", "scope", "selected", "size", "style", "title", "value"),
}
LARGEST = 256 * 1024
WIDGETS = Widgets(
    show="arn:aws:lambda:eu-central-1:123456789012:function:show",
    act="arn:aws:lambda:eu-central-1:123456789012:function:act",
)


class Read(HTMLParser):
    """Reads a page as a browser does: elements in their order, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"input", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def calls(self) -> list[dict[str, Any]]:
        """Return what each action of a widget sends."""
        return [json.loads(text) for text in self.texts if text.startswith("{")]


def keeps_cloudwatch_s_rules(page: str) -> bool:
    """No script, frame or use, no handler of events, no address that runs something, nothing that we do not use ourselves."""
    read = Read(page)
    assert {tag for tag, _ in read.elements} <= TAGS
    assert {name for _, attributes in read.elements for name in attributes} <= ATTRIBUTES
    assert "javascript:" not in page.lower()
    assert len(page.encode()) < LARGEST
    return not read.open


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage(nodes=6)


def test_a_name_that_is_markup_stays_a_name(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    evil = '<img src=x onerror="alert(1)">'
    for node in stage.overflow:
        node.name = f"{evil}{node.name}"
    stage.after(0, stage.every_minute)
    stage.minutes(3)
    for what in SHOWN:
        page = Pages(stage.ledger, WIDGETS).show(what, {"like": evil, "node": evil, "kind": evil})
        assert keeps_cloudwatch_s_rules(page)
        assert "<img" not in page
    assert evil in "".join(Read(Pages(stage.ledger, WIDGETS).show("nodes", {})).texts)


def test_five_hundred_nodes_fit_into_a_widget(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(nodes=500)
    stage.after(0, stage.every_minute)
    stage.expect(*[(n / 100, f"meeting {n}", 30.0) for n in range(200)])
    stage.minutes(5)
    for what in SHOWN:
        assert keeps_cloudwatch_s_rules(Pages(stage.ledger, WIDGETS, price=1.2).show(what, {"days": "31"}))
    names = [node.name for node in stage.overflow[:200]]
    stage.begin("prewarm", "all-hands", {"nodes": names, "reason": "all-hands " * 19})
    stage.minutes(3)
    for what in SHOWN:
        assert keeps_cloudwatch_s_rules(Pages(stage.ledger, WIDGETS, price=1.2).show(what, {}))
    page = Pages(stage.ledger, WIDGETS).show("nodes", {})
    assert "and 350 more: enter a part of a name above" in page
    assert "burst-499" in Pages(stage.ledger, WIDGETS).show("nodes", {"like": "burst-499"})


def press(page: str, **wanted: Any) -> dict[str, Any]:
    """Return what a button of the page sends."""
    return next(call for call in Read(page).calls() if wanted.items() <= call.items())


@pytest.fixture
def dashboard(deployed: Deployed) -> Iterator[Callable[..., str]]:
    """Calls the widgets' functions as CloudWatch does."""
    deployed.stage.minutes(3)

    def call(app: Any, given: dict[str, Any], **typed: str) -> str:
        return str(app.handler(given | {"widgetContext": {"theme": "dark", "forms": {"all": typed}}}, CONTEXT))

    return call  # type: ignore[return-value]


def test_a_button_starts_a_node_and_the_history_says_who_pressed_it(
    dashboard: Callable[..., str], deployed: Deployed
) -> None:
    nodes = dashboard(show, {"show": "nodes", "act": WIDGETS.act})
    order = press(nodes, do="start", nodes=["burst-3"])
    said = dashboard(act, order, until="03:30", reason="all-hands", name="Anna")
    assert re.search(r"burst-3 to serve by \d\d:\d\d and until 03:30: all-hands\.", said)
    deployed.stage.minutes(8)
    history = dashboard(show, {"show": "history"}, kind="asked to")
    assert f"CloudWatch dashboard (request {CONTEXT.aws_request_id}; typed name: Anna)" in history
    assert "held: all-hands" in dashboard(show, {"show": "nodes"}, like="burst-3")
    assert "● serving" in dashboard(show, {"show": "nodes"}, like="burst-3")
    assert "stays on: It is held: all-hands" in dashboard(show, {"show": "nodes"}, like="burst-3")


def test_everything_that_can_be_pressed_is_what_the_command_line_does(
    dashboard: Callable[..., str], deployed: Deployed
) -> None:
    stage = deployed.stage
    assert "nodes in Cloud to serve by" in dashboard(act, {"do": "start"}, count="2", until="04:30", reason="a drill")
    stage.minutes(10)
    status = dashboard(show, {"show": "status", "act": WIDGETS.act})
    assert dashboard(act, press(status, do="release")).count("Released: a drill.") == 1
    nodes = dashboard(show, {"show": "nodes", "act": WIDGETS.act})
    assert "burst-2 to be closed: by hand." in dashboard(act, press(nodes, do="close", nodes=["burst-2"]))
    assert "Give a reason: other operators will read it." in dashboard(act, press(status, do="pause"))
    assert "Paused. Within a minute" in dashboard(act, press(status, do="pause"), reason="a rehearsal")
    paused = dashboard(show, {"show": "status", "act": WIDGETS.act})
    assert "Paused by CloudWatch dashboard" in paused
    assert " until " not in paused.split("Paused by")[1].split("</p>")[0]
    assert "Resumed; it was paused for: a rehearsal." in dashboard(act, press(paused, do="resume"))


def test_a_pause_that_is_given_an_end_shows_it(dashboard: Callable[..., str], deployed: Deployed) -> None:
    deployed.stage.minutes(2)
    status = dashboard(show, {"show": "status", "act": WIDGETS.act})
    pressed = dashboard(act, press(status, do="pause"), reason="a rehearsal", until="04:30")
    assert "changes nothing until 04:30, or until it is resumed before: a rehearsal" in pressed
    paused = dashboard(show, {"show": "status", "act": WIDGETS.act})
    assert re.search(r"Paused by CloudWatch dashboard[^<]* since [\d:]+ until 04:30:00: a rehearsal", paused)


def test_whatever_is_sent_to_the_function_that_acts_is_checked_again(dashboard: Callable[..., str]) -> None:
    refused = {
        "Invalid enum value": {"do": "terminate", "nodes": ["burst-1"]},
        "Expected `array`": {"do": "start", "nodes": "burst-1"},
        "No overflow node is called": {"do": "start", "nodes": ["i-0abc"]},
        "Enter the number of nodes": {"do": "start"},
        "Only a node that serves can be closed": {"do": "close", "nodes": ["burst-3"]},
        "required field `do`": {},
    }
    for words, given in refused.items():
        said = dashboard(act, given)
        assert words in said.replace("&#39;", "'")
        assert 'class="hr-amiss"' in said
    assert "nine is not a time" in dashboard(act, {"do": "start", "nodes": ["burst-3"]}, until="nine")


def test_without_a_function_that_acts_there_is_nothing_to_press(dashboard: Callable[..., str]) -> None:
    for what in ("status", "nodes"):
        assert {call.get("do") for call in Read(dashboard(show, {"show": what})).calls()} <= {None}


def test_a_widget_says_what_it_is_and_what_it_lacks(stage: Stage, dashboard: Callable[..., str]) -> None:
    for app in (show, act):
        assert "Headroom" in app.handler({"describe": True}, CONTEXT)["markdown"]


def test_before_the_first_plan_a_page_says_what_to_do(stage: Stage) -> None:
    assert "wait a minute, and look at the log of observe" in Pages(stage.ledger, WIDGETS).show("status", {})


def test_the_page_outside_cloudwatch_has_the_same_orders(dashboard: Callable[..., str], stage: Stage) -> None:
    for what in SHOWN:
        page = Pages(stage.ledger, Browser()).show(what, {})
        mine = [json.loads(given["data-order"] or "") for _, given in Read(page).elements if "data-order" in given]
        theirs = [
            {name: value for name, value in call.items() if name != "act"}
            for call in Read(Pages(stage.ledger, WIDGETS).show(what, {})).calls()
            if "do" in call
        ]
        assert mine == theirs


def test_a_time_of_day_that_is_past_is_tomorrow_s(stage: Stage) -> None:
    order = order_of({"do": "hold", "nodes": ["burst-1"]}, {"until": "00:10"}, "UTC", stage.moment())
    assert order.until
    assert order.until.day == stage.moment().day + 1
    with pytest.raises(BadRequestError):
        order_of({"do": "start", "nodes": ["a"], "stops_only": 7}, {}, "UTC", stage.moment())
    pause = order_of({"do": "pause", "stops_only": True}, {}, "UTC", stage.moment())
    assert pause == Order(do=Do.PAUSE, stops_only=True)
