"""Records that this version cannot read: each is set aside with an issue that names it, and everything else goes on."""

import pickle
import zlib
from datetime import timedelta
from typing import Any

import pytest

from headroom import clock
from headroom.adapters.ledger.codec import FORMAT, pack
from headroom.adapters.ledger.errors import UnreadableRecordError
from headroom.domain.fleet.lifecycle import Action, Pausing, Record
from headroom.domain.planning.issues import Trouble
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


def number(desk: Desk) -> int:
    planned = desk.ledger.last_plan()
    assert planned
    return planned.number


def unreadable(desk: Desk) -> list[str]:
    return [issue.about for issue in desk.tick().issues if issue.kind is Trouble.UNREADABLE]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_promise_that_cannot_be_read_is_named_and_everything_else_is_planned(rush: Desk, body: Any) -> None:
    put(rush, "holds", "old", body=body, expires_at=FOREVER)
    made = rush.tick()
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
    rush: Desk, odd: dict[str, Any]
) -> None:
    put(rush, "nodes", "burst-1", **odd)
    before = rush.ledger.table.get_item(Key={"pk": f"nodes#{HOSTNAME}", "sk": "burst-1"})["Item"]
    made = rush.tick()
    assert [issue.about for issue in made.issues if issue.kind is Trouble.UNREADABLE] == ["node burst-1"]
    assert [(change.node, change.action) for change in made.changes] == [("burst-2", Action.START)]
    assert rush.ledger.table.get_item(Key={"pk": f"nodes#{HOSTNAME}", "sk": "burst-1"})["Item"] == before


def test_a_person_who_starts_such_a_node_writes_its_record_anew(rush: Desk) -> None:
    put(rush, "nodes", "burst-1", wanted="parked", version=3)
    rush.tick()
    with pytest.raises(UnreadableRecordError, match="«burst-1» of the table cannot be read"):
        rush.call("claim", workflow="retire_node", given={"node": "burst-1"}, token="by-hand-1")
    rush.call("claim", workflow="start_node", given={"node": "burst-1", "reason": "mended"}, token="by-hand-2")
    assert rush.ledger.memory("burst-1").claim is not None
    assert unreadable(rush) == []


def test_the_error_says_the_same_to_another_process() -> None:
    error = UnreadableRecordError("nodes#manager", "burst-1", "it is half written")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "«nodes#manager», «burst-1» of the table cannot be read: it is half written" in str(error)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_newest_plan_that_cannot_be_read_is_said_and_the_chain_goes_on(rush: Desk, body: Any) -> None:
    rush.tick()
    before = number(rush)
    item = rush.ledger.table.get_item(Key={"pk": f"now#{HOSTNAME}", "sk": "plan"})["Item"]
    rush.ledger.table.put_item(
        Item={name: value for name, value in (item | {"body": body}).items() if value is not None}
    )
    assert unreadable(rush) == [f"newest plan {before}"]
    assert number(rush) == before + 1
    assert unreadable(rush) == []


@pytest.mark.parametrize("odd", [{}, {"at": "then"}, {"at": 7, "digest": 7}])
def test_a_newest_plan_without_its_number_begins_the_chain_anew(rush: Desk, odd: dict[str, Any]) -> None:
    rush.tick()
    put(rush, "now", "plan", body=b"whatever", **odd)
    assert unreadable(rush) == ["newest plan 0"]
    assert number(rush) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"holding": "breath"},
        {"since": "today"},
        {"since": 7},
        {"until": "noon"},
        {"until": "2026-03-02T14:00"},
        {"until": 7},
        {"v": FORMAT + 1},
    ],
)
def test_a_pause_that_cannot_be_read_holds_everything(rush: Desk, odd: dict[str, Any]) -> None:
    put(rush, "now", "pause", reason="network", **odd)
    pause = rush.ledger.pause(clock.now())
    assert pause is not None
    assert pause.holding is Pausing.EVERYTHING
    made = rush.tick()
    assert made.changes == ()
    assert "cannot be read" in made.frozen
    assert "Paused" in rush.call("show", show="status"), "the dashboard says so, too"


def test_a_lifetime_that_cannot_be_read_is_named(rush: Desk) -> None:
    put(rush, "on", "i-1", node="burst-1", launched_at="then")
    assert unreadable(rush) == [f"{Record.LIFETIME} i-1"]


@pytest.mark.parametrize(
    ("pk", "sk"), [("now", "reading"), ("now", "bookings"), ("now", "told"), ("profiles", "Oslo"), ("series", "x")]
)
def test_what_is_only_known_of_the_load_is_read_or_learned_anew(rush: Desk, pk: str, sk: str) -> None:
    put(rush, pk, sk, body=OLD, at="then")
    assert [change.action for change in rush.tick().changes] == [Action.START]
    rush.call("notify")
    rush.call("learn")


def test_every_record_carries_its_format(rush: Desk) -> None:
    rush.tick()
    items = rush.ledger.table.scan()["Items"]
    assert {str(item["pk"]).partition("#")[0] for item in items} >= {
        "now",
        "plan",
        "snapshot",
        "nodes",
        "events",
        "samples",
    }
    assert [item for item in items if item.get("v") != FORMAT] == []


@pytest.mark.parametrize(
    "odd", [{"until": "2100-01-01T00:00:00.000000Z"}, {"until": 4102444800}, {"until": "soon"}, {}]
)
@pytest.mark.parametrize("name", ["observe", "tell"])
def test_a_lease_that_no_work_can_have_is_none(rush: Desk, name: str, odd: dict[str, Any]) -> None:
    """Else nobody would read Pexip until then: as after a clock that was wrong, or a restored table."""
    put(rush, "now", f"lease#{name}", **odd)
    assert rush.ledger.lease(name).take()


def test_a_lease_that_runs_is_left_to_its_work(rush: Desk) -> None:
    mine, other = rush.ledger.lease("observe"), rush.ledger.lease("observe")
    assert mine.take()
    assert mine.keep()
    assert not other.take()
    assert not other.keep()


@pytest.mark.parametrize("odd", [{"due": "soon"}, {"due": 10**15}, {}, {"due": [1]}])
def test_turns_for_ec2_that_cannot_be_read_begin_anew(rush: Desk, odd: dict[str, Any]) -> None:
    put(rush, "now", "turns", **odd)
    now = clock.now()
    assert rush.ledger.turn(now) == now


@pytest.mark.parametrize("sk", ["then", "2026-03-02T08:00:00Z"])
def test_a_count_of_calls_turned_away_that_cannot_be_read_is_left_out(rush: Desk, sk: str) -> None:
    put(rush, "refused", sk, capacity="many")
    rush.tick()
    rush.call("count_turned_away")
    assert list(rush.ledger.turned_away(clock.now() - timedelta(days=400), clock.now())) is not None
