"""What can be replayed: counted arrivals, lists of meetings, and the load that Headroom itself has recorded."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.demand.turned_away import Sample
from headroom_cli.main import main
from headroom_replay.load import TraceError
from headroom_replay.sources import calls_of, maker_of
from headroom_replay.work import Platform, samples_of
from headroom_replay.world import Call

SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SMALL = Platform(always_on=10, nodes=4, node_hd=5)


def written(folder: Path, header: str, *rows: str) -> Path:
    path = folder / "load.csv"
    path.write_text("\n".join([header, *rows]))
    return path


def in_progress(calls: list[Call], at: datetime) -> int:
    return sum(call.at <= at.timestamp() < call.at + call.seconds for call in calls)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 5))
def test_as_many_calls_are_in_progress_as_the_history_says(loads: list[int], seed: int) -> None:
    samples = [
        Sample(at=SEVEN + number * MINUTE, location="Oslo", used=float(load)) for number, load in enumerate(loads)
    ]
    calls = calls_of(samples, seed)
    assert [in_progress(calls, sample.at) for sample in samples] == loads


def test_a_recorded_history_brings_its_own_capacity_and_its_past(tmp_path: Path) -> None:
    rows = [
        f"{(SEVEN + day * DAY + minute * MINUTE).isoformat()},Oslo,{minute % 12},0,9"
        for day in range(3)
        for minute in range(60)
    ]
    path = written(tmp_path, "at,location,used,booked,hd", *rows)
    work = maker_of(path, SMALL, meetings=False, days=1, zone="Europe/Oslo")(seed=1)
    assert work.platform.always_on == 9
    assert {sample.at.date() for sample in work.history} == {SEVEN.date(), (SEVEN + DAY).date()}
    assert {datetime.fromtimestamp(call.at, UTC).date() for call in work.calls} == {(SEVEN + 2 * DAY).date()}


def test_a_list_of_meetings_announces_what_was_booked_and_brings_who_came(tmp_path: Path) -> None:
    rows = [f"{day:%Y-%m-%d}T09:00,{day:%Y-%m-%d}T10:00,12,20" for day in (SEVEN, SEVEN + DAY)]
    rows.append(f"{SEVEN + DAY:%Y-%m-%d}T11:00,{SEVEN + DAY:%Y-%m-%d}T11:30,3,")
    path = written(tmp_path, "begins,ends,size,booked", *rows)
    work = maker_of(path, SMALL, meetings=False, days=1, zone="Europe/Oslo")(seed=1)
    assert [booking.hd for booking in work.bookings] == [20]
    assert len(work.calls) == 15
    assert max(sample.used for sample in work.history) == 12


@pytest.mark.parametrize(
    ("header", "row", "complaint"),
    [
        ("when,what", "1,2", "can be replayed"),
        ("begins,ends,size", "2026-03-02T10:00,2026-03-02T09:00,3", "ends before it begins"),
        ("begins,ends,size", "2026-03-02T10:00,2026-03-02T11:00,many", "Line 2 of"),
        ("begins,ends,size", "2026-03-02T10:00,2026-03-02T11:00,0", "has participants"),
        ("at,location,used,booked,hd", "yesterday,Oslo,1,0,9", "is not a load sample"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_a_sentence(tmp_path: Path, header: str, row: str, complaint: str) -> None:
    path = written(tmp_path, header, row)
    with pytest.raises(TraceError, match=complaint):
        maker_of(path, SMALL, meetings=False, days=1, zone="UTC")(seed=1)


def test_a_history_of_several_locations_is_refused(tmp_path: Path) -> None:
    rows = (f"{SEVEN.isoformat()},{place},1,0,9" for place in ("Oslo", "Bergen"))
    with pytest.raises(TraceError, match="Bergen, Oslo"):
        maker_of(written(tmp_path, "at,location,used,booked,hd", *rows), SMALL, meetings=False, days=1, zone="UTC")(
            seed=1
        )


# The commands that replay


@pytest.fixture
def morning(tmp_path: Path) -> Path:
    """Three mornings with a rush at nine, recorded by the minute."""
    rows = [
        f"{(SEVEN + day * DAY + minute * MINUTE).isoformat()},Oslo,{18 if 120 <= minute < 180 else 3},0,10"
        for day in range(3)
        for minute in range(240)
    ]
    return written(tmp_path, "at,location,used,booked,hd", *rows)


SIZE = ("--nodes", "4", "--node-hd", "5", "--days", "1")


def said(*arguments: str) -> str:
    found = CliRunner(env={"COLUMNS": "160"}).invoke(main, list(arguments))
    assert found.exit_code == 0, found.output
    return found.stdout


def test_a_report_shows_each_policy_and_the_busiest_day(morning: Path, tmp_path: Path) -> None:
    page = tmp_path / "replay.html"
    said("replay", str(morning), *SIZE, "--price", "0.5", "--html", str(page))
    text = page.read_text()
    words = ("Headroom", "own rule", "Knowing every call beforehand", "Wednesday 04 March 2026", "Cost", 'role="img"')
    assert [word for word in words if word not in text] == []
    assert "<script" not in text


def test_a_changed_setting_is_played_beside_the_present_one(morning: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(
        said("replay", str(morning), *SIZE, "--whatif", "forecasting=false", "--whatif", "threshold=1", "--json")
    )
    assert [row["policy"] for row in rows] == ["headroom", "headroom with forecasting=False, threshold=1"]
    assert rows[0]["rejected"] < rows[1]["rejected"]


@pytest.mark.parametrize(
    ("pair", "complaint"), [("mode=observe", "cannot be changed"), ("threshold=x", "cannot be read")]
)
def test_a_change_that_makes_no_sense_is_refused(morning: Path, pair: str, complaint: str) -> None:
    refused = CliRunner().invoke(main, ["replay", str(morning), *SIZE, "--whatif", pair])
    assert refused.exit_code == 2
    assert complaint in " ".join(refused.output.split())


def test_filling_up_one_node_before_the_next_is_another_world(morning: Path) -> None:
    least, fill = (
        json.loads(said("replay", str(morning), *SIZE, "--policy", "native", "--json", *more))
        for more in ((), ("--fill-up",))
    )
    assert least[0]["offered"] == fill[0]["offered"]


def test_tuning_shows_a_front_and_recommends_from_it(morning: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(said("tune", str(morning), *SIZE, "--json"))
    [best] = [row for row in rows if row["recommended"]]
    unbeaten = [row for row in rows if row["front"]]
    figures = ("rejected_per_10k", "node_hours", "starts")
    for row in unbeaten:
        assert not any(
            all(other[name] <= row[name] for name in figures) and any(other[name] < row[name] for name in figures)
            for other in rows
        )
    few = [row for row in rows if row["rejected_per_10k"] <= 8 and not row["name"].startswith("native")]
    assert not few or best["score"] == max(row["score"] for row in few)
    assert sum(row["name"].startswith("native") for row in rows) == 3


def test_tuning_says_how_the_guides_advice_does_here(morning: Path) -> None:
    text = " ".join(said("tune", str(morning), *SIZE).split())
    assert "← recommended" in text
    assert "with the guide's thresholds turns" in text


def test_a_drawn_history_is_read_back_as_it_was(tmp_path: Path) -> None:
    calls = [Call((SEVEN + n * MINUTE).timestamp(), "c", "principal", 600.0) for n in range(20)]
    samples = list(samples_of(calls, ()))
    again = calls_of(samples, 1)
    assert [in_progress(again, sample.at) for sample in samples] == [round(sample.used) for sample in samples]
