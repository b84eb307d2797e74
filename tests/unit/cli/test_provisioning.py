"""What `headroom provision` takes for its nodes, and how it shows what their workflows do."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import click
import pytest

from headroom.domain.fleet.fleet import Reading
from headroom_cli import provisioning
from tests.support.builders import NOW, node

NINE = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def deployed(*names: str, begun: tuple[str, ...] = (), doing: str = "is being provisioned") -> Any:
    """A stack whose newest reading has these nodes in AWS burst, and those that were begun and are not whole."""
    whole = [replace(node(1)[0], name=name) for name in names]
    half = [
        replace(
            node(1)[0],
            name=name,
            maintenance_mode_configured=True,
            maintenance_mode_reason=f"Headroom: {name} {doing}",
        )
        for name in begun
    ]
    reading = Reading(platform="manager", read_at=NOW, workers=(*whole, *half))
    return SimpleNamespace(ledger=SimpleNamespace(reading=lambda: reading))


@pytest.mark.parametrize(
    ("there", "count", "named"),
    [
        (("burst-01", "burst-13", "burst-02"), 2, ["burst-14", "burst-15"]),
        (("burst-09",), 2, ["burst-10", "burst-11"]),
        (("b9", "special"), 2, ["b10", "b11"]),
        (("eu-1-node-99",), 1, ["eu-1-node-100"]),
    ],
)
def test_new_nodes_are_named_after_those_there_are(there: tuple[str, ...], count: int, named: list[str]) -> None:
    assert provisioning.names_of(deployed(*there), (), count, "AWS burst") == named


def test_nodes_that_were_begun_are_gone_on_with_and_no_others_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    """So that the same command, given again after a failure, does not make four more."""
    site = deployed("burst-13", begun=("burst-14", "burst-16"))
    assert provisioning.names_of(site, (), 4, "AWS burst") == ["burst-14", "burst-16"]
    assert capsys.readouterr().out == "Going on with burst-14, burst-16, which were begun before.\n"
    assert provisioning.names_of(site, ("burst-20",), 4, "AWS burst") == ["burst-20"]


def test_a_node_that_is_being_converted_was_not_begun_here(capsys: pytest.CaptureFixture[str]) -> None:
    """To provision it would undo its conversion, or make a second instance of its name."""
    site = deployed("burst-13", begun=("burst-12",), doing="is being converted")
    assert provisioning.names_of(site, (), 1, "AWS burst") == ["burst-14"]
    assert capsys.readouterr().out == ""


def test_where_no_name_has_a_number_a_name_is_asked_for() -> None:
    with pytest.raises(click.UsageError, match="name the new nodes yourself"):
        provisioning.names_of(deployed("special"), (), 1, "AWS burst")


class States:
    """Two executions: each look shows one step more."""

    def __init__(self, ends: dict[str, dict[str, str]]) -> None:
        self.ends, self.looks = ends, dict.fromkeys(ends, 0)

    def describe_execution(self, **given: str) -> dict[str, str]:
        execution = given["executionArn"]
        self.looks[execution] += 1
        return self.ends[execution] if self.looks[execution] > 2 else {"status": "RUNNING"}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=self.pages)

    def pages(self, **given: Any) -> list[dict[str, Any]]:
        names = ["Plan it", "Run the instance", "Let it start", "Run the instance"]
        names = names[: self.looks[given["executionArn"]] + 1]
        return [{"events": [{"timestamp": NINE, "stateEnteredEventDetails": {"name": name}} for name in names]}]


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    ends: dict[str, dict[str, str]] = {}
    monkeypatch.setattr("boto3.client", lambda _: States(ends))
    monkeypatch.setattr("headroom_cli.waiting.wait", lambda _: None)
    return ends


def test_steps_of_several_nodes_are_shown_as_they_happen_by_the_site_s_clock(
    states: dict[str, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    states |= {"one": {"status": "SUCCEEDED", "output": '{"reason": "off"}'}, "two": {"status": "RUNNING"}}
    states["two"] = {"status": "FAILED", "cause": json.dumps({"errorMessage": "no room"})}
    done, failed = provisioning.followed({"burst-14": "one", "burst-15": "two"}, "Europe/Stockholm")
    assert (done, failed) == ({"burst-14": {"reason": "off"}}, {"burst-15": "no room"})
    assert capsys.readouterr().out.splitlines() == [
        "09:00:00  burst-14: Plan it",
        "09:00:00  burst-14: Run the instance",
        "09:00:00  burst-15: Plan it",
        "09:00:00  burst-15: Run the instance",
        "09:00:00  burst-14: Let it start",
        "09:00:00  burst-15: Let it start",
    ]


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        ({"status": "TIMED_OUT"}, "took longer than it may, at «Run the instance». Give the same command again"),
        ({"status": "ABORTED"}, "was aborted by somebody, at «Run the instance»"),
        ({"status": "FAILED", "cause": "burst-14 does not connect"}, "burst-14 does not connect"),
        ({"status": "FAILED", "cause": '["odd"]'}, "odd"),
    ],
)
def test_a_workflow_that_fails_says_why_and_what_to_do(
    states: dict[str, dict[str, str]], ending: dict[str, str], why: str
) -> None:
    states["one"] = ending
    with pytest.raises(click.ClickException, match=why):
        provisioning.ended("one", "burst-14", "UTC")
