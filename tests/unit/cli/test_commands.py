"""The command answers at once: what a command works with is imported when it runs."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from headroom_cli.main import COMMANDS, main
from headroom_replay.names import HEADROOM, NAMES, ORACLE
from headroom_replay.run import POLICIES
from tests.support.template import ROOT

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
    assert added == ["bench", "chaos", "cost", "demo", "mutants", "pack", "pexip", "security"]
    assert {each.name for each in entry_points(group="headroom.commands")} == set(added), "none takes the name of ours"
    said = CliRunner().invoke(main, ["--help"]).output
    assert "Laboratory:" in said


def test_the_names_that_replay_offers_are_those_of_the_controllers() -> None:
    assert (*POLICIES, HEADROOM, ORACLE) == NAMES


def test_a_command_waits_in_real_time_whatever_the_pace_of_the_clock() -> None:
    """At sixty times the pace of life a wait by the stack's clock would ask twelve times a second."""
    sources = {path: path.read_text() for path in (ROOT / "cli/headroom_cli").rglob("*.py")}
    assert [path for path, source in sources.items() if "clock.sleep" in source] == []
    assert [path.name for path, source in sources.items() if "time.sleep" in source] == ["waiting.py"]


def test_a_page_that_could_not_be_written_is_refused_before_the_replay(tmp_path: Path) -> None:
    calls = tmp_path / "calls.csv"
    calls.write_text("timestamp,arrivals\n2026-03-02T09:00:00,30\n2026-03-02T09:30:00,30\n")
    said = CliRunner().invoke(main, ["replay", str(calls), "--html", str(tmp_path / "nowhere/page.html")])
    assert said.exit_code == 2
    assert "There is no folder" in said.output


def test_a_file_that_a_spreadsheet_has_saved_is_read(tmp_path: Path) -> None:
    """It begins with a byte order mark."""
    calls = tmp_path / "calls.csv"
    rows = [f"2026-03-02T{hour:02}:{minute}:00,30" for hour in range(8, 12) for minute in ("00", "30")]
    calls.write_text("\n".join(["timestamp,arrivals", *rows]), encoding="utf-8-sig")
    said = CliRunner().invoke(main, ["replay", str(calls), "--policy", "none", "--always-on", "10"])
    assert said.exit_code == 0, said.output
