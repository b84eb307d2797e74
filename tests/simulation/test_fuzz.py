"""Whatever JSON can hold, and more, at every door: a result or an error of a known kind, and the next minute has its plan.

`make chaos` plays many more examples of it.
"""

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from headroom.domain.fleet.lifecycle import Hold
from headroom.settings import Settings, SettingsError
from headroom_lab.proof.environment import ENVIRONMENT
from headroom_lab.proof.stage import CONTEXT, Stage
from tests.simulation.conftest import RUSH

A_TENTH = 0.1
KNOWN = {"BadRequestError", "UnknownNodeError", "ClaimLostError", "NotNowError"}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.sampled_from(
        ["", "burst-1", "burst-2", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1e400", "-1", "NaN"]
    )
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
WORDS = (
    "node",
    "nodes",
    "open",
    "reason",
    "reserve",
    "count",
    "until",
    "ready_by",
    "by",
    "locations",
    "scheduled_time",
)
INPUTS = ANYTHING | st.dictionaries(st.sampled_from(WORDS), ANYTHING | st.just(["burst-2"]), max_size=4)
FIELDS = st.dictionaries(
    st.sampled_from(["count", "until", "reason", "name", "like", "state", "node", "kind", "days"]), ANYTHING, max_size=4
)
TYPED = FIELDS.map(lambda fields: {"forms": {"all": fields}})
ORDERS = st.dictionaries(
    st.sampled_from(["do", "nodes", "hold", "show", "act", "stops_only", "describe"]),
    ANYTHING | st.sampled_from(["start", "hold", "release", "open", "close", "pause", "resume", "nodes", "history"]),
    max_size=5,
)
PRESSED = st.tuples(ORDERS, TYPED | ANYTHING).map(lambda both: both[0] | {"widgetContext": both[1]})
SOME = settings(max_examples=settings().max_examples // 12)  # as an example takes a third of a second


@contextmanager
def playing(minutes: float) -> Iterator[Stage]:
    """A morning that has begun: each example has one of its own."""
    with Stage(1) as stage:
        stage.after(0, stage.every_minute)
        stage.expect(*RUSH[:8])
        stage.minutes(minutes)
        yield stage


def plans(stage: Stage) -> int:
    return len(stage.table.items.get("plan#manager.example.com", {}))


def spoiled(answer: Response, values: list[Any], dice: Random) -> Response:
    """An answer of Pexip's in which something is another thing."""
    if dice.random() < A_TENTH:
        return Response(str(dice.choice(values)), media_type="application/json", headers={"Date": "today"})
    body: Any = json.loads(bytes(answer.body) or b"null")
    rows = body["objects"] if isinstance(body, dict) and "objects" in body else [body]
    for row in dice.choices(rows, k=dice.randint(0, 3)) if rows else ():
        if isinstance(row, dict) and row:
            row[dice.choice(sorted(row))] = dice.choice(values)
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return Response(json.dumps(body), media_type="application/json", headers=headers)


@SOME
@given(st.lists(ANYTHING, min_size=3, max_size=12), st.integers(0, 10**6))
def test_pexip_may_answer_anything(values: list[Any], seed: int) -> None:
    dice = Random(seed)
    with playing(2) as stage:
        carrier, before = stage.pexip.carrier, plans(stage)

        def odd(request: requests.PreparedRequest) -> Response | None:
            return spoiled(carrier.answer(request), values, dice) if request.method == "GET" else None

        carrier.trouble = odd
        stage.minutes(3)
        carrier.trouble = lambda _: None
        stage.minutes(2)
        assert plans(stage) - before >= 5
        assert stage.findings == []
        assert stage.cloud.cut == []
        assert not stage.ledger.last_problem()


@SOME
@given(
    st.lists(LEAVES | st.binary(max_size=20) | st.just([]) | st.just({}), min_size=3, max_size=9), st.integers(0, 10**6)
)
def test_a_record_may_hold_anything(values: list[Any], seed: int) -> None:
    dice = Random(seed)
    with playing(4) as stage:
        for _ in range(dice.randint(1, 3)):
            part = stage.table.items[dice.choice(sorted(stage.table.items))]
            item = part[dice.choice(sorted(part))]
            item[dice.choice(sorted(set(item) - {"pk", "sk"}))] = dice.choice(values)
        before = plans(stage)
        stage.minutes(5)
        assert plans(stage) - before >= 4
        assert stage.cloud.cut == []


@pytest.mark.parametrize("number", [None, "soon", 1.5, 10**20, {"a": 1}, [], b"x"])
def test_the_number_of_the_newest_plan_may_be_anything(stage: Stage, number: Any) -> None:
    stage.after(0, stage.every_minute)
    stage.minutes(3)
    stage.table.items["now#manager.example.com"]["plan"]["number"] = number
    before = plans(stage)
    stage.minutes(3)
    assert plans(stage) - before >= 3
    assert isinstance(stage.table.items["now#manager.example.com"]["plan"]["number"], int)


@pytest.mark.parametrize("name", ["plan", "reading", "bookings", "told"])
def test_a_time_in_a_record_may_have_no_zone(stage: Stage, name: str) -> None:
    stage.after(0, stage.every_minute)
    stage.minutes(7)
    item = stage.table.items["now#manager.example.com"][name]
    text = zlib.decompress(item["body"])
    zoneless = re.sub(rb'(\d\d:\d\d(?:\.\d+)?)Z"', rb'\1"', text)
    item["body"] = zlib.compress(zoneless)
    before = plans(stage)
    stage.minutes(3)
    assert plans(stage) - before >= 3
    assert stage.findings == []


def test_a_reason_may_look_like_a_time_without_a_zone(stage: Stage) -> None:
    now = stage.moment()
    until = now + timedelta(hours=1)
    stage.ledger.promise(Hold(id="h", begins=now, ready_by=now, until=until, reason="2026-03-29T02:00:00", by="anna"))
    assert [hold.reason for hold in stage.ledger.holds(now)] == ["2026-03-29T02:00:00"]


@pytest.mark.parametrize("machine", ["prewarm", "start_node", "retire_node", "set_open"])
def test_a_workflow_may_be_begun_with_anything(machine: str) -> None:
    @SOME
    @given(INPUTS)
    def begins(given_: Any) -> None:
        with playing(2) as stage:
            execution = stage.begin(machine, "by-hand", given_)
            before = plans(stage)
            stage.minutes(3)
            assert execution.error in {"", *KNOWN}
            assert stage.findings == []
            assert plans(stage) - before >= 3

    begins()


@SOME
@given(st.lists(PRESSED | st.dictionaries(st.text(max_size=8), ANYTHING), min_size=1, max_size=5))
def test_a_widget_may_send_anything(events: list[dict[str, Any]]) -> None:
    with playing(2) as stage:
        for event in events:
            for function in ("show", "order"):
                answer = stage.apps[function].handler(event, CONTEXT)
                assert isinstance(answer, str | dict)
        stage.minutes(1)
        assert stage.findings == []


@given(
    st.dictionaries(
        st.sampled_from([field.name.upper() for field in fields(Settings)]), st.text(max_size=20), max_size=4
    )
)
def test_settings_may_be_anything(odd: dict[str, str]) -> None:
    settings_ = Settings.from_env(ENVIRONMENT | odd)
    with suppress(SettingsError):
        assert settings_.policy.call_turned_away_cost >= 0
    with suppress(SettingsError):
        assert settings_.price >= 0
