"""What an operator installs, in an environment of its own: the command, and nothing of the laboratory."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headroom_cli.main import COMMANDS
from tests.support.template import ROOT

UV = ROOT / ".tools/bin/uv"
LABORATORY = {"aws-sam-cli", "headroom-lab", "matplotlib", "ministack", "moto", "pytest", "trustme"}
LARGEST = 100  # MB
TIMED = ("--version", "--help", "status --help", "replay --help", "page --help")


def run(*command: str | Path, **more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=environment | more, cwd=ROOT)
    assert said.returncode == 0, said.stderr
    return said.stdout


@pytest.mark.parametrize("source", ["./cli", "."])
def test_what_pip_accepts_gives_a_command_that_works(
    source: str, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    began = time.monotonic()
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "fresh")
    python = tmp_path / "fresh/bin/python"
    run(UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, source)
    took = time.monotonic() - began
    megabytes = sum(path.stat().st_size for path in (tmp_path / "fresh").rglob("*") if path.is_file()) / 1e6
    installed = {line.partition("==")[0] for line in run(UV, "pip", "freeze", "--python", python).splitlines()}
    assert installed & LABORATORY == set()
    assert megabytes < LARGEST
    headroom = tmp_path / "fresh/bin/headroom"
    said = run(headroom, "--help")
    offered = [name for names in COMMANDS.values() for name in names]
    assert [name for name in offered if f"  {name} " not in said] == []
    assert "Laboratory" not in said
    for name in offered:
        assert "Usage: headroom" in run(headroom, name, "--help")
    advice = run(headroom, "size", "--hd", "150")
    assert "5 overflow nodes of 15" in advice
    figure(f"pip install {source}: {megabytes:.0f} MB in {took:.0f} s, {len(offered)} commands: {', '.join(offered)}")
    figure(f"  processor time: {', '.join(f'{words} {seconds(headroom, words):.2f} s' for words in TIMED)}")


def seconds(headroom: Path, words: str) -> float:
    """The least processor time of a few runs."""
    found = []
    for _ in range(3):
        before = os.times()
        run(headroom, *words.split())
        after = os.times()
        found.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(found)


def test_the_replay_works_without_the_laboratory(tmp_path: Path) -> None:
    """What a report needs of the simulated world came along."""
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "fresh")
    run(UV, "pip", "install", "--quiet", "--python", tmp_path / "fresh/bin/python", "./cli")
    calls = tmp_path / "calls.csv"
    rows = [
        f"2026-03-{day:02}T{hour:02}:{minute:02}:00,{8 + hour}"
        for day in range(2, 6)
        for hour in range(24)
        for minute in (0, 30)
    ]
    calls.write_text("\n".join(["timestamp,arrivals", *rows]))
    page = tmp_path / "page.html"
    headroom = tmp_path / "fresh/bin/headroom"
    said = run(headroom, "replay", calls, "--days", "2", "--policy", "headroom", "--html", page, COLUMNS="120")
    assert "headroom" in said
    assert "<svg" in page.read_text()
