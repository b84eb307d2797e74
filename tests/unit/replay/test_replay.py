"""The replay: the same load to every controller, and figures that can be compared."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from headroom_cli.main import main

MORNING = [0, 0, 1, 2, 9, 6, 4, 4, 5, 3, 2, 1]  # arrivals every half-hour from seven o'clock


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "mornings.csv"
    begins = datetime.fromisoformat("2026-03-02T07:00")
    rows = [
        f"{begins + timedelta(days=day, minutes=30 * slot)},{count}"
        for day in range(5)
        for slot, count in enumerate(MORNING)
    ]
    path.write_text("\n".join(["timestamp,arrivals", *rows]))
    return path


SMALL = ("--always-on", "10", "--nodes", "4", "--node-hd", "5", "--days", "2")


def replayed(trace: Path, *options: str) -> list[dict[str, Any]]:
    said = CliRunner().invoke(main, ["replay", str(trace), *SMALL, *options, "--json"])
    assert said.exit_code == 0, said.output
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return found


def test_every_controller_gets_the_same_calls_and_none_cuts_one(trace: Path) -> None:
    found = {each["policy"]: each for each in replayed(trace)}

    assert len({each["offered"] for each in found.values()}) == 1
    assert all(each["cut"] == 0 for each in found.values())
    assert found["none"]["node_hours"] == 0 < found["none"]["rejected"]
    assert found["oracle"]["node_hours"] < found["headroom"]["node_hours"] < found["always-on"]["node_hours"]
    assert found["oracle"]["rejected"] == found["always-on"]["rejected"] == 0
    assert found["oracle"]["score"] == 1


def test_the_same_seed_replays_to_the_same_figures(trace: Path) -> None:
    options = ("--policy", "headroom", "--policy", "native", "--seeds", "2", "--meetings")

    once, again = replayed(trace, *options), replayed(trace, *options)

    assert once == again
    assert [(each["policy"], each["seed"]) for each in once] == [
        ("native", 1),
        ("native", 2),
        ("headroom", 1),
        ("headroom", 2),
    ]


def test_the_table_shows_a_line_a_policy_and_what_it_costs_if_a_price_is_given(trace: Path) -> None:
    options = ["--policy", "headroom", "--policy", "oracle", "--price", "2"]
    said = CliRunner(env={"COLUMNS": "160"}).invoke(main, ["replay", str(trace), *SMALL, *options])

    assert [word for word in ("headroom", "oracle", "cost") if word not in said.stdout] == []
    assert "native" not in said.stdout


@pytest.mark.parametrize("command", ["replay", "tune"])
@pytest.mark.parametrize(
    ("options", "complaint"),
    [(["--days", "40"], "has 5 days with calls, but 40 were asked for"), (["--zone", "Oslo"], "not a time zone")],
)
def test_what_cannot_be_replayed_is_said_in_a_sentence(
    trace: Path, command: str, options: list[str], complaint: str
) -> None:
    said = CliRunner().invoke(main, [command, str(trace), *options])

    assert said.exit_code > 0
    assert isinstance(said.exception, SystemExit)
    assert complaint in " ".join(said.output.split())


def test_without_days_a_short_load_is_replayed_whole(trace: Path) -> None:
    options = ["--policy", "oracle", "--json", *(each for each in SMALL if each not in {"--days", "2"})]
    said = CliRunner().invoke(main, ["replay", str(trace), *options])

    assert said.exit_code == 0, said.output
    [all_days] = json.loads(said.stdout)
    [two_days] = json.loads(CliRunner().invoke(main, ["replay", str(trace), *options, "--days", "2"]).stdout)
    assert all_days["offered"] > two_days["offered"]
