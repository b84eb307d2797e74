"""The demo's screen and report: what an operator sees, and that a report notices what does not fit."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from headroom.domain.fleet.fleet import Power
from headroom.domain.history.events import Event, Kind
from headroom.domain.history.lifetimes import Lifetime
from headroom.domain.planning.planning import plan
from headroom_lab.demo import report
from headroom_lab.demo.scenario import ZONE, Outcome, bundled, from_trace, with_pexips_own_rule
from headroom_lab.demo.screen import View, draw
from headroom_replay.load import TraceError
from tests.support.builders import CONTROL, NOW, node, observe, promised

SCENARIO = bundled(time(8, 28), time(10, 30))
ON = SCENARIO.at(time(8, 50))
OFF = SCENARIO.at(time(9, 50))


def sample(at: float) -> dict[str, Any]:
    return {"at": at, "what": "sample", "used": 70, "capacity": 95, "offered": 100, "node_seconds": 3600.0}


JOURNAL = [
    sample(ON),
    {"at": ON, "what": "powered on", "node": "burst-01", "launched_at": ON, "ready_at": ON + 300},
    {"at": OFF - 200, "what": "closed", "node": "burst-01", "calls": 0, "reason": "x"},
    {
        "at": OFF,
        "what": "powered off",
        "node": "burst-01",
        "launched_at": ON,
        "closed": True,
        "calls": 0,
        "was_ready": True,
    },
    sample(OFF),
]
LIFETIME = Lifetime(
    node="burst-01",
    launched_at=datetime.fromtimestamp(ON, ZONE),
    stopped_at=datetime.fromtimestamp(OFF + 20, ZONE),
)


def event(kind: str) -> Event:
    return Event(at=NOW, kind=Kind(kind), reason="a reason", by="Headroom", node="burst-01")


MORNING = report.Morning(
    scenario=SCENARIO,
    journal=JOURNAL,
    events=[event("serving"), event("instance stopped"), event("stop refused")],
    lifetimes={"burst-01": [LIFETIME]},
    executions=[{"name": "a", "status": "SUCCEEDED"}],
    native=Outcome(100, 9, 0, 1.0, 2),
    oracle=Outcome(100, 0, 0, 2.0, 3),
    wall_seconds=100,
)


def test_a_morning_whose_history_agrees_with_the_world_is_a_success(tmp_path: Path) -> None:
    found = report.write(MORNING, tmp_path)
    assert report.failures(found) == []
    assert (found["nodes_serving_at_0900"], found["stops_refused_or_reversed"], found["node_hours"]) == (1, 1, 1.0)
    assert "<svg" in (tmp_path / "report.html").read_text()


def journal_with(**line: Any) -> list[dict[str, Any]]:
    return [*JOURNAL, {"at": OFF, "node": "burst-01", "conference": "x", **line}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"journal": journal_with(what="cut")}, "1 calls were cut", id="a call was cut"),
        pytest.param({"lifetimes": {"burst-01": []}}, "no lifetime says so", id="a lifetime is missing"),
        pytest.param(
            {"lifetimes": {"burst-01": [replace(LIFETIME, stopped_at=None)]}}, "its lifetime says None", id="still open"
        ),
        pytest.param({"events": []}, "history shows 0", id="an event is missing"),
        pytest.param(
            {"executions": [{"name": "a", "status": "FAILED", "error": "States.Runtime"}]},
            "a: States.Runtime",
            id="a failure",
        ),
        pytest.param(
            {"lifetimes": {"burst-01": [LIFETIME], "burst-02": [LIFETIME]}},
            "was not powered on then",
            id="one too many",
        ),
        pytest.param(
            {"journal": [line | ({"calls": 2} if line["what"] == "powered off" else {}) for line in JOURNAL]},
            "not closed and empty",
            id="stopped under calls",
        ),
    ],
)
def test_a_report_notices_what_does_not_fit(change: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in report.failures(report.numbers(replace(MORNING, **change))))


@pytest.mark.parametrize("width", [80, 130])
def test_the_screen_says_at_a_glance_what_happens_and_why(width: int) -> None:
    decided = plan(observe(node(1, Power.RUNNING, used=3), node(2), free=4), promised(), CONTROL, NOW)
    view = View(
        now=NOW,
        speed=60,
        endpoint="http://127.0.0.1:4566",
        page="http://127.0.0.1:8000/#token=x",
        title="a busy Monday",
        plan=decided,
        events=[replace(event("stop refused"), at=NOW - timedelta(minutes=1), reason="It carries conferences: 1")],
        executions=[{"status": "RUNNING", "stateMachineArn": "arn:x:headroom-start-node"}],
        offered=94,
        rejected=0,
        cut=0,
    )
    console = Console(width=width, record=True, file=None, force_terminal=True)
    with console.capture() as captured:
        console.print(draw(view))
    text = captured.get()
    for words in ("4 free", "burst-1", "start_node × 1", "07:59:00", "stop refused", "It carries conferences: 1"):
        assert words in text, words


def test_the_bundled_morning_is_one_on_which_pexips_own_rule_turns_many_away() -> None:
    native = with_pexips_own_rule(SCENARIO)
    assert native.rejected / native.offered > 0.02
    assert native.cut == 0


def test_a_trace_plays_any_of_its_days_and_a_wrong_one_says_which_there_are(tmp_path: Path) -> None:
    trace = tmp_path / "calls.csv"
    rows = [
        f"2003-10-{day} {hour:02}:{minute:02},{20 if day != 21 else 0}"
        for day in (20, 21, 22)
        for hour in range(7, 21)
        for minute in range(0, 60, 5)
    ]
    trace.write_text("timestamp,arrivals\n" + "\n".join(rows))
    day = datetime(2003, 10, 20).date()  # noqa: DTZ001 - a day has no zone
    assert from_trace(trace, day, time(8, 28), time(10, 30)).calls
    assert with_pexips_own_rule(from_trace(trace, day + timedelta(days=1), time(8, 28), time(10, 30))).offered == 0
    with pytest.raises(TraceError, match="it runs from 2003-10-20 to 2003-10-22"):
        from_trace(trace, day + timedelta(days=9), time(8, 28), time(10, 30))
    trace.write_text("a,b\n1,2\n")
    with pytest.raises(TraceError, match="is not a trace"):
        from_trace(trace, day, time(8, 28), time(10, 30))
