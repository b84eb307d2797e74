"""A promise is made once, watched by the workflow that made it, and a refusal is told to whom it concerns."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom import clock
from headroom.adapters.ledger.codec import wait_until
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.policy import Mode
from headroom.domain.safety.permission import NotReadyError
from headroom.usecases.prewarm import Promiser
from tests.integration.conftest import Desk

AT = "2099-03-02T07:50:00Z"


@pytest.fixture
def promiser(desk: Desk) -> Promiser:
    desk.tick()
    return Promiser(desk.ledger, desk.settings.policy)


def test_a_repeated_schedule_promises_nothing_twice_and_leaves_the_watching_to_the_first(promiser: Promiser) -> None:
    request = {"count": None, "scheduled_time": AT}
    first, again, other = (promiser.promise(request, execution) for execution in ("one", "one", "two"))
    assert [first.watch, again.watch, other.watch] == [True, True, False]
    assert other.reason == "This was promised already"


def test_a_scheduled_request_that_is_refused_is_written_down_for_people(desk: Desk, promiser: Promiser) -> None:
    with pytest.raises(BadRequestError):
        promiser.promise({"count": 99, "scheduled_time": AT}, "one")
    [refused] = [event for event in desk.events() if event.kind == "promise refused"]
    assert "count is 99" in refused.reason


def test_a_request_by_hand_that_is_refused_bothers_nobody_else(desk: Desk, promiser: Promiser) -> None:
    with pytest.raises(BadRequestError):
        promiser.promise({"count": 99}, "one")
    assert [event for event in desk.events() if event.kind == "promise refused"] == []


def test_a_plan_that_could_not_see_the_nodes_is_no_ground_for_a_refusal(desk: Desk, promiser: Promiser) -> None:
    for one in desk.ec2.describe_instances()["Reservations"]:
        desk.ec2.terminate_instances(InstanceIds=[one["Instances"][0]["InstanceId"]])
    desk.tick()
    with pytest.raises(NotReadyError, match="try again in a minute"):
        promiser.promise({}, "one")


def test_next_weeks_event_can_be_promised_today_and_gets_its_verdict_then(
    desk: Desk, promiser: Promiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    ready_by = now + timedelta(days=7)
    made = promiser.promise({"count": 1, "ready_by": ready_by.isoformat(), "reason": "all-hands"}, "one")
    hold = desk.ledger.hold(made.hold)
    assert hold
    assert (made.watch, hold.ready_by) == (True, ready_by)
    assert hold.begins > ready_by - timedelta(hours=1), "until then the workflow waits, and nothing is started"
    [told] = [event for event in desk.events() if event.kind == "hold"]
    assert desk.settings.policy.on_the_day(ready_by) in told.reason
    assert made.look_at == wait_until(now + timedelta(days=1)), "the workflow looks once a day whether it still stands"
    monkeypatch.setattr("headroom.clock.now", lambda: ready_by)
    assert promiser.check(made.hold).due


def test_what_serves_long_before_a_promise_begins_has_not_kept_it(
    desk: Desk, promiser: Promiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day before all nodes may serve, for the load of that day."""
    now = clock.now()
    made = promiser.promise({"count": 1, "ready_by": (now + timedelta(days=2)).isoformat()}, "one")
    planned = desk.ledger.last_plan()
    assert planned
    serving = tuple(replace(node, state=NodeState.SERVING) for node in planned.plan.nodes)
    monkeypatch.setattr(desk.ledger, "last_plan", lambda: replace(planned, plan=replace(planned.plan, nodes=serving)))
    monkeypatch.setattr("headroom.clock.now", lambda: now + timedelta(days=1))
    found = promiser.check(made.hold)
    assert (found.kept, found.due, found.over, found.look_at) == (False, False, False, made.begins)
    assert [event for event in desk.events() if event.kind.startswith("promise")] == []


def test_a_promise_that_was_handed_back_meanwhile_gets_no_verdict(desk: Desk, promiser: Promiser) -> None:
    made = promiser.promise({"count": 1}, "one")
    observing = Promiser(desk.ledger, replace(desk.settings.policy, mode=Mode.OBSERVE))
    found = observing.check(made.hold)
    assert (found.over, found.reason) == (True, "Headroom is in observe mode, and starts nothing")
    desk.ledger.release_hold(made.hold)
    assert promiser.check(made.hold).over


def test_a_missed_promise_is_written_down_with_what_is_missing(
    desk: Desk, promiser: Promiser, monkeypatch: Any
) -> None:
    made = promiser.promise({}, "one")
    assert promiser.check(made.hold).due is False
    hold = desk.ledger.hold(made.hold)
    assert hold
    monkeypatch.setattr("headroom.clock.now", lambda: hold.ready_by)
    found = promiser.check(made.hold)
    assert (found.due, found.kept) == (True, False)
    [missed] = [event for event in desk.ledger.events(f"{hold.ready_by:%Y-%m-%d}") if event.kind == "promise missed"]
    assert "Not ready: 2 of 2 nodes in Cloud (no node was started for it)" in missed.reason


def test_in_observe_mode_people_are_told_what_would_have_been_promised(desk: Desk) -> None:
    desk.tick()
    observing = Promiser(desk.ledger, replace(desk.settings.policy, mode=Mode.OBSERVE))
    assert not observing.promise({"count": 2, "scheduled_time": AT}, "one").watch
    [told] = [event for event in desk.events() if event.kind == "would hold"]
    assert "Nothing starts in observe mode. In control mode: 2 nodes in Cloud until" in told.reason
    assert [event for event in desk.events() if event.kind == "hold"] == []


def test_less_than_was_asked_for_is_promised_with_the_reason(desk: Desk) -> None:
    desk.tick()
    limited = Promiser(desk.ledger, replace(desk.settings.policy, max_nodes=1))
    made = limited.promise({"count": 2}, "one")
    hold = desk.ledger.hold(made.hold)
    assert hold
    assert hold.counts == {"Cloud": 1}
    assert "1 node in Cloud, not 2 nodes in Cloud: MaxNodes is 1" in made.reason
    assert any("MaxNodes is 1" in event.reason for event in desk.events() if event.kind == "hold")
