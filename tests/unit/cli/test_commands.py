"""The command answers at once: what a command works with is imported when it runs."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from headroom_cli.main import COMMANDS, main
from headroom_replay.names import HEADROOM, NAMES, ORACLE
from headroom_replay.run import POLICIES

HEAVY = ("boto3", "botocore", "jinja2", "msgspec", "pygal", "rich", "starlette", "uvicorn")
OURS = [name for commands in COMMANDS.values() for name in commands]


def test_help_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom headroom_cli.main import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@pytest.mark.parametrize("name", OURS)
def test_every_command_has_a_sentence_and_help_on_every_option(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command
    assert command.name == name
    assert command.get_short_help_str(200).endswith((".", "wrong, with what to do about it."))
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_the_laboratory_adds_its_commands_by_entry_points() -> None:
    added = [name for name in main.list_commands(click.Context(main)) if name not in OURS]
    assert added == ["bench", "chaos", "demo", "mutants", "pexip"]
    said = CliRunner().invoke(main, ["--help"]).output
    assert "Laboratory:" in said


def test_the_names_that_replay_offers_are_those_of_the_controllers() -> None:
    assert (*POLICIES, HEADROOM, ORACLE) == NAMES
