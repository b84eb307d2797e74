"""The page as an operator uses it, in a browser, while `make demo` plays the morning."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect, sync_playwright

from tests.demo.conftest import PLAYS_WITHIN, STARTS_WITHIN, Demo
from tests.support.template import ROOT

SCREENS = ROOT / "demo" / "screens"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE, MANY = "burst-12", 6
pytestmark = pytest.mark.timeout(STARTS_WITHIN + PLAYS_WITHIN)


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
    row = page.locator(f"tr[id='node-{NODE}']")
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
    demo.says("report.html shows the morning", PLAYS_WITHIN)


def test_the_rush_as_the_page_shows_it(demo: Demo, browser: Browser) -> None:
    """This is the picture in README.md."""
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    page.goto(demo.address())
    expect(page.locator("#nodes .hr-serving").nth(MANY - 1)).to_be_visible(timeout=1000 * PLAYS_WITHIN)
    page.wait_for_selector("#now table")
    page.screenshot(path=SCREENS / "rush.png")


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
