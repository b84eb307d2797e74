"""Ticks anywhere within their minutes, as EventBridge Scheduler promises them, and functions that are killed."""

from collections.abc import Callable
from datetime import datetime, timedelta
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
