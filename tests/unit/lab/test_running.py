"""Another terminal finds the demo that runs, and is told when there is none, or not yet."""

import json
import subprocess
from pathlib import Path

import click
import pytest

from headroom_lab.demo import running


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_a_running_demo_s_environment_is_exported_and_forgotten_at_its_end() -> None:
    with running.announced({"AWS_REGION": "eu-central-1", "PEXIP_USER": "admin:it's"}):
        script = f'{running.exports()}\necho "$AWS_REGION $PEXIP_USER ${{AWS_PROFILE-none}}"'
        said = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"AWS_PROFILE": "work", "PATH": "/bin"},
        )
        assert said.stdout == "eu-central-1 admin:it's none\n"
    with pytest.raises(click.ClickException, match="No demo is running"):
        running.exports()


def test_a_demo_that_is_being_set_up_says_so() -> None:
    with running.announced({}), pytest.raises(click.ClickException, match="still being set up"):
        running.exports()


def test_a_demo_that_was_killed_is_not_running() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with running.announced({"AWS_REGION": "eu-central-1"}):
        running._file().write_text(json.dumps({"pid": ended.pid, "environment": {"AWS_REGION": "eu-central-1"}}))
        with pytest.raises(click.ClickException, match="No demo is running"):
            running.exports()


def test_a_later_demo_s_announcement_stays_when_an_earlier_one_ends() -> None:
    with running.announced({"AWS_REGION": "eu-central-1"}):
        later = json.dumps({"pid": 1, "environment": {"AWS_REGION": "eu-north-1"}})
        running._file().write_text(later)
    assert running._file().read_text() == later
