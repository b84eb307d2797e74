"""What the installation's guide refuses before it asks anybody."""

import re
from pathlib import Path

import click
import pytest

from headroom_cli.installing.guide import _check

TEMPLATE = Path(__file__).parents[3] / "template.yaml"


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(x|y*){9}",
        "((ab)*c)*",
        r"(.*)\1",
        "(?P<a>x)(?P=a)",
        "([a-z]+\\s?)+!",
        "a" * 201,
        "((a+))+",
        "(a|aa)+$",
        "(?:a|ab)*c",
        r"a*a*a*a*b",
        r"(a)\0",
        "(.{1,}){2}",
    ],
)
def test_a_regular_expression_that_may_run_for_ever_is_refused(pattern: str) -> None:
    """It is Pexip's database that would run it."""
    with pytest.raises(click.ClickException, match="may keep the Management Node busy for ever"):
        _check("headroom", TEMPLATE, {"CapacityReasons": pattern})


@pytest.mark.parametrize(
    "pattern",
    ["capacity exceeded", "licen[cs]e", "no (free )?ports?|out of .+", r"100\+ \(full\)+", r"[(a)+*]+ \*\+\*\+ x"],
)
def test_an_ordinary_one_is_not(pattern: str) -> None:
    assert re.compile(pattern)
    _check("headroom", TEMPLATE, {"LicenceReasons": pattern})


def test_one_that_is_none_is_named() -> None:
    with pytest.raises(click.ClickException, match="CapacityReasons is no regular expression"):
        _check("headroom", TEMPLATE, {"CapacityReasons": "("})
