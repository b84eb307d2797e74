"""What may be promised, and whether it was kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Power
from headroom.domain.fleet.lifecycle import Memory
from headroom.domain.planning.planning import plan
from headroom.domain.planning.promises import BadRequestError, Request, Terms, chance, kept, promise
from headroom.domain.policy import Mode
from tests.support.builders import CONTROL, NOW, hold, node, observe, promised

TERMS = Terms(mode=Mode.CONTROL, minimum_lifetime=timedelta(minutes=50), boot_time=timedelta(minutes=5))
NODES = plan(observe(node(1), node(2), node(3)), promised(), CONTROL, NOW).nodes


def test_an_empty_request_means_every_overflow_node_until_one_minimum_lifetime_after_it_is_ready() -> None:
    made = promise(Request(), NODES, TERMS, name="x", now=NOW)
    assert made.counts == {"AWS burst": 3}
    assert made.ready_by == NOW + timedelta(minutes=10)
    assert made.until == NOW + timedelta(minutes=60)


def test_a_later_time_begins_one_lead_before_it() -> None:
    made = promise(Request(ready_by=NOW + timedelta(hours=3), count=2), NODES, TERMS, name="x", now=NOW)
    assert made.begins == NOW + timedelta(hours=3) - timedelta(minutes=10)
    assert made.counts == {"AWS burst": 2}


def test_the_same_scheduled_time_is_the_same_promise() -> None:
    request = Request(scheduled_time=NOW)
    ids = {promise(request, NODES, TERMS, name=name, now=NOW).id for name in ("one", "two")}
    assert ids == {"prewarm-20260302T080000Z"}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        pytest.param(Request(nodes=("burst-9",)), "No overflow node is called burst-9; there are burst-1", id="node"),
        pytest.param(Request(locations=("Oslo",)), "No overflow location is called Oslo", id="location"),
        pytest.param(Request(count=-1), "count is -1", id="negative count"),
        pytest.param(Request(count=0), "count is 0", id="no count"),
        pytest.param(Request(count=4), "there are only 3", id="more than there are"),
        pytest.param(Request(count=1, nodes=("burst-1",)), "not for both", id="count and names"),
        pytest.param(Request(ready_by=NOW - timedelta(minutes=1)), "which is past", id="past time"),
        pytest.param(Request(ready_by=datetime(2026, 3, 2, 9)), "needs a time zone", id="no zone"),  # noqa: DTZ001
        pytest.param(Request(ready_by=NOW + timedelta(hours=24)), "more than 23 hours ahead", id="too far ahead"),
        pytest.param(
            Request(ready_by=NOW + timedelta(hours=2), until=NOW + timedelta(hours=1)), "later than", id="ends first"
        ),
    ],
)
def test_a_bad_request_says_what_to_change(request_: Request, words: str) -> None:
    with pytest.raises(BadRequestError, match=words.replace("(", r"\(")):
        promise(request_, NODES, TERMS, name="x", now=NOW)


def test_assist_mode_refuses_a_lead_that_pexip_would_not_outlast() -> None:
    short = Terms(mode=Mode.ASSIST, minimum_lifetime=timedelta(minutes=10), boot_time=timedelta(minutes=5))
    with pytest.raises(BadRequestError, match="Pexip stops an idle node after 10 min"):
        promise(Request(), NODES, short, name="x", now=NOW)


def test_nothing_can_be_promised_without_nodes() -> None:
    with pytest.raises(BadRequestError, match="no overflow nodes"):
        promise(Request(), (), TERMS, name="x", now=NOW)


@pytest.mark.parametrize(
    ("asked", "is_kept"),
    [
        pytest.param({"counts": {"AWS burst": 1}}, True, id="one serves"),
        pytest.param({"counts": {"AWS burst": 2}}, False, id="two are asked for"),
        pytest.param({"nodes": ("burst-1",)}, True, id="the named one serves"),
        pytest.param({"nodes": ("burst-2",)}, False, id="the named one does not"),
    ],
)
def test_a_report_says_what_is_ready_and_what_is_not_and_why(asked: dict[str, Any], is_kept: bool) -> None:
    failed = Memory(node="burst-2", failed_at=datetime(2026, 3, 2, 7, 55, tzinfo=UTC))
    commitments = promised(memories=(failed,))
    decided = plan(observe(node(1, Power.RUNNING), node(2)), commitments, CONTROL, NOW)
    found = kept(hold(**asked), decided, commitments, CONTROL.on_the_clock)
    assert found.kept is is_kept
    assert ("burst-2 is stopped, its last start failed at 07:55 UTC" in found.reason) is not is_kept


def sure_of(count: int, *boots: float | None) -> float:
    asked = hold(counts={"AWS burst": count}, begins=NOW, ready_by=NOW + timedelta(minutes=10))
    return chance(asked, [Memory(node="burst-1", boots=boots)]).sure


def test_a_promise_is_the_surer_the_more_starts_served_in_time() -> None:
    assert sure_of(1, *[300.0] * 5) < sure_of(1, *[300.0] * 50) < 1
    assert sure_of(1, *[300.0] * 49, 700.0) < sure_of(1, *[300.0] * 50)
    assert sure_of(1, *[300.0] * 49, None) == sure_of(1, *[300.0] * 49, 700.0)


def test_more_nodes_are_promised_less_surely() -> None:
    assert sure_of(6, *[300.0] * 50) == pytest.approx(sure_of(1, *[300.0] * 50) ** 6)


def test_nobody_is_sure_of_anything_before_starts_were_measured() -> None:
    asked = hold(counts={"AWS burst": 1})
    assert "too few starts" in chance(asked, []).sentence
    assert chance(asked, [Memory(node="burst-1", boots=(300.0,) * 19 + (None,))]).sentence == (
        "93 % sure, as 19 of the last 20 starts served in time"
    )
