"""Lifetimes in the ledger, whatever EC2's messages say, in whatever order, and however few of them arrive."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from headroom.domain.fleet.lifecycle import Life
from headroom.domain.history.lifetimes import SUPPOSED, Lifetime
from headroom.usecases.record import Recorder
from headroom_lab.proof.cloud import Machine
from headroom_lab.proof.stage import KilledError, Stage


def test_a_stop_that_is_heard_of_before_the_start_is_a_lifetime_too(stage: Stage) -> None:
    machine = next(iter(stage.cloud.machines.values()))
    stage.hazards.message_lost = 1.0
    stage.cloud.switch_off(machine)
    at = stage.moment()
    Recorder.of(stage.parts).state_changed(machine.id, "stopping", at)
    assert lifetimes(stage)[0].start_reason == "seen when it stopped"
    assert stage.ledger.life(machine.id) == Life(
        instance=machine.id, node="burst-1", launched_at=datetime.fromtimestamp(machine.launched_at, UTC)
    )
    Recorder.of(stage.parts).state_changed(machine.id, "stopped", at)
    [lifetime] = lifetimes(stage)
    assert lifetime.stopped_at
    assert stage.ledger.life(machine.id) is None


def test_a_restart_whose_stop_nobody_heard_of_ends_the_lifetime_before(stage: Stage) -> None:
    machine = next(iter(stage.cloud.machines.values()))
    record = Recorder.of(stage.parts)
    record.state_changed(machine.id, "running", stage.moment())
    restart_unheard(stage, machine)
    record.state_changed(machine.id, "running", stage.moment())
    newest, before = lifetimes(stage)
    assert before.stopped_by == "unknown (seen at its next start)"
    assert not newest.stopped_at


def test_a_start_that_is_heard_of_only_when_it_stops_ends_the_lifetime_before(stage: Stage) -> None:
    machine = next(iter(stage.cloud.machines.values()))
    record = Recorder.of(stage.parts)
    record.state_changed(machine.id, "running", stage.moment())
    restart_unheard(stage, machine)
    stage.minutes(1)
    stage.cloud.switch_off(machine)
    for state in ("stopping", "stopped"):
        record.state_changed(machine.id, state, stage.moment())
    newest, before = lifetimes(stage)
    assert before.stopped_at == newest.launched_at
    assert newest.stopped_at
    assert newest.stopped_at > newest.launched_at


def test_a_message_that_tells_late_of_an_earlier_stop_ends_nothing(stage: Stage) -> None:
    machine = next(iter(stage.cloud.machines.values()))
    record = Recorder.of(stage.parts)
    earlier = stage.moment()
    restart_unheard(stage, machine)
    record.state_changed(machine.id, "running", stage.moment())
    record.state_changed(machine.id, "stopped", earlier)
    assert not lifetimes(stage)[0].stopped_at


@pytest.mark.parametrize("order", [("stopped", "pending"), ("pending", "stopped")])
def test_a_restart_in_the_same_second_ends_the_lifetime_before_and_not_the_new_one(
    stage: Stage, order: tuple[str, str]
) -> None:
    """EC2 tells whole seconds: Pexip, or a person, may start a node in the very one in which it has stopped."""
    machine = next(iter(stage.cloud.machines.values()))
    record = Recorder.of(stage.parts)
    record.state_changed(machine.id, "running", stage.moment())
    restart_unheard(stage, machine)
    same = datetime.fromtimestamp(machine.launched_at, UTC)
    for state in order:
        record.state_changed(machine.id, state, same)
    newest, before = lifetimes(stage)
    assert before.stopped_at == newest.launched_at
    assert not newest.stopped_at
    life = stage.ledger.life(machine.id)
    assert life
    assert life.launched_at == same


@pytest.mark.parametrize("dies", range(1, 9))
def test_a_function_that_dies_anywhere_in_a_stop_that_a_plan_had_supposed_leaves_no_lifetime_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, dies: int
) -> None:
    """And its message is delivered again only when the instance has been started anew."""
    machine = next(iter(stage.cloud.machines.values()))
    record, requests = Recorder.of(stage.parts), [0]
    record.state_changed(machine.id, "running", stage.moment())
    stage.hazards.message_lost = 1.0
    stage.cloud.switch_off(machine)
    stage.minutes(1)
    stopped = stage.moment()
    life = stage.ledger.life(machine.id)
    assert life
    stage.ledger.lifetime_ended(life, stopped_at=stopped, stopped_by=SUPPOSED)

    def touched(_: str) -> None:
        requests[0] += 1
        if requests[0] == dies:
            raise KilledError

    with monkeypatch.context() as dying:
        dying.setattr(stage.table, "touched", touched)
        with suppress(KilledError):
            record.state_changed(machine.id, "stopped", stopped)
    stage.minutes(1)
    stage.cloud.switch_on(machine)
    record.state_changed(machine.id, "stopped", stopped)
    record.state_changed(machine.id, "pending", stage.moment())
    newest, before = lifetimes(stage)
    assert before.stopped_at
    assert not newest.stopped_at


def test_an_end_that_is_told_takes_the_place_of_one_that_was_supposed(stage: Stage) -> None:
    machine = next(iter(stage.cloud.machines.values()))
    record = Recorder.of(stage.parts)
    record.state_changed(machine.id, "running", stage.moment())
    stage.hazards.message_lost = 1.0
    stage.cloud.switch_off(machine)
    stage.minutes(1)
    life = stage.ledger.life(machine.id)
    assert life
    told = stage.moment()
    stage.ledger.lifetime_ended(life, stopped_at=told + timedelta(minutes=1), stopped_by=SUPPOSED)
    record.state_changed(machine.id, "stopped", told)
    [lifetime] = lifetimes(stage)
    assert (lifetime.stopped_at, lifetime.stopped_by) == (told, "someone else")
    stage.ledger.lifetime_ended(life, stopped_at=told + timedelta(minutes=2), stopped_by=SUPPOSED)
    record.state_changed(machine.id, "stopped", told + timedelta(seconds=9))
    assert lifetimes(stage) == [lifetime]


def restart_unheard(stage: Stage, machine: Machine) -> None:
    stage.hazards.message_lost = 1.0
    stage.cloud.switch_off(machine)
    stage.minutes(2)
    stage.cloud.switch_on(machine)


def lifetimes(stage: Stage) -> list[Lifetime]:
    return stage.ledger.lifetimes("burst-1")
