"""The shipped workflows and handlers under everything that can go wrong: nothing is cut, lost or stuck."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from headroom.adapters.ledger import Ledger
from headroom.domain.planning import needs
from headroom.domain.safety import safety
from headroom_lab.proof.chaos import workflows
from headroom_lab.proof.play import Play, play
from headroom_lab.proof.stage import Stage
from headroom_lab.proof.waiting import Waiting
from tests.support.processes import printed
from tests.support.template import actions_of, functions, statements

FIRST, SCHEDULES = 47, 32  # a run in which everything below occurs
HAZARDS = {
    "EC2 has no room",
    "EC2 throttles",
    "DynamoDB throttles",
    "DynamoDB tells of two writers at one item",
    "Pexip cannot be reached",
    "Pexip answers 429",
    "Pexip answers 500",
    "a function dies between two requests",
    "a function is held up",
    "a function is killed after a minute",
    "an answer is lost",
    "a change at Pexip lands late",
    "EC2 does not answer, and acts late",
    "a step is asked again while its first try runs",
    "a tick is lost",
    "a tick is late",
    "a tick comes twice",
    "a reading's message is lost",
    "a reading's message comes twice",
    "a look's message is lost",
    "a look's message comes twice",
    "EC2's message is lost",
    "EC2's message comes twice",
    "someone dials a closed node",
    "Pexip denies a call",
    "Pexip answers oddly",
    "a request fails as nobody thought of",
}


@pytest.mark.parametrize("asks", [True, False], ids=["as it is shipped", "without its threshold rule"])
def test_the_schedules_notice_a_planner_that_starts_nothing(asks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether capacity is missing is judged by the world: the always-on node is lost, and the node that is on has too little."""
    if not asks:
        monkeypatch.setattr(needs, "_threshold_rule", lambda situation, location, margin=0: needs.NOTHING)
        monkeypatch.setattr(needs, "_forecast", lambda situation, location, ahead, confidence: needs.NOTHING)
    with Stage(1) as stage:
        waiting = Waiting(stage)
        stage.plan_watchers.append(waiting.planned)
        stage.set_policy(threshold="5")
        stage.after(0, stage.every_minute)
        stage.world.nodes["always-on"].unreachable = True
        stage.minutes(8)
    assert bool(waiting.wrong) is not asks
    assert bool(waiting.waits) is asks


def test_schedules_of_the_shipped_workflows_cut_lose_and_block_nothing(figure: Callable[[str], None]) -> None:
    found = workflows(SCHEDULES, first=FIRST)
    figure(
        f"{found.schedules} schedules, {found.executions:,} executions, {found.starts:,} starts, {found.stops:,} stops"
    )
    assert [(played.seed, played.wrong, played.script) for played in found.wrong] == []
    assert found.schedules == SCHEDULES
    assert found.silent == []
    assert denied(found.asked) == {}
    assert set(found.wrote) - granted() == set()
    assert granted() - set(found.wrote) == SELDOM
    assert {"second look: media", "second look: signalling", "last question: open"} <= set(found.looks)
    assert (HAZARDS | set(Play(0).incidents())) - set(found.happened) == set()


ALSO = {  # AWS's rules: what a request is allowed by, where it is not called so
    "TransactWriteItems": {"dynamodb:PutItem", "dynamodb:UpdateItem"},
    "GetMetricStatistics": {"cloudwatch:GetMetricStatistics"},
    "StartInstances": {"ec2:StartInstances"},
    "StopInstances": {"ec2:StopInstances"},
    "DescribeInstances": {"ec2:DescribeInstances"},
    "StartExecution": {"states:StartExecution"},
    "DescribeExecution": {"states:DescribeExecution"},
    "Publish": {"sns:Publish"},
    "PutEvents": {"events:PutEvents"},
    "SendMessage": {"sqs:SendMessage"},
    "Pexip": {"secretsmanager:GetSecretValue"},
}


def denied(asked: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """What functions ask for that their roles in the template do not allow; e2e never plays assist mode."""
    found: dict[str, set[str]] = {}
    for function, request in asked:
        wanted = ALSO.get(request, {f"dynamodb:{request}"})
        granted = {action for one in statements(functions()[function]) for action in actions_of(one)}
        if wanted - granted:
            found.setdefault(function, set()).update(wanted - granted)
    return found


SELDOM = {  # what is granted for what happens in no such schedule
    ("order", "PutItem", "now"),  # a pause by a button, which the dashboard's test presses
    ("order", "DeleteItem", "now"),  # and its end
    ("order", "DeleteItem", "holds"),  # and a release
    ("read_bookings", "BatchWriteItem", "series"),  # no meeting is booked
}


def granted() -> set[tuple[str, str, str]]:
    """The kinds of partitions of the ledger that each function may write."""
    return {
        (function, action.partition(":")[2], partition.removesuffix("#*"))
        for function, properties in functions().items()
        for one in statements(properties)
        for action in actions_of(one)
        for partition in one.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
    }


PLAY = """
from headroom_lab.proof.play import Play
play = Play(7)
print(play.run(), play.stage.journal, list(play.stage.table.items))
"""


def test_a_seed_brings_a_schedule_back_in_any_process() -> None:
    once, again = (printed(PLAY, hash_seed) for hash_seed in (1, 2))
    assert once == again
    assert "Played(seed=7" in once


def test_what_goes_wrong_is_found_and_its_incidents_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that forgets claims lets workflows go astray, and lifetimes that are not written are missed."""

    def forgets(*_: Any, **__: Any) -> bool:
        return False

    monkeypatch.setattr(Ledger, "lifetime_began", forgets)
    monkeypatch.setattr(Ledger, "lifetime_was", forgets)
    monkeypatch.setattr(Ledger, "lifetime_note", forgets)
    wrong = next(played for played in map(play, range(20)) if played.wrong)
    assert any("is lost" in each for each in wrong.wrong)
    assert wrong.script == [], "it goes wrong whatever happens, so that no incident is left"


def test_the_stop_function_asks_the_rules_before_it_stops_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is stopped in these schedules was allowed by the rules."""
    allowed: list[bool] = []
    ask = safety.may_stop

    def asked(evidence: Any) -> Any:
        answer = ask(evidence)
        allowed.append(answer.allowed)
        return answer

    monkeypatch.setattr("headroom.usecases.stop_instance.may_stop", asked)
    clouds = [run.stage.cloud for run in _runs(5)]
    stopped = sum(len(machine.stopped_by_us) for cloud in clouds for machine in cloud.machines.values())
    assert sum(allowed) >= stopped > 0


def _runs(count: int) -> list[Play]:
    runs = [Play(seed) for seed in range(count)]
    return [run for run in runs if run.run()]


def test_chaos_plays_both_kinds_of_schedules_as_a_process_of_its_own() -> None:
    """A test has the settings of a function around it; a person's terminal has none."""
    bare = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    command = [sys.executable, "-m", "headroom_cli", "chaos", "--kernel", "200", "--workflows", "2", "--first", "7"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=bare)
    assert said.returncode == 0, said.stdout + said.stderr
    assert " ".join(said.stdout.split()).count("0 calls cut, 0 lifetimes lost") == 2
