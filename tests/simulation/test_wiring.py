"""No function can work with other parts than those it is given, unseen: in the lab, or with somebody's credentials."""

from collections.abc import Callable

import boto3
import pytest

from functions.check_stop import app as check_stop
from headroom.adapters.parts import Parts, parts, using
from headroom_lab.proof.play import Play
from headroom_lab.proof.stage import FUNCTIONS, Stage


def test_a_handler_whose_parts_are_not_the_stage_s_is_found(rush: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks the real DynamoDB, so that every retirement would end as refused; nothing of it leaves the machine."""
    monkeypatch.setattr(check_stop, "parts", Parts)
    rush.minutes(45)
    assert any(each.startswith("check_stop: the network was asked for dynamodb.") for each in rush.findings)
    assert "check_stop" not in rush.answered
    refused = [event for event in rush.ledger.events("2026-03-29") if event.kind == "stop refused"]
    assert refused


def test_such_a_handler_makes_schedules_go_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_stop, "parts", Parts)
    wrong = next(played.wrong for played in (Play(seed).run() for seed in range(6)) if played.wrong)
    assert any(each.startswith("check_stop: the network was asked for") for each in wrong)


def test_nobody_s_credentials_are_found_on_a_stage(
    make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "a person's own")
    make_stage()
    found = boto3.Session().get_credentials()
    assert found
    assert (found.access_key, found.secret_key, found.token) == ("none", "none", None)


def test_an_error_that_no_hazard_injected_is_a_finding_although_the_function_goes_on(
    rush: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(rush.ledger, "keep_samples", broken)
    rush.minutes(2)
    assert rush.findings
    assert set(rush.findings) == {"decide: KeyError: 'a mistake' («samples not kept»)"}


def test_parts_are_given_whole_or_not_at_all() -> None:
    with pytest.raises(TypeError, match="bus, chats"):
        Parts.made_of(ledger=object())
    with pytest.raises(TypeError, match="legder"):
        Parts.made_of(legder=object())


def test_each_part_is_made_from_the_environment_when_it_is_first_needed() -> None:
    mine = Parts()
    with using(mine):
        assert parts() is mine
    assert vars(mine) == {}
    assert mine.ledger.platform == mine.bus.platform == mine.settings.platform
    assert "pexip" not in vars(mine)


def test_every_function_is_on_the_stage(stage: Stage) -> None:
    assert set(stage.apps) == set(FUNCTIONS) >= {"start_cloudnode", "announce", "show", "learn"}
