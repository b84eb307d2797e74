"""The page as an operator uses it, in a browser, while `make demo` plays the morning."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).parents[2]
SCREENS = ROOT / "demo" / "screens"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
STARTS_WITHIN, PLAYS_WITHIN = 240, 600  # real seconds
NODE = "burst-12"
pytestmark = pytest.mark.timeout(STARTS_WITHIN + PLAYS_WITHIN)


class Demo:
    """`make demo`, and what it says."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            ["make", "demo", "UNTIL=09:05"],
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

    def address(self) -> str:
        """Wait until the page is served."""
        until = time.monotonic() + STARTS_WITHIN
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/#token=\S+", self.said)):
            assert time.monotonic() < until, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.2)
        return found[0]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    playing = Demo()
    yield playing
    with suppress(ProcessLookupError):  # as Ctrl-C in a terminal: it takes everything with it that it has begun
        os.killpg(playing.process.pid, signal.SIGINT)
    playing.process.wait(60)
    playing.reader.join(30)
    if playing.process.stdout:
        playing.process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "There is no Chromium: install it with your system's packages (apt install chromium)."
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_an_operator_starts_a_node_sees_it_serve_and_why_and_the_morning_goes_well(
    demo: Demo, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(demo.address())
    row = page.locator(f"tr[id='{NODE}']")
    expect(row).to_contain_text("○ stopped", timeout=60_000)
    assert "token" not in page.url
    nodes = page.locator("#nodes")
    nodes.get_by_label("Keep until").fill("11:30")
    nodes.get_by_label("Reason").fill("all-hands at nine")
    nodes.get_by_label("Your name").fill("Anna")
    row.get_by_role("button", name="Start").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"Start {NODE} and keep it until the time above")
    page.get_by_role("button", name="No", exact=True).click()
    assert page.locator("#said").inner_text() == ""
    row.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#said")).to_contain_text(f"{NODE} to serve by", timeout=60_000)
    assert nodes.get_by_label("Reason").input_value() == "all-hands at nine", "a redraw keeps what was typed"
    expect(row).to_contain_text("starting", timeout=120_000)
    expect(row).to_contain_text("● serving", timeout=240_000)
    expect(row).to_contain_text("held: all-hands at nine")
    history = page.locator("#history")
    history.get_by_label("Node", exact=True).fill(NODE)
    history.get_by_role("button", name="Show").click()
    for words in ("asked to start", "typed name: Anna", "all-hands at nine", "serving", "It serves 15 HD connections"):
        expect(history).to_contain_text(words, timeout=60_000)
    _looks_well(browser, demo.address())
    assert errors == []
    context.close()
    assert demo.process.wait(PLAYS_WITHIN) == 0, demo.said
    demo.reader.join(10)
    assert "report.html shows the morning" in demo.said


def _looks_well(browser: Browser, address: str) -> None:
    """Keep a screenshot of each look of the page, and have axe-core examine it."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    looks: dict[str, dict[str, Any]] = {
        "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
        "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
        "narrow": {"viewport": {"width": 390, "height": 800}},
    }
    for name, look in looks.items():
        context = browser.new_context(**look)
        other = context.new_page()
        other.goto(address)
        other.wait_for_selector("#charts svg", timeout=60_000)
        other.wait_for_selector("#history td")
        other.screenshot(path=SCREENS / f"{name}.png", full_page=True)
        found = Axe().run(other).response["violations"]
        assert [(each["id"], [one["html"] for one in each["nodes"]][:3]) for each in found] == [], name
        wide = other.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, f"{name}: the page itself scrolls sideways"
        context.close()
