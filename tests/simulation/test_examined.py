"""What the doctor finds at night is an issue until the next night, and spoils no plan."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from headroom.adapters.site import Looking
from headroom.domain.fleet.fleet import Worker
from headroom.domain.planning.issues import Trouble
from headroom_lab.proof.stage import CONTEXT, Stage
from tests.simulation.conftest import Deployed


def examine(stage: Stage, **seen: Any) -> dict[str, str]:
    """Run the shipped function in an account in which this is seen."""

    def look(looking: Looking, _: tuple[Worker, ...]) -> None:
        looking.seen |= seen

    account: Any = SimpleNamespace(look=look)
    stage.parts.site = account
    found: dict[str, str] = stage.apps["examine"].handler({}, CONTEXT)
    return found


def test_what_is_found_is_an_issue_of_the_next_plans_until_it_is_mended(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    assert examine(stage, region="cn-north-1") == {"region": "cn-north-1 is in China."}
    stage.minutes(2)
    [issue] = [each for each in stage.ledger.plan().issues if each.kind is Trouble.FOUND_AT_NIGHT]
    assert (issue.about, issue.what) == ("region", "cn-north-1 is in China.")
    assert "excludes the regions in China" in issue.advice
    assert examine(stage, region="eu-north-1") == {}
    stage.minutes(2)
    assert Trouble.FOUND_AT_NIGHT not in {each.kind for each in stage.ledger.plan().issues}
    assert stage.findings == []


def test_what_was_found_two_nights_ago_is_forgotten(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    examine(stage, region="cn-north-1")
    now = stage.moment()
    assert len(stage.ledger.findings(now - timedelta(hours=36))) == 1
    assert stage.ledger.findings(now + timedelta(hours=1)) == ()


def test_what_a_plan_says_at_once_is_not_said_again(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.minutes(2)
    stage.world.settings["bursting_enabled"] = True
    stage.minutes(2)
    assert Trouble.TWO_CONTROLLERS in {each.kind for each in stage.ledger.plan().issues}
    assert examine(stage) == {}


def test_nodes_of_another_version_are_found(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.overflow[0].version = "36 (79000.0.0)"
    stage.minutes(3)
    assert "burst-1 has 36" in examine(stage)["versions"]


def test_findings_that_cannot_be_read_cost_no_plan(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = deployed.stage
    stage.minutes(2)
    examine(stage, region="cn-north-1")
    stage.table.items["now#manager.example.com"]["findings"]["body"] = b"odd"
    stage.minutes(2)
    assert Trouble.FOUND_AT_NIGHT not in {each.kind for each in stage.ledger.plan().issues}
    before = stage.ledger.plan().at
    monkeypatch.setattr(type(stage.ledger), "findings", lambda *_: 1 / 0)
    stage.minutes(2)
    assert stage.ledger.plan().at > before


def test_before_the_first_reading_the_account_is_looked_at_all_the_same(deployed: Deployed) -> None:
    assert examine(deployed.stage, region="cn-north-1") == {"region": "cn-north-1 is in China."}
