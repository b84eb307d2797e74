"""Every command of README and docs, as it is typed there, in a terminal that the printed line has led to the demo."""

import re
import subprocess
import threading
from pathlib import Path

import click
import pytest

from headroom_cli.main import main
from tests.demo.conftest import PLAYS_WITHIN, STARTS_WITHIN, Demo
from tests.support.template import ROOT

MADE = {"commands.md", "parameters.md"}  # from the code: another test compares them
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in MADE)]
LINE = 'eval "$(.venv/bin/headroom demo --env)"'
pytestmark = pytest.mark.timeout(STARTS_WITHIN + PLAYS_WITHIN)

# What is typed, in an order in which it makes sense, and what the answer has. Each is typed where the documents have it.
ANSWERS = {
    "headroom status": r"manager\.example\.com in control mode, Mon (09|10|11):\d\d:\d\d Europe/Stockholm; Pexip read \d+ s ago",
    "headroom nodes": r"burst-12 +AWS burst",
    "headroom issues": r"No issues|what to do",
    "headroom history": r"2026-03-02 (09|10|11):",
    "headroom history --newest 10": r"2026-03-02 (09|10|11):",
    "headroom history --kind promise": r"the\s+scheduled\s+pre-warm",
    'headroom history --kind "given up"': r"burst-03 +given up +InsufficientInstanceCapacity",
    "headroom why burst-01": r"burst-01 is \w+, with \d+ of 15 (.*\n)*.*lifetime from 2026-03-02 ",
    "headroom why 8:50": r"^2026-03-02 08:[345]\d: ",  # a machine that stood still for seconds lost minutes
    "headroom replay-decision 8:50": r"was reproduced bit for bit",
    "headroom verify": r"Nothing was changed or removed",
    "headroom size --hd 150": r"5 overflow nodes of 15",
    'headroom hold --count 2 --until 13:00 --reason "board meeting"': r"2 nodes in AWS burst .* until 13:00: board meeting",
    'headroom hold --count 3 --until 14:00 --reason "all-hands"': r"3 nodes in AWS burst to serve by .* until 14:00: all-hands",
    'headroom hold --count 3 --ready-by 13:00 --until 15:00 --reason "all-hands"': r"to serve by 13:00 and until 15:00",
    'headroom start burst-11 --until 13:00 --reason "all-hands"': r"Serving: burst-11\.",
    "headroom why burst-11": r"burst-11 is serving.*\n +it stays on: .*\n(.*\n)*.*asked to start: burst-11 to serve by",
    "headroom history --node burst-11": r"burst-11 +(serving|instance running|start asked)",
    "headroom release burst-11": r"Released: all-hands",
    'headroom start burst-12 --until 14:00 --reason "all-hands"': r"Serving: burst-12\.",
    'headroom start burst-12 --until 14:00 --reason "board meeting"': r"Serving: burst-12\.",
    "headroom close burst-12": r"burst-12 to be closed",
    "headroom open burst-12": r"burst-12 to be opened|Only a node closed by Headroom can be opened: burst-12 is serving",
    "headroom release burst-12": r"Released: ",
    'headroom expect 200 --at 14:00 --reason "all-hands"': r"200 HD connections more in Stockholm from 14:00",
    'headroom take-out burst-11 --reason "its disk is swapped"': r"burst-11 to be closed, emptied and stopped",
    "headroom reinstate burst-11": r"Put back: burst-11",
    "headroom doctor": r"checks are well",
    'headroom pause "fire drill"': r"Paused\. Within a minute .*: fire drill\.",
    'headroom pause "network maintenance"': r"Paused\. ",
    'headroom pause "why"': r"Paused\. ",
    'headroom pause "dead letters"': r"Paused\. ",
    'headroom pause "no plan"': r"Paused\. ",
    'headroom pause "no load"': r"Paused\. ",
    'headroom pause "own errors"': r"Paused\. ",
    'headroom pause "start failures"': r"Paused\. .*: start failures\.",
    "headroom resume": r"Resumed; it was paused for: start failures",
    "headroom report --days 7": r"as recorded(.*\n)*.*Headroom, replayed(.*\n)*.*Pexip's own rule, replayed",
    "headroom report --days 7 --html report.html": r"as recorded",
    "headroom export > load.csv": r"\A\Z",
    "headroom export --days 14 > load.csv": r"\A\Z",
    "headroom tune load.csv --days 2": r"Recommended: threshold",
    "headroom replay load.csv --days 2 --whatif threshold=15": r"headroom with threshold=15",
    "headroom replay load.csv --days 2 --policy headroom --policy native": r"native",
    "headroom page": r"^http://127\.0\.0\.1:\d+/#token=",
    "headroom hand-back": r"Deploying with Mode=observe\.\nHanded back\.",
    "headroom hand-over": r"Headroom controls 12 overflow nodes\.",
}
LASTING = {"headroom page", "headroom hand-back", "headroom hand-over"}
ELSEWHERE = {  # other tests play them: the first is of the laboratory, the others change the fleet for good
    "headroom chaos --kernel 1 --workflows 1 --first SEED",
    "headroom install --provisioning",
    'headroom provision --count 4 --location "AWS burst" --dry-run',
    'headroom provision --count 4 --location "AWS burst"',
    "headroom convert burst-11 --to always-on --location Stockholm",
    'headroom convert edge-3 --to overflow --location "AWS burst"',
    "headroom remove burst-11",
}
MENTIONED = {
    "why",
    "install",
    "uninstall",
    "start",
    "hold",
    "release",
    "close",
    "open",
    "pause",
    "replay",
    "size",
    "expect",
    "report",
    "tune",
    "provision",
    "convert",
    "remove",
    "upgrade",
}  # by its name alone: what needs an argument, or takes long without one


def typed(page: Path) -> list[str]:
    """Every command on a page: a line of a block, or what stands in a sentence."""
    text = page.read_text()
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    found = [line.split("  #")[0].strip() for line in blocks.splitlines() if re.match(r"(headroom|curl|eval) ", line)]
    return found + re.findall(r"`(headroom [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


COMMANDS = {command for page in PAGES for command in typed(page)}
CURL = next(command for command in COMMANDS if command.startswith("curl "))


def test_every_command_of_the_documents_is_typed_below_and_no_other() -> None:
    bare = {f"headroom {name}" for name in MENTIONED}
    general = {
        command for command in COMMANDS if re.search(r"…|[A-Z]{4,}", command) and not command.startswith("curl ")
    }
    assert COMMANDS - bare - general - ELSEWHERE - {LINE, CURL} == set(ANSWERS)
    for command in bare | general | ELSEWHERE:
        name, *options = re.findall(r"(?<=headroom )\S+|--[\w-]+", command)
        known = main.get_command(click.Context(main), name)
        assert known, command
        assert set(options) <= {option for each in known.params for option in each.opts}, command


class Terminal:
    """A terminal in a checkout, after the line that the demo prints."""

    def __init__(self, folder: Path, line: str) -> None:
        self.folder = folder
        wide = "COLUMNS=1000"  # no sentence is wrapped: where it would be depends on how the morning went
        typed = ["bash", "-c", f"{line}\nexport {wide} PYTHONUNBUFFERED=1\nenv -0"]
        shown = subprocess.run(typed, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout
        self.environment = dict(each.split("=", 1) for each in shown.split("\0") if each)

    def types(self, command: str) -> str:
        """Type a command; return all that it says."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def terminal(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    printed = demo.says(r'eval "\$\(.+ demo --env\)"', STARTS_WITHIN)
    assert printed == LINE.replace(".venv", f"{ROOT}/.venv")
    demo.says("The stack stays until Ctrl-C", PLAYS_WITHIN)
    return Terminal(tmp_path_factory.mktemp("typed"), printed)


@pytest.mark.parametrize("command", [each for each in ANSWERS if each not in LASTING])
def test_a_command_of_the_documents_answers_in_the_demo_s_time(terminal: Terminal, command: str) -> None:
    said = terminal.types(command)
    assert re.search(ANSWERS[command], said, re.MULTILINE), said
    assert "Traceback" not in said


def test_the_page_is_served_until_it_is_ended(terminal: Terminal) -> None:
    said = terminal.types("timeout --signal INT 6 headroom page")
    assert re.search(ANSWERS["headroom page"], said, re.MULTILINE), said


@pytest.mark.parametrize(("command", "bursting"), [("headroom hand-back", "true"), ("headroom hand-over", "false")])
def test_handing_back_and_over_wait_for_pexips_bursting(terminal: Terminal, command: str, bursting: str) -> None:
    while "exit 0" not in terminal.types("headroom status --json > now.json; echo exit $?"):
        pass  # the deployment of another mode has just ended, and a busy machine is some readings behind
    said: list[str] = []
    waiting = threading.Thread(target=lambda: said.append(terminal.types(command)))
    waiting.start()
    while waiting.is_alive():  # a person does so once they are asked; before that it is refused, or undone
        waiting.join(15)
        terminal.types(CURL.replace("true", bursting))
    assert re.search(ANSWERS[command], said[0]), said[0]


def test_after_ctrl_c_a_command_says_that_the_demo_has_ended(demo: Demo, terminal: Terminal) -> None:
    demo.end()
    assert "The demo that this terminal was set up for has ended" in terminal.types("headroom status")
    assert "No demo is running" in terminal.types("headroom demo --env")
