"""Records that this version cannot read: each is set aside with an issue that names it, and everything else goes on."""

import zlib
from typing import Any

import pytest

from headroom.adapters.ledger.codec import FORMAT, pack
from headroom.adapters.ledger.errors import UnreadableRecordError
from headroom.domain.fleet.lifecycle import Action, Pausing, Record
from headroom.domain.planning.issues import Trouble
from headroom_replay.world import Call
from tests.integration.conftest import HOSTNAME, Desk

FOREVER = 4102444800
OLD = zlib.compress(b'{"id":"old","what":"else"}')
BODIES: dict[str, Any] = {
    "of another shape": OLD,
    "that is no archive": b"whatever",
    "half written": pack({"id": "x"})[:-4],
    "of text": "text",
    "that is missing": None,
}


def put(desk: Desk, pk: str, sk: str, **attributes: Any) -> None:
    given = {name: value for name, value in attributes.items() if value is not None}
    desk.ledger.table.put_item(Item={"pk": f"{pk}#{HOSTNAME}", "sk": sk, **given})


@pytest.fixture
def full(desk: Desk) -> Desk:
    """The principal location is nearly full, so that a node is needed."""
    now = desk.world.now
    desk.world.expect(Call(now + 1 + n / 100, f"c{n}", "Oslo", 5000) for n in range(17))
    desk.world.advance(now + 10)
    return desk


def unreadable(desk: Desk) -> list[str]:
    return [issue.about for issue in desk.tick().issues if issue.kind is Trouble.UNREADABLE]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_promise_that_cannot_be_read_is_named_and_everything_else_is_planned(full: Desk, body: Any) -> None:
    put(full, "holds", "old", body=body, expires_at=FOREVER)
    made = full.tick()
    assert [issue.about for issue in made.issues if issue.kind is Trouble.UNREADABLE] == ["promise old"]
    assert [change.action for change in made.changes] == [Action.START]


@pytest.mark.parametrize(
    "odd",
    [
        {"wanted": "parked", "version": 3},
        {"version": "three"},
        {"claim_until": "soon", "claim_token": "t", "claim_action": "start"},
        {"claim_until": "2026-03-02T08:00:00Z", "claim_token": "t", "claim_action": "teleport"},
        {"closed_at": 7},
        {"boots": "none"},
        {"started_at": [1]},
        {"v": FORMAT + 1},
    ],
)
def test_a_node_whose_memory_cannot_be_read_is_left_as_it_is_and_another_starts(
    full: Desk, odd: dict[str, Any]
) -> None:
    put(full, "nodes", "burst-1", **odd)
    before = full.ledger.table.get_item(Key={"pk": f"nodes#{HOSTNAME}", "sk": "burst-1"})["Item"]
    made = full.tick()
    assert [issue.about for issue in made.issues if issue.kind is Trouble.UNREADABLE] == ["node burst-1"]
    assert [(change.node, change.action) for change in made.changes] == [("burst-2", Action.START)]
    assert full.ledger.table.get_item(Key={"pk": f"nodes#{HOSTNAME}", "sk": "burst-1"})["Item"] == before


def test_a_person_who_starts_such_a_node_writes_its_record_anew(full: Desk) -> None:
    put(full, "nodes", "burst-1", wanted="parked", version=3)
    full.tick()
    with pytest.raises(UnreadableRecordError, match="«burst-1» of the table cannot be read"):
        full.call("claim", workflow="retire_node", given={"node": "burst-1"}, token="by-hand-1")
    full.call("claim", workflow="start_node", given={"node": "burst-1", "reason": "mended"}, token="by-hand-2")
    assert full.ledger.memory("burst-1").claim is not None
    assert unreadable(full) == []


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_newest_plan_that_cannot_be_read_is_said_and_the_chain_goes_on(full: Desk, body: Any) -> None:
    full.tick()
    number = full.ledger.last_plan().number  # type: ignore[union-attr]
    item = full.ledger.table.get_item(Key={"pk": f"now#{HOSTNAME}", "sk": "plan"})["Item"]
    full.ledger.table.put_item(
        Item={name: value for name, value in (item | {"body": body}).items() if value is not None}
    )
    assert unreadable(full) == [f"newest plan {number}"]
    assert full.ledger.last_plan().number == number + 1  # type: ignore[union-attr]
    assert unreadable(full) == []


def test_a_newest_plan_without_its_number_begins_the_chain_anew(full: Desk) -> None:
    full.tick()
    put(full, "now", "plan", body=b"whatever")
    assert unreadable(full) == ["newest plan 0"]
    assert full.ledger.last_plan().number == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("odd", [{"holding": "breath"}, {"since": "today"}, {"since": 7}, {"v": FORMAT + 1}])
def test_a_pause_that_cannot_be_read_holds_everything(full: Desk, odd: dict[str, Any]) -> None:
    put(full, "now", "pause", reason="network", **odd)
    pause = full.ledger.pause()
    assert pause is not None
    assert pause.holding is Pausing.EVERYTHING
    made = full.tick()
    assert made.changes == ()
    assert "cannot be read" in made.frozen


def test_a_lifetime_that_cannot_be_read_is_named(full: Desk) -> None:
    put(full, "on", "i-1", node="burst-1", launched_at="then")
    assert unreadable(full) == [f"{Record.LIFETIME} i-1"]


@pytest.mark.parametrize(
    ("pk", "sk"), [("now", "reading"), ("now", "bookings"), ("now", "told"), ("profiles", "Oslo"), ("series", "x")]
)
def test_what_is_only_known_of_the_load_is_read_or_learned_anew(full: Desk, pk: str, sk: str) -> None:
    put(full, pk, sk, body=OLD, at="then")
    assert [change.action for change in full.tick().changes] == [Action.START]
    full.call("notify")
    full.call("learn")


def test_every_record_carries_its_format(full: Desk) -> None:
    full.tick()
    items = full.ledger.table.scan()["Items"]
    assert {str(item["pk"]).partition("#")[0] for item in items} >= {
        "now",
        "plan",
        "snapshot",
        "nodes",
        "events",
        "samples",
    }
    assert [item for item in items if item.get("v") != FORMAT] == []
