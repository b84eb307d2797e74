"""Lifetimes in the ledger, whatever EC2's messages say, in whatever order, and however few of them arrive."""

from datetime import UTC, datetime
from typing import Any

from headroom_lab.proof.stage import Stage


def test_a_stop_that_is_heard_of_before_the_start_is_a_lifetime_too(stage: Stage) -> None:
    machine = next(iter(stage.cloud.machines.values()))
    stage.hazards.message_lost = 1.0
    stage.cloud.switch_off(machine)
    at = stage.moment()
    stage.apps["record"].recorder.state_changed(machine.id, "stopping", at)
    assert lifetimes(stage)[0]["start_reason"] == "seen when it stopped"
    assert stage.ledger.memory("burst-1").lifetime == datetime.fromtimestamp(machine.launched_at, UTC)
    stage.apps["record"].recorder.state_changed(machine.id, "stopped", at)
    [lifetime] = lifetimes(stage)
    assert "stopped_at" in lifetime
    assert stage.ledger.memory("burst-1").lifetime is None


def test_a_restart_whose_stop_nobody_heard_of_ends_the_lifetime_before(stage: Stage) -> None:
    machine = next(iter(stage.cloud.machines.values()))
    record = stage.apps["record"].recorder
    record.state_changed(machine.id, "running", stage.moment())
    stage.hazards.message_lost = 1.0
    stage.cloud.switch_off(machine)
    stage.minutes(2)
    stage.cloud.switch_on(machine)
    record.state_changed(machine.id, "running", stage.moment())
    newest, before = lifetimes(stage)
    assert before["stopped_by"] == "seen at its next start"
    assert "stopped_at" not in newest


def test_a_message_that_tells_late_of_an_earlier_stop_ends_nothing(stage: Stage) -> None:
    machine = next(iter(stage.cloud.machines.values()))
    record = stage.apps["record"].recorder
    earlier = stage.moment()
    stage.hazards.message_lost = 1.0
    stage.cloud.switch_off(machine)
    stage.minutes(2)
    stage.cloud.switch_on(machine)
    record.state_changed(machine.id, "running", stage.moment())
    record.state_changed(machine.id, "stopped", earlier)
    assert "stopped_at" not in lifetimes(stage)[0]


def lifetimes(stage: Stage) -> list[dict[str, Any]]:
    return stage.ledger.lifetimes("burst-1")
