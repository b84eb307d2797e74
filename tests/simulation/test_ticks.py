"""Ticks anywhere within their minutes, as EventBridge Scheduler promises them, and functions that are killed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from headroom.adapters.ledger.codec import moment
from headroom.domain.history.events import Event, Kind
from headroom.domain.people.telling import Message
from headroom.usecases.notify import Notifier
from headroom_lab.chaos import told
from headroom_lab.proof.stage import HOSTNAME, Stage
from headroom_lab.proof.ticks import ANYWHERE, longest_gap, play, readings

HOURS = 6


def lease(stage: Stage, name: str) -> datetime | None:
    item = stage.ledger.table.get_item(Key={"pk": f"now#{HOSTNAME}", "sk": f"lease#{name}"}).get("Item")
    return moment(str(item["until"])) if item else None


@pytest.fixture
def ticking(stage: Stage) -> Stage:
    stage.spread = ANYWHERE
    stage.after(0, stage.every_minute)
    return stage


def test_ticks_anywhere_in_their_minutes_and_functions_that_are_killed_leave_no_long_gap(
    figure: Callable[[str], None],
) -> None:
    """`make chaos` plays a week, in which each is killed once a day."""
    found = play(HOURS, killed_every=3600)
    figure(f"{HOURS} h of ticks anywhere in their minutes, each function killed hourly: {told(found)}")
    assert found.killed.keys() >= {"observe", "notify", "decide", "announce"}
    assert found.readings > 60 * HOURS * 0.9
    assert found.is_well


@pytest.mark.parametrize("full", [False, True], ids=["calm", "near the threshold"])
def test_a_lease_ends_with_its_work(ticking: Stage, *, full: bool) -> None:
    if full:
        ticking.expect(*[(0.1, f"meeting {n % 3}", 600.0) for n in range(6)])
    for _ in range(300):
        ticking.run_until(ticking.now + 7)
        at_work = {strand.function for strand in ticking.strands}
        for function, name in {"observe": "observe", "notify": "tell"}.items():
            until = lease(ticking, name)
            assert function in at_work or until is None or until <= ticking.moment()
    assert (len(readings(ticking)) > 60) is full, "near the threshold it reads several times a minute"


def test_a_lease_is_kept_through_work_that_takes_long(stage: Stage) -> None:
    mine, other = stage.ledger.lease("observe"), stage.ledger.lease("observe")
    assert mine.take()
    for _ in range(20):
        stage.run_until(stage.now + 6)
        assert mine.keep()
        assert not other.take()
    stage.run_until(stage.now + 11)
    assert other.take()
    assert not mine.keep()
    mine.give_back()
    assert other.keep(), "what is given back is one's own alone"


def test_where_a_lab_runs_fast_a_lease_lasts_as_long_as_its_network_needs(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A request takes real time: ten seconds of a clock that runs forty times as fast would be over before its answer."""
    pace = tmp_path / "clock"
    pace.write_text('{"real": 0, "virtual": 0, "speed": 40}')
    monkeypatch.setenv("HEADROOM_CLOCK", str(pace))
    mine, other = stage.ledger.lease("observe"), stage.ledger.lease("observe")
    assert mine.take()
    assert lease(stage, "observe") == stage.moment() + timedelta(seconds=400)
    assert not other.take()


def test_who_tells_people_so_slowly_that_another_begins_leaves_the_rest_and_the_memory_to_that_one(
    stage: Stage,
) -> None:
    events = [
        Event(at=stage.moment(), kind=kind, reason="a drill", by="anna")
        for kind in (Kind.PROMISE_MISSED, Kind.CONTROL_REFUSED)
    ]
    first, second = Notifier.of(stage.parts), Notifier.of(stage.parts)
    stage.minutes(1)
    for event in events:
        stage.ledger.write(event)
    sent: list[str] = []

    def slowly(message: Message) -> bool:
        sent.append(message.subject)
        stage.run_until(stage.now + 11)
        assert second.ledger.lease("tell").take()
        return True

    first.send = slowly  # type: ignore[method-assign]
    first.notify(stage.moment())
    assert len(sent) == 1
    assert stage.ledger.memo().looked is None


@pytest.mark.parametrize("second", range(0, 60, 6))
def test_a_reading_that_is_killed_costs_one_minute(stage: Stage, second: int) -> None:
    """It is killed at once, in its minute's last second; the next tick comes early or late."""
    for minute in range(12):
        at = {5: 59.5, 6: float(second)}.get(minute, 30.0)
        stage.after(60 * minute + at, lambda: stage.call("observe", {}))
    stage.after(60 * 5 + 59.4, lambda: setattr(stage.hazards, "dies", 1.0))
    stage.after(60 * 5 + 59.6, stage.hazards.calm)
    stage.minutes(12)
    assert stage.hazards.happened["a function dies between two requests"] == 1
    assert longest_gap(stage) <= timedelta(seconds=200)


# Between two ticks, near a threshold


@pytest.fixture
def near(ticking: Stage) -> Stage:
    """Twenty minutes in which the load stays near the threshold, from the third on."""
    ticking.spread = 1.0
    ticking.expect(*[(0.1, f"meeting {n % 3}", 600.0) for n in range(6)])
    ticking.minutes(3)
    return ticking


def test_near_a_threshold_pexip_is_read_every_quarter_of_a_minute(near: Stage) -> None:
    before = len(readings(near))
    near.minutes(17)
    after = readings(near)[before:]
    gaps = [later - earlier for earlier, later in pairwise(after)]
    assert max(gaps) <= timedelta(seconds=20)
    assert len(after) <= 17 * 5, "looks do not multiply"


def test_far_from_a_threshold_a_tick_is_the_only_reading(ticking: Stage) -> None:
    ticking.minutes(10)
    assert ticking.asked["decide", "SendMessage"] == 0


def test_a_look_is_left_out_where_pexip_has_just_been_read(stage: Stage) -> None:
    look = {"Records": [{"body": "again"}]}
    for seconds, count in ((0, 1), (8, 1), (3, 2)):
        stage.run_until(stage.now + seconds)
        stage.call("observe", look)
        assert len(readings(stage)) == count
    stage.run_until(stage.now + 1)
    stage.call("observe", {})
    assert len(readings(stage)) == 3, "a tick always reads"


def test_who_cannot_tell_when_pexip_was_read_reads_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.call("observe", {})

    def unreadable(*_: object) -> None:
        raise OSError("odd")

    stage.run_until(stage.now + 1)
    monkeypatch.setattr(stage.ledger, "last_reading", unreadable)
    stage.hazards.unthought = 1e-12  # the error is injected
    stage.call("observe", {"Records": [{"body": "again"}]})
    monkeypatch.undo()
    assert len(readings(stage)) == 2


def test_a_queue_that_cannot_be_asked_costs_no_plan_and_no_tick(near: Stage) -> None:
    near.hazards.rates["SendMessage"] = 1.0
    near.minutes(1)
    before, plans = len(readings(near)), near.answered["decide"]
    near.minutes(10)
    assert len(readings(near)) - before == 10
    assert near.answered["decide"] - plans == 10


def test_a_look_that_comes_while_pexip_is_being_read_does_not_wait(stage: Stage) -> None:
    """A function that waits is billed, and the reading that it waits for is as good as its own."""
    assert stage.ledger.lease("observe").take()
    began = stage.now
    stage.call("observe", {"Records": [{"body": "again"}]})
    assert stage.strands == set()
    assert stage.now == began
    assert readings(stage) == []
