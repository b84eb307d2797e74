"""Keeps the environment of the running demo in a file, so that other terminals of the same user can work on it."""

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import psutil

FORGOTTEN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")  # they would lead to a real account


def _file() -> Path:
    return Path(click.get_app_dir("headroom")) / "demo.json"


def eval_line() -> str:
    """Return what a person types in another terminal."""
    command = Path(sys.executable).with_name("headroom")
    return f'eval "$({shlex.quote(str(command))} demo --env)"'


@contextmanager
def announced(environment: Mapping[str, str]) -> Iterator[None]:
    """Let `headroom demo --env` print this environment while the block runs; an empty one says that it is being set up."""
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps({"pid": os.getpid(), "environment": dict(environment)}))
    try:
        yield
    finally:
        if _pid() == os.getpid():  # a demo that began later has taken its place
            file.unlink()


def _pid() -> int | None:
    try:
        return int(json.loads(_file().read_text())["pid"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def exports() -> str:
    """Return shell commands that set up a terminal for the running demo; raise ClickException if none is running."""
    pid = _pid()
    if pid is None or not psutil.pid_exists(pid):
        raise click.ClickException("No demo is running: `make demo` in another terminal starts one.")
    environment = json.loads(_file().read_text())["environment"]
    if not environment:
        raise click.ClickException(
            "The demo is still being set up: wait until it prints its line for the command line."
        )
    path = f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'
    lines = [f"unset {' '.join(FORGOTTEN)}", path]
    return "\n".join([*lines, *(f"export {name}={shlex.quote(value)}" for name, value in environment.items())])
