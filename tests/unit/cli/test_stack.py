"""A stack that cannot be found or used is said in a sentence, with what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import click
import msgspec
import pytest
from botocore.exceptions import ClientError, UnauthorizedSSOTokenError

import headroom
from headroom_cli.stack import Deployed, other_version, spoken, stack_of


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have CloudFormation in eu-west-2 know these stacks, by name and version."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    def know(**versions: str) -> None:
        def answer(_: object, operation: str, given: dict[str, str]) -> object:
            assert operation == "DescribeStacks"
            if (name := given.get("StackName")) and name not in versions:
                message = f"Stack with id {name} does not exist"
                raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, operation)
            return {"Stacks": [stack(each, versions[each]) for each in ([name] if name else versions)]}

        monkeypatch.setattr("botocore.client.BaseClient._make_api_call", answer)

    return know


def stack(name: str, version: str) -> dict[str, Any]:
    outputs = {"Ledger": "ledger", "Version": version}
    return {
        "StackName": name,
        "Parameters": [{"ParameterKey": "TagValue", "ParameterValue": "manager.example.com"}],
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
    }


def said(name: str) -> str:
    with pytest.raises(click.ClickException) as caught:
        stack_of(name)
    return caught.value.message


def test_a_stack_in_another_region_names_this_region_and_how_to_choose(stacks: Callable[..., None]) -> None:
    stacks()
    words = said("headroom")
    assert words.startswith("There is no stack headroom in eu-west-2; there is no other stack of Headroom there.")
    assert "AWS_REGION" in words


def test_aws_region_chooses_the_region_as_it_does_for_the_aws_cli(
    stacks: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks()
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert said("headroom").startswith("There is no stack headroom in eu-north-1;")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert said("headroom").startswith("There is no stack headroom in eu-north-1;")


def test_a_stack_of_another_name_is_proposed(stacks: Callable[..., None]) -> None:
    stacks(oslo="0.1.0")
    assert "Headroom's stacks there: oslo (choose one with --stack)" in said("headroom")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("99.0.0", "The stack is newer: install the command of 99.0.0"),
        ("0.0.9", "The command is newer: update the stack (`make deploy`)"),
    ],
)
def test_a_stack_of_another_version_is_used_with_a_warning(
    stacks: Callable[..., None], version: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks(headroom=version)
    assert stack_of("headroom").name == "headroom"
    assert words in capsys.readouterr().err


def test_a_stack_of_the_same_version_is_used_without_a_word(
    stacks: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    stacks(headroom=headroom.__version__)
    assert stack_of("headroom").name == "headroom"
    assert capsys.readouterr().err == ""


def test_a_stack_that_says_no_version_is_an_old_one() -> None:
    assert other_version("", "0.1.0").startswith("the stack has version unknown (an old one), this command 0.1.0.")


def test_versions_are_compared_as_numbers() -> None:
    assert "The stack is newer" in other_version("0.10.0", "0.9.1")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ClientError({"Error": {"Code": "ExpiredToken", "Message": "The token is expired"}}, "GetItem"),
            "Sign in again",
        ),
        (UnauthorizedSSOTokenError(), "Your sign-in at AWS has expired"),
        (
            ClientError({"Error": {"Code": "InvalidSignatureException", "Message": "Signature expired"}}, "Query"),
            "correct this machine's clock",
        ),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "Query"), "Permissions"),
        (msgspec.ValidationError("Expected `int`, got `str`"), "use the command of the stack's version"),
    ],
)
def test_what_aws_refuses_is_said_with_what_to_do(error: Exception, words: str) -> None:
    with pytest.raises(click.ClickException, match=words), spoken():
        raise error


def test_a_terminal_of_a_demo_that_has_ended_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADROOM_CLOCK", str(tmp_path / "gone.json"))
    assert said("headroom").startswith("The demo that this terminal was set up for has ended")


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({}, "Operators/anna@example.com"),
        ({"PeopleNames": "whole"}, "Operators/anna@example.com"),
        ({"PeopleNames": "short"}, "Operators/anna"),
    ],
)
def test_people_are_named_as_the_stack_wants_it(
    wanted: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headroom_cli.stack.identity", lambda: "Operators/anna@example.com")
    ledger: Any = None
    assert Deployed("headroom", ledger, {}, wanted).who() == named
