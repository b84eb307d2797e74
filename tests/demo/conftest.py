"""One demo for all tests here: `make demo UNTIL=09:05 STAY=1`, as somebody starts it in a terminal."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.template import ROOT

STARTS_WITHIN, PLAYS_WITHIN, ENDS_WITHIN = 240, 600, 60  # real seconds


class Demo:
    """The demo that runs, and what it says."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            ["make", "demo", "UNTIL=09:05", "STAY=1"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            print(line, end="")
            self.lines.append(line)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def says(self, pattern: str, within: float) -> str:
        """Wait until it says something, and return that."""
        until = time.monotonic() + within
        while not (found := re.search(pattern, self.said)):
            assert time.monotonic() < until, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.2)
        return found[0]

    def address(self) -> str:
        """Wait until the page is served."""
        return self.says(r"http://127\.0\.0\.1:\d+/#token=\S+", STARTS_WITHIN)

    def end(self) -> None:
        """Press Ctrl-C, and wait until everything is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(ENDS_WITHIN)
        self.reader.join(30)
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    playing = Demo()
    yield playing
    if playing.process.poll() is None:
        playing.end()
