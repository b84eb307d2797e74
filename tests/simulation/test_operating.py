"""Pause, resume, hand-over and hand-back, as an operator types them, against a platform on simulated time."""

from typing import Any

from click.testing import CliRunner, Result

from headroom import clock
from headroom.domain.policy import Mode
from headroom_cli.main import main
from headroom_lab.proof.stage import Stage
from tests.simulation.conftest import Deployed


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def set_bursting(stage: Stage, to: bool, after: float = 0.0) -> None:
    stage.after(60 * after, lambda: stage.world.settings.update(bursting_enabled=to))


def states(stage: Stage) -> list[tuple[bool, bool]]:
    return [(node.on, node.closed.now) for node in stage.overflow]


def test_pause_opens_and_holds_and_resume_goes_on(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(1)
    assert states(stage)[0] == (True, True)
    said = run("pause", "fire drill")
    assert "Within a minute Headroom opens the nodes that it has closed" in said.output
    stage.minutes(1.5)
    assert states(stage)[0] == (True, False)
    stage.minutes(20)
    assert states(stage)[0] == (True, False)
    assert "it was paused for: fire drill" in run("resume").output
    assert "It was not paused" in run("resume").output
    stage.minutes(20)
    assert states(stage)[0] == (False, False)


def test_a_pause_of_stops_alone_still_starts(deployed: Deployed) -> None:
    stage = deployed.stage
    assert "stops nothing" in run("pause", "a check", "--stops-only").output
    stage.expect(*[(2 + n / 3, f"meeting {n % 3}", 12.0) for n in range(22)])
    stage.minutes(40)
    assert sum(on for on, _ in states(stage)) == 3
    assert not any(closed for _, closed in states(stage))


def test_hand_over_checks_switches_and_says_when_to_disable_bursting(deployed: Deployed) -> None:
    stage = deployed.stage
    deployed.set_mode(Mode.OBSERVE)
    set_bursting(stage, to=True)
    stage.minutes(2)
    set_bursting(stage, to=False, after=5)
    said = run("hand-over")
    assert said.exit_code == 0, said.output
    order = [
        "Checked: a fresh plan, 3 overflow nodes",
        "Deploying with Mode=control",
        "Now disable",
        "is disabled",
        "controls 3",
    ]
    assert [said.output.find(words) for words in order] == sorted(said.output.find(words) for words in order)
    assert -1 not in [said.output.find(words) for words in order]
    [asked] = [event for event in stage.ledger.events("2026-03-29") if event.kind == "asked to hand over"]
    assert asked.by == "Operators/anna"
    assert deployed.mode is Mode.CONTROL


def test_hand_over_is_refused_with_all_that_stands_against_it(deployed: Deployed) -> None:
    stage = deployed.stage
    deployed.set_mode(Mode.OBSERVE)
    next(iter(stage.cloud.machines.values())).tagged = False
    stage.minutes(2)
    run("pause", "not yet")
    said = run("hand-over")
    assert said.exit_code == 1
    assert "Not handed over, and nothing was changed" in said.output
    assert "Headroom is paused: not yet; resume it first" in said.output
    assert "no tagged instance has its address" in said.output
    assert deployed.mode is Mode.OBSERVE


def test_hand_over_without_a_fresh_plan_checks_nothing_and_says_so(deployed: Deployed) -> None:
    assert "There is no plan of the last three minutes" in run("hand-over").output


def test_hand_back_opens_everything_and_says_when_to_enable_bursting(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.expect(*[(2 + n / 3, f"meeting {n % 3}", 12.0) for n in range(22)])
    stage.minutes(15)
    while not any(closed for _, closed in states(stage)):
        stage.minutes(0.5)
    stopped = [len(machine.stopped_by_us) for machine in stage.cloud.machines.values()]
    set_bursting(stage, to=True, after=8)
    said = run("hand-back")
    assert said.exit_code == 0, said.output
    assert "done: Headroom's closed nodes are open, no workflow runs" in said.output
    assert "Now enable Pexip's own bursting" in said.output
    assert not any(closed for _, closed in states(stage))
    assert [len(machine.stopped_by_us) for machine in stage.cloud.machines.values()] == stopped
    assert deployed.mode is Mode.OBSERVE
    assert stage.ledger.pause(clock.now()) is None
    assert stage.cloud.cut == []


def test_a_hand_back_that_nobody_answers_ends_with_what_is_missing(deployed: Deployed, monkeypatch: Any) -> None:
    deployed.stage.minutes(2)
    said = run("hand-back")
    assert said.exit_code == 1
    assert "After 60 min this is still not the case: Pexip's own bursting is enabled" in said.output
    assert deployed.mode is Mode.CONTROL
