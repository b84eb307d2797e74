"""`headroom why`, `verify` and `replay-decision`, on a ledger that a simulated morning has filled."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headroom import clock
from headroom.adapters.ledger.codec import stamp
from headroom.domain.history import kept
from headroom.domain.history.chain import Head, after
from headroom.domain.planning.worth import Worth
from headroom.usecases.learn import Learner
from headroom.widgets.words import time_of
from headroom_cli.main import main
from headroom_lab.proof.stage import BEGIN, HOSTNAME, Stage

PLANS = f"plan#{HOSTNAME}"


@dataclass
class Played:
    """What a stage left behind."""

    now: float
    items: dict[str, Any]
    heads: list[Any]


@pytest.fixture(scope="module")
def played() -> Played:
    """Half an hour before midnight, a rush, and an hour of the next day."""
    with Stage(1) as stage:
        stage.now = BEGIN - 50 * 60
        stage.world.now = stage.now
        stage.after(0, stage.every_minute)
        stage.minutes(50)
        stage.expect(*[(2 + n / 3, f"meeting {n % 3}", 12.0) for n in range(22)])
        stage.minutes(30)
        return Played(stage.now, stage.table.items, stage.heads)


@pytest.fixture
def morning(played: Played, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """The same morning for each test, which may change its ledger and go on."""
    with Stage(1) as stage:
        stage.now = stage.world.now = played.now
        stage.table.items = deepcopy(played.items)
        stage.heads += played.heads
        stage.after(0, stage.every_minute)
        monkeypatch.setattr("headroom_cli.stack.stack_of", lambda _: SimpleNamespace(ledger=stage.ledger))
        yield stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_why_explains_the_plan_that_was_in_force_at_a_time(morning: Stage) -> None:
    said = run("why", "2026-03-29T00:24:10").output
    assert said.startswith("2026-03-29 00:24: ")
    assert "HD connections free" in said
    assert "in control mode" in said
    assert "Cloud needs " in said


def test_why_explains_a_node_and_how_it_came_about(morning: Stage) -> None:
    said = run("why", "burst-2").output
    assert said.startswith("burst-2 is ")
    assert "start asked: the load of Oslo rises" in said
    assert "lifetime from 2026-03-29 00:" in said


def test_why_says_of_a_node_that_is_on_why_it_is_not_stopped(morning: Stage) -> None:
    """By its name as it is now, and by the time at which it was so."""
    on = next(
        made for made in reversed(list(morning.ledger.decisions(morning.ago(60), morning.moment()))) if made.plan.left
    )
    left = on.plan.left[0]
    at = f"{on.plan.at:%Y-%m-%dT%H:%M:%S}+00:00"
    assert f"  {left.node} stays on: {left.reason}" in run("why", at).output
    planned = morning.ledger.last_plan()
    assert planned
    for each in planned.plan.left:
        assert f"  it stays on: {each.reason}" in run("why", each.node).output


def test_why_names_the_nodes_there_are(morning: Stage) -> None:
    said = run("why", "burst-9")
    assert said.exit_code == 1
    assert "neither a time nor an overflow node; nodes are burst-1, burst-2, burst-3" in said.output


def test_why_says_how_long_plans_are_kept(morning: Stage) -> None:
    assert "plans are kept for 35 days" in run("why", "2026-01-02T08:55").output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8:55", datetime(2026, 7, 1, 7, 55, tzinfo=UTC)),
        ("2026-03-02T08:55", datetime(2026, 3, 2, 8, 55, tzinfo=UTC)),
        ("2026-03-02T08:55+01:00", datetime(2026, 3, 2, 7, 55, tzinfo=UTC)),
        ("burst-1", None),
    ],
)
def test_a_time_is_the_sites_own_unless_it_says_otherwise(text: str, expected: datetime | None) -> None:
    assert time_of(text, "Europe/London", datetime(2026, 7, 1, 12, tzinfo=UTC)) == expected


def test_a_decision_is_made_again_bit_for_bit(morning: Stage) -> None:
    said = run("replay-decision", "2026-03-29T00:25")
    assert (said.exit_code, "was reproduced bit for bit" in said.output) == (0, True)


def test_a_decision_that_comes_out_otherwise_says_where(morning: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headroom.domain.planning.needs.LIKELY", Worth(0.99))
    monkeypatch.setattr("headroom.domain.planning.situation.Situation.threshold", lambda *_: 9)
    said = run("replay-decision", "2026-03-29T00:25")
    assert said.exit_code == 1
    assert "was not reproduced" in said.output
    assert "needs: " in said.output


def test_verify_finds_an_untouched_ledger_as_it_was_written(morning: Stage) -> None:
    said = run("verify")
    assert said.exit_code == 0, said.output
    assert "and 1 heads of days." in said.output
    assert "Nothing was changed or removed." in said.output


def head(stage: Stage) -> str:
    [message] = stage.heads
    return message.rpartition("--head ")[2]


def test_what_was_published_is_what_the_ledger_holds(morning: Stage) -> None:
    assert run("verify", "--head", head(morning)).exit_code == 0
    forged = run("verify", "--head", head(morning)[:-1] + "x")
    assert "is not the one that was published" in forged.output
    assert "write 2026-03-02=" in run("verify", "--head", "yesterday").output


def test_verify_finds_a_plan_that_was_changed_or_taken_out(morning: Stage) -> None:
    plans = morning.table.items[PLANS]
    some = sorted(plans)[10]
    plans[some]["body"] = plans[sorted(plans)[11]]["body"]
    assert "is not the one that was written" in run("verify").output
    del plans[some]
    assert "Missing: a plan between" in run("verify").output


@pytest.mark.parametrize(
    "odd", [{"number": "soon"}, {"number": 1.5}, {"body": "x"}, {"previous_at": "then"}, {"digest": 5}]
)
def test_verify_names_a_plan_that_cannot_be_read_and_goes_on(morning: Stage, odd: dict[str, Any]) -> None:
    plans = morning.table.items[PLANS]
    sk = sorted(plans)[20]
    plans[sk] |= odd
    said = run("verify")
    assert said.exit_code == 1
    assert f"Changed: a plan cannot be read: {sk}: " in said.output
    assert said.output.count("Changed") + said.output.count("Missing") <= 3


def test_verify_goes_on_with_a_head_that_cannot_be_read(morning: Stage) -> None:
    heads = morning.table.items[f"heads#{HOSTNAME}"]
    next(iter(heads.values()))["number"] = "soon"
    assert "Missing: the head of 2026-03-28." in run("verify").output


def test_verify_tells_expired_from_missing(morning: Stage) -> None:
    plans = morning.table.items[PLANS]
    oldest = sorted(plans)[:5]
    for sk in oldest:
        del plans[sk]
    assert "Missing: the plan of" in run("verify").output
    first = datetime.fromisoformat(min(plans))
    later = first + kept.PLANS - timedelta(seconds=1)
    with pytest.MonkeyPatch.context() as at_that_time:
        at_that_time.setattr(clock, "seconds", later.timestamp)
        said = run("verify")
    assert said.exit_code == 0, said.output
    assert "5 older ones have expired, as they should" in said.output


def test_verify_finds_a_plan_that_was_put_after_the_newest(morning: Stage) -> None:
    plans = morning.table.items[PLANS]
    newest = plans[max(plans)]
    sk = stamp(morning.moment() + timedelta(minutes=9))
    link = after(
        Head(number=newest["number"], digest=newest["digest"], at=datetime.fromisoformat(newest["sk"])),
        datetime.fromisoformat(sk),
        newest["body"],
    )
    forged = {"sk": sk, "number": link.number, "digest": link.digest, "previous": link.previous}
    plans[sk] = newest | forged | {"previous_at": newest["sk"]}
    said = run("verify")
    assert said.exit_code == 1
    assert "is newer than the newest" in said.output


def test_verify_knows_that_a_forecast_expires_a_little_before_the_last_plan_made_with_it(morning: Stage) -> None:
    Learner(ledger=morning.ledger, zone="UTC").learn(morning.moment())
    morning.minutes(20)
    outlooks, plans = morning.table.items[f"outlooks#{HOSTNAME}"], morning.table.items[PLANS]
    quarter = max(outlooks)[:16]
    for sk in [each for each in outlooks if each.startswith(quarter)]:
        del outlooks[sk]
    for sk in [each for each in plans if each[:16] < quarter]:
        del plans[sk]
    with pytest.MonkeyPatch.context() as when_it_has_just_expired:
        later = datetime.fromisoformat(min(plans)) + kept.PLANS
        when_it_has_just_expired.setattr(clock, "seconds", later.timestamp)
        said = run("verify")
    assert said.exit_code == 0, said.output


def test_verify_finds_a_forecast_that_was_changed(morning: Stage) -> None:
    Learner(ledger=morning.ledger, zone="UTC").learn(morning.moment())
    morning.minutes(20)
    assert run("verify").exit_code == 0
    outlooks = morning.table.items[f"outlooks#{HOSTNAME}"]
    for item in outlooks.values():
        item.pop("body", None)
    assert "is not the one that the plan used" in run("verify").output
