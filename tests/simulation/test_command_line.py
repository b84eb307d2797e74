"""What an operator types, against the shipped functions and workflows on simulated time."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from headroom import clock
from headroom.domain.policy import Mode
from headroom_cli.main import main
from headroom_lab.proof.cloud import aws_error
from headroom_lab.schemas import SCHEMAS
from tests.simulation.conftest import Deployed

ROOT = Path(__file__).parents[2]
WIDE = {"COLUMNS": "160"}


def run(*arguments: str) -> Result:
    return CliRunner(env=WIDE, mix_stderr=False).invoke(main, list(arguments))


def answer(schema: str, *arguments: str) -> Any:
    """What a command prints for a program, checked against the schema that docs/schemas publishes."""
    said = run(*arguments, "--json")
    found = json.loads(said.stdout)
    Draft202012Validator(json.loads((ROOT / f"docs/schemas/{schema}.json").read_text())).validate(found)
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schemas_are_those_of_the_code(name: str) -> None:
    assert json.loads((ROOT / f"docs/schemas/{name}.json").read_text()) == json.loads(json.dumps(SCHEMAS[name]))


def test_status_shows_load_nodes_promises_and_issues_at_a_glance(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.expect(*[(n / 10, f"meeting {n % 3}", 30.0) for n in range(17)])
    stage.minutes(4)
    said = run("status")
    assert said.exit_code == 0
    assert "manager.example.com in control mode" in said.stdout
    assert re.search(r"Oslo +0 +10 .* bursting threshold reached", said.stdout), said.stdout
    assert re.search(r"burst-\d +Cloud +starting", said.stdout), said.stdout
    found = answer("status", "status")
    assert {place["location"]: place["level"] for place in found["places"]}["Oslo"] == "bursting threshold reached"


def test_status_says_that_its_news_is_old(deployed: Deployed) -> None:
    deployed.stage.minutes(2)
    deployed.stage.observing = False
    deployed.stage.minutes(5)
    assert run("status").exit_code == 3
    assert answer("status", "status")["age"] > 180


def test_before_the_first_plan_status_says_what_to_look_at(deployed: Deployed) -> None:
    said = run("status")
    assert said.exit_code == 1
    assert "Headroom has not planned yet: wait a minute" in said.stderr


def test_nodes_shows_each_with_its_state_and_why(deployed: Deployed) -> None:
    deployed.stage.minutes(3)
    assert len(answer("nodes", "nodes")) == len(deployed.stage.overflow)
    closed = answer("nodes", "nodes", "--state", "closed")
    assert [node["state"] for node in closed] == ["closed"]
    assert closed[0]["name"] in run("nodes").stdout
    assert "none are needed" in run("nodes").stdout


def test_issues_are_shown_with_what_to_do_and_tell_a_program_by_the_exit_code(deployed: Deployed) -> None:
    deployed.stage.minutes(3)
    deployed.stage.world.set_closed(deployed.stage.overflow[1], closed=True, reason="repair")
    deployed.stage.minutes(3)
    said = run("issues")
    assert said.exit_code == 3
    assert "in maintenance mode, but not by Headroom (repair)" in " ".join(said.stdout.split())
    assert answer("issues", "issues")[0]["advice"].startswith("Headroom leaves it alone")


def test_history_filters_by_node_and_kind(deployed: Deployed) -> None:
    deployed.stage.minutes(30)
    stops = answer("history", "history", "--kind", "stopped", "--days", "2")
    assert [event["kind"] for event in stops] == ["stopped"]
    assert "Headroom" in run("history", "--node", stops[0]["node"], "--days", "2").stdout
    assert "No matching events" in run("history", "--node", "nobody").stdout


def test_start_waits_shows_the_nodes_boot_and_is_in_the_history_with_who_asked(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    said = run("start", "--count", "3", "--until", "23:59", "--reason", "all-hands")
    assert said.exit_code == 0, said.output
    assert "3 nodes in Cloud to serve by" in said.stdout
    assert "Serving: burst-1, burst-2, burst-3." in said.stdout
    assert sum(node.on for node in stage.overflow) == 3
    [asked] = answer("history", "history", "--kind", "asked to start", "--days", "2")
    assert (asked["by"], "all-hands" in asked["reason"]) == ("Operators/anna", True)
    assert {hold["by"] for hold in answer("status", "status")["holds"]} == {"Operators/anna"}


def test_all_is_every_overflow_node(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    said = run("start", "--all", "--reason", "all-hands")
    assert said.exit_code == 0, said.output
    assert "Serving: burst-1, burst-2, burst-3." in said.stdout
    assert [node.name for node in stage.overflow if node.on] == ["burst-1", "burst-2", "burst-3"]


def test_until_is_after_ready_by_so_that_a_morning_can_be_promised_the_day_before(deployed: Deployed) -> None:
    deployed.stage.minutes(2)
    past = f"{deployed.stage.moment() - timedelta(hours=2):%H:%M}"
    later = f"{deployed.stage.moment() - timedelta(hours=1):%H:%M}"
    said = run("hold", "--count", "1", "--ready-by", past, "--until", later, "--reason", "all-hands")
    assert said.exit_code == 0, said.output
    assert f"to serve by {past} and until {later}: all-hands" in said.stdout


def test_an_event_of_another_day_is_promised_with_its_day(deployed: Deployed) -> None:
    deployed.stage.minutes(2)
    day = deployed.stage.moment() + timedelta(days=8)
    said = run("hold", "--count", "2", "--ready-by", f"{day:%Y-%m-%dT09:00}", "--until", f"{day:%Y-%m-%dT11:00}")
    assert said.exit_code == 0, said.output
    assert f"to serve by {day:%a %d %b} 09:00" in said.stdout
    deployed.stage.minutes(1)
    assert answer("status", "status")["holds"][0]["ready_by"].startswith(f"{day:%Y-%m-%d}")


def test_a_promise_of_the_day_after_tomorrow_is_kept_and_one_that_is_released_is_waited_for_no_longer(
    deployed: Deployed,
) -> None:
    stage = deployed.stage
    stage.minutes(2)
    day = stage.moment() + timedelta(hours=26)
    for reason in ("all-hands", "no longer"):
        run("hold", "--count", "1", "--ready-by", f"{day:%Y-%m-%dT%H:%M}", "--reason", reason)
    stage.minutes(2)
    [gone] = [hold["id"] for hold in answer("status", "status")["holds"] if hold["reason"] == "no longer"]
    assert run("release", gone).exit_code == 0
    stage.minutes(24 * 60)
    assert sorted(each.ended for name, each in stage.executions.items() if stage.machine_of[name] == "prewarm") == [
        "",
        "SUCCEEDED",
    ]
    assert not any(node.on for node in stage.overflow), "nothing is started before its time"
    stage.minutes(2 * 60)
    [kept] = answer("history", "history", "--kind", "promise kept", "--days", "3")
    assert "all-hands" in kept["reason"]
    assert datetime.fromisoformat(kept["at"]) <= day


def test_a_start_that_misses_its_time_says_what_is_missing_and_exits_with_3(deployed: Deployed) -> None:
    deployed.stage.minutes(2)
    for node in deployed.stage.overflow:
        node.never_boots = not node.on
    said = run("start", "burst-2", "--reason", "board meeting")
    assert said.exit_code == 3
    assert "burst-2 is" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("start",), "Name the nodes, or give --all, --count or --location."),
        (("start", "burst-1", "--all"), "Give --all, or name the nodes, or give --count: only one of them."),
        (("hold", "--count", "1", "--all"), "Give --all, or name the nodes, or give --count: only one of them."),
        (("start", "burst-9"), "No overflow node is called burst-9; there are burst-1, burst-2, burst-3."),
        (("start", "--count", "9"), "count is 9, but there are only 3 overflow nodes there."),
        (("hold", "burst-1", "--until", "soon"), "soon is not a time: write 14:00, or 2026-03-02T14:00."),
        (("hold", "burst-1", "--until", "2020-01-01T10:00"), "which is past"),
        (("release", "nothing"), "No hold is on nothing by name. Current holds: none."),
        (("open", "burst-9"), "No overflow node is called burst-9"),
        (("open", "burst-3"), "Only a node closed by Headroom can be opened: burst-3 is stopped."),
        (("close", "burst-3"), "Only a node that serves can be closed: burst-3 is stopped."),
        (("pause", ""), "Give a reason: other operators will read it."),
        (("pause", "why", "--until", "soon"), "soon is not a time: write 14:00, or 2026-03-02T14:00."),
        (
            ("pause", "why", "--until", "2020-01-01T10:00"),
            "The end of a pause must be later than now, and within 366 days.",
        ),
        (
            ("pause", "why", "--until", "2099-01-01T10:00"),
            "The end of a pause must be later than now, and within 366 days.",
        ),
        (("pause", "x" * 201), "The reason has more than 200 characters."),
    ],
)
def test_what_cannot_be_done_is_refused_in_words_and_touches_nothing(
    deployed: Deployed, arguments: tuple[str, ...], words: str
) -> None:
    deployed.stage.minutes(2)
    begun = len(deployed.stage.executions)
    said = run(*arguments)
    assert said.exit_code in {1, 2}
    assert words in " ".join(said.stderr.split())
    assert len(deployed.stage.executions) == begun


@pytest.mark.parametrize(
    ("mode", "arguments", "words"),
    [
        ("observe", ("start", "burst-1"), "Headroom is in observe mode and touches nothing"),
        ("assist", ("close", "burst-1"), "In assist mode Headroom only starts nodes. To close a node, use Pexip."),
        ("control", ("hold", "burst-1"), "Headroom is paused: fire drill"),
    ],
)
def test_what_the_workflow_would_refuse_is_refused_where_it_is_asked_for(
    deployed: Deployed, mode: str, arguments: tuple[str, ...], words: str
) -> None:
    stage = deployed.stage
    stage.minutes(3)
    run("open", "burst-1")
    stage.minutes(3)
    if mode == "control":
        run("pause", "fire drill")
    deployed.set_mode(Mode(mode))
    begun = len(stage.executions)
    said = run(*arguments)
    assert (said.exit_code, words in " ".join(said.stderr.split())) == (1, True), said.output
    assert len(stage.executions) == begun


def test_a_hold_keeps_a_node_and_a_release_lets_it_go(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    held = answer("done", "hold", "burst-1", "--until", "23:59", "--reason", "a drill")
    assert held["sentence"].startswith("burst-1 to serve by")
    stage.minutes(30)
    assert stage.overflow[0].on
    assert not stage.overflow[0].closed.now
    assert "Released: a drill" in run("release", "burst-1").stdout
    stage.minutes(40)
    assert not stage.overflow[0].on
    assert [each.name for each in stage.executions.values() if each.ended == "FAILED"] == []


def test_a_promise_that_is_released_while_it_is_watched_ends_quietly(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    begun = answer("done", "hold", "burst-2", "--reason", "a drill")
    stage.minutes(1)
    [hold] = answer("status", "status")["holds"]
    run("release", hold["id"])
    stage.minutes(30)
    assert stage.executions[begun["executions"][0]].ended == "SUCCEEDED"
    assert not any("promise missed" in text.lower() for text in stage.told)


def test_a_node_is_opened_and_closed_by_hand(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(3)
    assert stage.overflow[0].closed.now
    assert run("open", "burst-1", "--reason", "a drill").stdout == "burst-1 to be opened: a drill.\n"
    stage.minutes(0.5)
    assert not stage.overflow[0].closed.now
    stage.minutes(2)
    run("close", "burst-1", "--reason", "the drill is over")
    stage.minutes(0.5)
    assert stage.overflow[0].closed.now


def test_a_pause_works_although_nothing_was_ever_planned(deployed: Deployed) -> None:
    assert run("pause", "fire drill").exit_code == 0
    pause = deployed.ledger.pause(clock.now())
    assert pause
    assert (pause.reason, pause.by) == ("fire drill", "Operators/anna")


def test_a_pause_with_an_end_is_over_by_itself(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    ends = f"{stage.moment() + timedelta(minutes=5):%H:%M}"
    assert f"changes nothing until {ends}" in run("pause", "fire drill", "--until", ends).stdout
    stage.minutes(1)
    assert re.search(rf"Paused by Operators/anna until \w+ \d+ \w+ {ends}: fire drill", run("status").stdout)
    [paused] = [issue for issue in answer("status", "status")["issues"] if issue["kind"] == "paused"]
    assert re.search(rf"It ends by itself on .* {ends}", paused["advice"])
    stage.minutes(5)
    assert "Paused" not in run("status").stdout
    assert deployed.ledger.pause(clock.now()) is None
    assert run("resume").stdout == "It was not paused.\n"


def test_a_shell_completes_commands_and_options() -> None:
    asks = {"_HEADROOM_COMPLETE": "bash_complete", "COMP_WORDS": "headroom re", "COMP_CWORD": "1"}
    said = CliRunner(env=asks).invoke(main, prog_name="headroom")
    assert {line.partition(",")[2] for line in said.stdout.splitlines()} >= {"release", "replay", "report", "resume"}


@pytest.mark.parametrize("command", ["start", "open"])
def test_what_the_issue_of_an_unreadable_record_advises_mends_it(deployed: Deployed, command: str) -> None:
    stage = deployed.stage
    stage.minutes(2)
    if command == "open":  # the first node is on, and Headroom has closed it
        stage.world.set_closed(stage.overflow[0], closed=True, reason="Headroom: idle")
        stage.minutes(1.5)
    name = "burst-1" if command == "open" else "burst-2"
    stage.ledger.table.put_item(Item={"pk": "nodes#manager.example.com", "sk": name, "wanted": "parked"})
    stage.minutes(1.5)
    said = run("issues")
    assert f"The record of the node {name} cannot be read: 'parked' is not a valid Wanted" in said.stdout
    assert f"`headroom {command} {name}`" in " ".join(said.stdout.split())
    more = ["--until", "01:30", "--reason", "mended"] if command == "start" else []
    assert run(command, name, *more).exit_code == 0
    stage.minutes(8 if command == "start" else 1.2)
    assert "cannot be read" not in run("issues").stdout
    assert stage.world.nodes[name].ready(stage.now)
    assert not stage.world.nodes[name].closed.now


def test_a_promise_gets_its_verdict_though_no_plan_can_be_asked_for(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = deployed.stage
    stage.minutes(2)
    plans = stage.apps["decide"].handler

    def only_by_a_reading(event: Any, context: Any) -> Any:
        if not event:  # as the pre-warm asks
            raise aws_error("AccessDenied")
        return plans(event, context)

    monkeypatch.setattr(stage.apps["decide"], "handler", only_by_a_reading)
    execution = stage.begin(
        "prewarm", "by-hand-1", {"nodes": ["burst-2"], "until": "2026-03-29T02:00:00Z", "reason": "x"}
    )
    stage.minutes(15)
    assert execution.ended == "SUCCEEDED"
    assert "promise kept" in run("history").stdout
