"""Calls turned away: what Pexip records is counted, the rest estimated, and Headroom's own figures stand beside them."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import time_machine
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from headroom import clock
from headroom.domain.demand.turned_away import Sample
from headroom.domain.fleet.lifecycle import Life
from headroom_cli.main import main
from headroom_cli.reporting.made import period_of
from headroom_cli.stack import Deployed
from headroom_lab.schemas import SCHEMAS
from headroom_replay.world import Call
from tests.integration.conftest import Desk
from tests.support.alarms import Prints, fires_and_clears

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def count(desk: Desk, minutes: int = 20) -> dict[str, int]:
    """Count so many minutes from now."""
    with time_machine.travel(clock.now() + minutes * MINUTE):
        counted: dict[str, int] = desk.call("count_turned_away")
        return counted


def refuse(desk: Desk, number: int, reason: str = "Call failed: capacity exceeded") -> None:
    """So many calls more than there is room for."""
    desk.world.switches.refused_reason = reason
    now = desk.world.now
    desk.world.expect(
        Call(now + 1 + n / 100, f"c{n}", "Oslo", 5000) for n in range(20 + number - len(desk.world.history))
    )
    desk.world.advance(now + 2)


def test_what_pexip_recorded_as_refused_is_counted_once_by_its_reason(desk: Desk) -> None:
    refuse(desk, 3)
    assert count(desk) == {"capacity": 3, "licences": 0}
    assert count(desk, 40) == {"capacity": 0, "licences": 0}
    [first, second] = desk.ledger.turned_away(clock.now() - DAY, clock.now() + DAY)
    assert first.until == second.since


def test_the_alarm_of_calls_turned_away_fires_and_clears(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    minutes = [0.0]
    prints = Prints(lambda: 60 * minutes[0])
    for minute, refused in ((1, 0), (16, 3), (31, 0)):
        if refused:
            refuse(desk, refused)
        capsys.readouterr()
        count(desk, minute)
        minutes[0] = minute
        prints.write(capsys.readouterr().out)
    states = prints.states("CallsTurnedAwayAlarm", 0, 60 * 45)
    assert fires_and_clears(states), states


def test_a_call_without_a_licence_is_told_apart(desk: Desk) -> None:
    refuse(desk, 2, "Call failed: out of licenses")
    assert count(desk) == {"capacity": 0, "licences": 2}


def test_an_hour_without_pexip_is_made_good(desk: Desk) -> None:
    count(desk, 1)
    refuse(desk, 4)
    desk.node.trouble = "html"
    assert count(desk, 20) == {}
    desk.node.trouble = ""
    assert count(desk, 80)["capacity"] == 4


def test_a_pexip_that_records_no_refused_call_has_none_to_count(desk: Desk) -> None:
    desk.world.switches.refused_calls_in_history = False
    refuse(desk, 5)
    assert count(desk) == {"capacity": 0, "licences": 0}


# The recorded days, exported and compared

RUSH_AT, RUSH = 60, 30  # minutes after the first sample; HD connections


@pytest.fixture
def recorded(desk: Desk) -> Desk:
    """Three days on which a rush met full nodes: all 20 connections in use from one minute to the next."""
    desk.tick()
    begins = (clock.now() - 3 * DAY).replace(second=0, microsecond=0)
    for day in range(3):
        desk.ledger.keep_samples(
            Sample(
                at=begins + day * DAY + minute * MINUTE,
                location="Oslo",
                used=float(min(20, max(2, 2 + 4 * (minute - RUSH_AT)))) if minute < 2 * RUSH_AT else 2.0,
                hd=20,
                full=RUSH_AT + 5 <= minute < 2 * RUSH_AT,
            )
            for minute in range(180)
        )
    launched = begins + RUSH_AT * MINUTE
    life = Life(instance="i-1", node="burst-1", launched_at=launched)
    desk.ledger.lifetime_began(life, "someone else", "Pexip's own bursting")
    desk.ledger.lifetime_note("burst-1", launched, stopped_at=launched + 90 * MINUTE)
    return desk


def deployed(desk: Desk, monkeypatch: pytest.MonkeyPatch, **parameters: str) -> None:
    """Have the command line find the desk's ledger."""
    stack = Deployed("headroom", desk.ledger, parameters, {})
    monkeypatch.setattr("headroom_cli.stack.stack_of", lambda _: stack)


@pytest.fixture
def run(recorded: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    deployed(recorded, monkeypatch, TimeZone="Europe/Oslo", NodeHourPrice="0")

    def invoke(*arguments: str) -> Result:
        return CliRunner(env={"COLUMNS": "120"}).invoke(main, list(arguments))

    return invoke


def test_the_recorded_load_is_exported_by_the_minute(run: Callable[..., Result]) -> None:
    said = run("export", "--days", "5")
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    assert len(rows) == 3 * 180 + 1  # and the tick's own
    assert {row["location"] for row in rows} == {"Oslo"}
    assert max(float(row["used"]) for row in rows) == 20


def test_a_location_that_is_not_there_is_named_with_those_there_are(run: Callable[..., Result]) -> None:
    said = run("export", "--location", "Bergen")
    assert said.exit_code == 2
    assert "Choose a --location: Oslo." in said.output


ODD = ('=HYPERLINK("http://evil.example","x")', "\t=1+1", "@SUM(1)", "-1", "+1", "[/] of [red]", "\x1b[2J")


@pytest.mark.parametrize("name", ODD)
def test_a_location_of_any_name_is_no_formula_and_no_markup(
    run: Callable[..., Result], recorded: Desk, name: str
) -> None:
    reading, now = recorded.ledger.reading(), recorded.ledger.reading().read_at
    place = replace(reading.locations[0], name=name, overflow_location=name)
    recorded.ledger.keep_reading(replace(reading, locations=(place,)))
    recorded.ledger.keep_samples([Sample(at=now - 2 * MINUTE, location=name, used=1.0, hd=20)])
    [row] = csv.DictReader(io.StringIO(run("export", "--location", name, "--days", "1").stdout))
    assert row["location"][:1] in {"'", "["}
    assert row["location"].isprintable()
    said = run("report", "--days", "1")
    assert said.exit_code == 0, said.output
    assert {each for each in said.output if not each.isprintable()} <= {"\n"}


def test_what_was_done_stands_beside_what_headroom_would_have_done(run: Callable[..., Result]) -> None:
    said = run("report", "--days", "5", "--json", "--price", "2")
    assert said.exit_code == 0, said.output
    found: dict[str, Any] = json.loads(said.stdout)
    published = Draft202012Validator(SCHEMAS["report"], format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in published.iter_errors(found)] == []
    [place] = found["places"]
    [was, headroom, native] = place["lines"]
    assert (was["who"], headroom["who"], native["who"]) == (
        "as recorded",
        "Headroom, replayed",
        "Pexip's own rule, replayed",
    )
    assert was["turned_away_recorded"] == 0
    assert was["turned_away_estimated"] > 20  # four a minute, for as long again as the rise had lasted, on three days
    assert (was["node_hours"], was["cost"], was["starts"]) == (1.5, 3.0, 1)
    assert headroom["turned_away_recorded"] is None
    since_the_first_sample = 2 * 3 * 24  # two nodes, three days: of the two before nobody knows
    assert 0 < place["needed_hours"] < place["always_on_hours"] == pytest.approx(since_the_first_sample, abs=0.1)
    assert place["saved_against_always_on"] == pytest.approx(2 * (since_the_first_sample - 1.5), abs=0.1)
    [dearest] = found["costliest"]
    assert (dearest["hours"], dearest["cost"]) == (1.5, 3.0)


def test_the_comparison_is_a_table_for_people(run: Callable[..., Result]) -> None:
    text = run("report", "--days", "5").stdout
    words = ("as recorded", "Headroom, replayed", "Pexip's own rule, replayed", "(recorded)", "(estimated)")
    assert [word for word in words if word not in text] == []


def test_a_stack_that_has_recorded_nothing_yet_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed(desk, monkeypatch)
    for command in ("export", "report"):
        said = CliRunner().invoke(main, [command])
        assert said.exit_code == 1
        assert "come back after some days" in said.output


def test_the_report_is_a_page_and_goes_where_it_is_wanted(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("s3").create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    topic = boto3.client("sns").create_topic(Name="people")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="people")["QueueUrl"]
    boto3.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-central-1:123456789012:people"
    )
    where = ("--html", str(tmp_path / "r.html"), "--to-s3", "s3://reports/may.html", "--to-topic", topic)
    said = run("report", "--days", "5", *where)
    assert said.exit_code == 0, said.output
    page = (tmp_path / "r.html").read_text()
    for words in (
        "Pexip&#39;s own rule, replayed",
        "The ten costliest decisions",
        "Starts that served: 0",
        'role="img" aria-label="Node-hours in',
    ):
        assert words in page, words
    stored = boto3.client("s3").get_object(Bucket="reports", Key="may.html")["Body"].read().decode()
    assert stored.splitlines()[0] == page.splitlines()[0]
    [message] = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert "Pexip's own rule, replayed" in json.loads(message["Body"])["Message"]


def test_a_month_is_the_site_s_own_and_one_that_has_not_begun_is_refused(run: Callable[..., Result]) -> None:
    assert period_of(datetime(2026, 3, 1), 28, "Europe/Oslo") == (  # noqa: DTZ001 - as it was typed
        datetime(2026, 2, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 31, 22, tzinfo=UTC),
    )
    said = run("report", "--month", "2999-01")
    assert said.exit_code == 2
    assert "2999-01 has not begun." in said.output


def test_a_location_that_nobody_called_is_reported_on_without_a_replay(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tick()
    desk.ledger.keep_samples(Sample(at=clock.now() - n * MINUTE, location="Oslo", used=0.0, hd=20) for n in range(120))
    deployed(desk, monkeypatch, TimeZone="UTC")
    said = CliRunner(env={"COLUMNS": "120"}).invoke(main, ["report", "--days", "1"])
    assert said.exit_code == 0
    assert "Not replayed: Cloud has no calls" in said.output
    assert "as recorded" in said.stdout
    assert "Headroom, replayed" not in said.stdout
