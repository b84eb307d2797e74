"""Whatever people, programs and Pexip put into texts, lists and times: plans go on, nothing is forged or grows too large."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from headroom import clock
from headroom.adapters.notify import harmless
from headroom.domain.fleet.lifecycle import Hold
from headroom.domain.history.events import Event, Kind
from headroom.domain.people.orders import Do
from headroom.domain.planning.promises import BadRequestError
from headroom.usecases.order import Order
from headroom_cli.main import main
from headroom_lab.proof.stage import CONTEXT, Stage
from headroom_lab.proof.table import size
from tests.simulation.conftest import Deployed

HAN = [chr(code) for code in range(0x4E00, 0x9000)]
MOST = 300_000  # bytes of an item
EVIL = "\x1b[2Jx\r\nBcc: all\x00 <!channel> @here \u202e=1+1 "


def plans(stage: Stage) -> int:
    return len(stage.table.items["plan#manager.example.com"])


def largest(stage: Stage) -> int:
    return max(size(item) for part in stage.table.items.values() for item in part.values())


@pytest.mark.parametrize("length", [40_000, 200_000])
@pytest.mark.parametrize("machine", ["prewarm", "start_node", "retire_node", "set_open"])
def test_a_reason_of_any_length_and_kind_costs_no_plan_and_no_message(stage: Stage, machine: str, length: int) -> None:
    """Step Functions takes an input of 256 KB."""
    stage.after(0, stage.every_minute)
    stage.minutes(2)
    reason = (EVIL * length)[:length]
    given: dict[str, Any] = {"nodes": ["burst-2"]} if machine == "prewarm" else {"node": "burst-2"}
    given = given | {"open": True} if machine == "set_open" else given
    if machine == "retire_node":
        given["node"] = "burst-1"
    stage.begin(machine, "by-hand", given | {"reason": reason})
    before = plans(stage)
    stage.minutes(20)
    assert plans(stage) - before >= 20
    assert stage.findings == []
    assert largest(stage) < MOST
    for event in stage.ledger.events("2026-03-29"):
        assert event.reason.isprintable()
        assert len(event.reason) <= 2000
    for told in stage.told:
        assert "Bcc" not in told.splitlines()[0] or "\nBcc" not in told


def test_alarms_reasons_and_names_as_long_as_pexip_has_them_fit_into_every_item(
    make_stage: Callable[..., Stage],
) -> None:
    """Random text, which does not compress."""
    stage = make_stage(nodes=500)
    dice = random.Random(1)
    for node in stage.overflow:
        stage.world.rename(node, node.name + "-" + "".join(dice.choices("abcdefghij", k=31 - len(node.name))))
        stage.world.set_closed(node, closed=True, reason="".join(dice.choices(HAN, k=250)))
        details = "".join(dice.choices(HAN, k=8096))
        stage.world.alarms.append({"name": "connectivity", "node": node.address, "details": details, "at": stage.now})
    stage.after(0, stage.every_minute)
    stage.minutes(4)
    assert plans(stage) >= 3
    assert largest(stage) < MOST
    assert any("are cut after" in issue.what for issue in stage.ledger.plan().issues)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"nodes": ["burst-2"] * 500}, ""),
        ({"nodes": [f"node-{number}" for number in range(50_000)]}, "50000 nodes are named: name 500 at the most"),
        ({"nodes": ["burst-2"], "until": "2100-01-01T00:00:00Z"}, "until is more than 366 days ahead"),
        ({"nodes": ["burst-2"], "until": "9999-12-31T23:59:59.999999Z"}, "until is more than 366 days ahead"),
        ({"nodes": ["x" * 30_000]}, "No overflow node is called xxx"),
        ({"x" * 30_000: 1}, "Unknown field xxx"),
        ({"count": 10**30}, "count is 1000"),
        ({"reason": ["a"]}, "The input cannot be read"),
        ("now, please", "The input is no JSON object"),
        ([["burst-2"]], "The input is no JSON object"),
        (None, "The input is no JSON object"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_a_promise_is_made_once_or_refused_in_a_sentence(stage: Stage, given: Any, why: str) -> None:
    stage.after(0, stage.every_minute)
    stage.minutes(2)
    made = stage.begin("prewarm", "by-hand", given)
    stage.minutes(15)
    if not why:
        assert [hold.nodes for hold in stage.ledger.holds(stage.moment())] == [("burst-2",)]
        assert sum(machine == "start_node" for machine in stage.machine_of.values()) == 1
        return
    assert made.error == "BadRequestError"
    told = json.loads(made.cause)["errorMessage"]
    assert told.startswith(why)
    assert len(told) < 700
    assert stage.ledger.holds(stage.moment()) == []


def test_a_node_that_is_named_500_times_is_opened_by_one_execution(deployed: Deployed) -> None:
    deployed.stage.minutes(1)
    done = deployed.operator().carry_out(Order(do=Do.CLOSE, nodes=("burst-1",) * 500), "anna")
    assert len(done.executions) == 1
    with pytest.raises(BadRequestError, match="name 500 at the most"):
        deployed.operator().carry_out(Order(do=Do.CLOSE, nodes=("burst-1",) * 501), "anna")


def test_no_name_is_longer_than_a_key_may_be(deployed: Deployed) -> None:
    """DynamoDB takes 2,048 bytes of one; so what is typed into a field is cut, and an order names none that is longer."""
    deployed.stage.minutes(3)
    deployed.ledger.promise(promised(deployed.stage))
    for do in Do:
        with pytest.raises(BadRequestError, match="The name of a node has more than 200 characters"):
            deployed.operator().carry_out(Order(do=do, nodes=("burst-1", "x" * 3000), reason="x"), "anna")
    show = deployed.stage.apps["show"].handler
    for field in ("node", "kind", "like", "state", "days"):
        event = {"show": "history", "widgetContext": {"forms": {"all": {field: "x" * 100_000}}}}
        assert len(show(event, CONTEXT)) < 100_000
    begun = deployed.stage.begin("start_node", "by-hand", {"node": "x" * 30_000})
    deployed.stage.minutes(1)
    assert begun.error == "UnknownNodeError"
    assert len(begun.cause) < 600


def promised(stage: Stage) -> Hold:
    now = stage.moment()
    until = now + timedelta(hours=1)
    return Hold(id="h", begins=now, ready_by=now, until=until, reason="all-hands", by="anna", nodes=("burst-1",))


def test_who_asks_forges_no_line_of_the_history(deployed: Deployed) -> None:
    deployed.stage.minutes(3)
    deployed.operator().carry_out(Order(do=Do.PAUSE, reason=EVIL), f"anna {EVIL}")
    [event] = [each for each in deployed.ledger.events("2026-03-29") if each.kind == "asked to pause"]
    assert event.by.isprintable()
    assert event.reason.endswith("until it is resumed: [2Jx Bcc: all <!channel> @here =1+1")
    pause = deployed.ledger.pause(clock.now())
    assert pause
    assert pause.reason.isprintable()


@pytest.mark.parametrize("command", [["status"], ["nodes"], ["issues"], ["history"], ["why", "burst-1"]])
def test_no_text_of_the_past_moves_a_cursor(deployed: Deployed, command: list[str]) -> None:
    """As an earlier version wrote it, or somebody else."""
    deployed.stage.minutes(3)
    items = deployed.stage.table.items
    at = deployed.stage.moment()
    deployed.ledger.write(Event(at=at, kind=Kind.OPENED, node="burst-1", reason="x", by="anna"))
    for part in items.values():
        for item in part.values():
            if item.get("kind") == "opened":
                item["reason"] = EVIL
    deployed.stage.world.set_closed(deployed.stage.overflow[0], closed=True, reason=EVIL)
    deployed.stage.minutes(2)
    said = CliRunner().invoke(main, command)
    assert said.exit_code in {0, 3}, said.output  # 3: there are issues
    assert {each for each in said.output if not each.isprintable()} <= {"\n"}


def test_nobody_is_called_by_a_chat_message(stage: Stage) -> None:
    stage.after(0, stage.every_minute)
    stage.minutes(2)
    stage.begin("prewarm", "all-hands", {"nodes": ["burst-2"], "reason": "<!channel> @here [x](http://evil.example)"})
    stage.minutes(12)
    assert stage.chats
    for chat in stage.chats:
        assert "<!" not in chat
        assert "@here" not in chat
    assert harmless("a <b> & c") == "a &lt;b&gt; &amp; c"


def test_a_promise_until_a_year_from_now_is_kept_and_not_a_day_longer(stage: Stage) -> None:
    stage.after(0, stage.every_minute)
    stage.minutes(2)
    for days, error in ((365, ""), (368, "BadRequestError")):
        until = datetime.fromtimestamp(stage.now, UTC) + timedelta(days=days)
        made = stage.begin("prewarm", f"{days} days", {"nodes": ["burst-2"], "until": until.isoformat()})
        stage.minutes(15)
        assert made.error == error
