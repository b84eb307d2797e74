"""docs/architecture.md is of this tree: its paths, floors, functions, keys and tables are those of the code."""

import ast
import re
from pathlib import Path

import pytest

from headroom.domain.history.events import Kind
from headroom.domain.people.telling import DOES, SHOULD, TITLES, WEIGHTS, Weight
from headroom.domain.planning.issues import Trouble
from headroom_lab.proof.making import MACHINES as OPTIONAL
from tests.support import template as stack
from tests.support.imports import imports_of, modules_of
from tests.unit.test_floors import PACKAGE

TEXT = re.sub(r"```.*?```", "", (stack.ROOT / "docs/architecture.md").read_text(), flags=re.DOTALL)
NEITHER = {"announce", "show"}  # an adapter alone, and the widgets


def section(title: str) -> str:
    _, found, after = TEXT.partition(f"\n## {title}\n")
    assert found, title
    return after.split("\n## ")[0]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def there(path: str) -> Path | None:
    return next((at for at in (stack.ROOT / path, PACKAGE / path) if at.exists()), None)


def test_every_path_that_is_named_is_there() -> None:
    paths = [each for each in code(TEXT) if re.fullmatch(r"[\w./-]+", each) and ("/" in each or "." in each)]
    assert len(paths) > 80
    assert [each for each in paths if there(each) is None] == []


def test_every_room_and_every_part_of_the_ledger_is_named() -> None:
    floors = section("Floors")
    rooms = {path.name for path in (PACKAGE / "domain").iterdir() if (path / "__init__.py").exists()}
    assert [room for room in rooms if f"`domain/{room}/`" not in floors] == []
    parts = {path.stem for path in (PACKAGE / "adapters/ledger").glob("*.py")} - {"__init__", "errors"}
    assert [part for part in parts if f"`adapters/ledger/{part}.py`" not in floors] == []


def cases() -> dict[str, str]:
    """Which use case the page says that a function calls."""
    rows = re.findall(r"^\| (`.*`).* \| `usecases/(\w+)\.py` \|$", section("Functions and their cases"), re.MULTILINE)
    return {function: case for functions, case in rows for function in code(functions)}


def test_every_function_has_the_case_that_the_page_names_and_calls_no_other() -> None:
    called: dict[str, set[str]] = {name: set() for name in stack.functions()}
    for each in imports_of(stack.ROOT / "functions"):
        if each.imported.startswith("headroom.usecases."):
            called[each.module.split(".")[1]].add(each.imported.split(".")[2])
    assert called == {name: {cases()[name]} if name not in NEITHER else set() for name in stack.functions()}


def test_a_use_case_is_called_as_its_function_or_its_state_machine() -> None:
    modules = {name.rpartition(".")[2] for name in modules_of(PACKAGE) if name.startswith("headroom.usecases.")}
    assert modules == set(cases().values())
    assert modules - set(stack.functions()) <= {*stack.MACHINES, *OPTIONAL}
    for machine in stack.MACHINES:
        for hole in stack.holes(machine):
            if hole.endswith("FunctionArn"):
                assert re.sub(r"(?<!^)([A-Z])", r"_\1", hole.removesuffix("FunctionArn")).lower() in stack.functions()


def test_every_key_of_the_table_is_explained() -> None:
    source = "".join(path.read_text() for path in (PACKAGE / "adapters/ledger").glob("*.py"))
    prefixes = set(re.findall(r'f"(\w+)#\{self\.platform\}', source))
    explained = set(re.findall(r"^\| `(\w+)#P", section("What DynamoDB answers"), re.MULTILINE))
    assert prefixes == explained
    newest = set(re.findall(r'f"now#\{self\.platform\}", (?:"sk": )?f?"(\w+)', source)) - {"sk"}
    row = next(line for line in section("What DynamoDB answers").splitlines() if line.startswith("| `now#P`"))
    assert {each.partition("#")[0] for each in code(row.split("|")[2])} == newest


# Tables that must have the same rows


def test_every_kind_of_event_has_its_weight_and_its_row_and_those_that_are_told_a_title() -> None:
    assert set(WEIGHTS) == set(Kind)
    assert set(code(section("Kinds of events"))) == set(Kind)
    told = {kind for kind, weight in WEIGHTS.items() if weight is not Weight.SILENT}
    assert told - set(TITLES) <= {Kind.ISSUE, Kind.ISSUE_OVER}  # these are told by the kind of their issue
    assert set(TITLES) <= told | set(Trouble)


def test_what_cannot_wait_says_what_headroom_does_and_what_to_do() -> None:
    urgent = {kind for kind, weight in WEIGHTS.items() if weight is Weight.URGENT}
    assert urgent <= set(DOES) == set(SHOULD) <= set(TITLES)


def test_every_kind_of_issue_has_its_title_and_its_row_and_is_raised_somewhere() -> None:
    assert set(Trouble) <= set(TITLES)
    assert set(code(section("Kinds of issues"))) == set(Trouble)
    source = "".join(path.read_text() for path in (PACKAGE / "domain/planning").glob("*.py"))
    raised = set(re.findall(r"kind=Trouble\.(\w+)", source))
    assert raised == {kind.name for kind in Trouble} - {"OTHER"}


def test_every_kind_of_event_is_written_somewhere_or_says_that_it_is_unknown() -> None:
    shipped = [*PACKAGE.rglob("*.py"), *(stack.ROOT / "lab").rglob("*.py")]
    source = "".join(path.read_text() for path in shipped if path.name != "telling.py")
    made = {name for name in re.findall(r"Kind\.([A-Z_]+)", source) if name in Kind.__members__}
    families = ("wanted", "instance ", "asked to ")  # made from an action, a state, an order
    outcomes = ast.parse((PACKAGE / "usecases/finish.py").read_text())
    ends = {
        node.value.value
        for each in ast.walk(outcomes)
        if isinstance(each, ast.ClassDef) and each.name == "Outcome"
        for node in each.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    missing = [
        k
        for k in set(Kind) - {Kind.UNKNOWN}
        if k.name not in made and k not in ends and not any(f in k for f in families)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "what", ["a parameter", "a rule of a stop", "a notification", "an issue", "an event", "a command", "a widget"]
)
def test_where_to_add_something_names_its_files(what: str) -> None:
    row = next(line for line in section("Where to add").splitlines() if line.startswith(f"| {what} |"))
    assert [each for each in code(row) if "/" in each or each.endswith((".py", ".yaml", ".md"))]


def test_each_of_the_eight_questions_takes_two_files_at_the_most() -> None:
    rows = [line for line in section("Eight questions").splitlines() if line.startswith("| W")]
    assert len(rows) == 8
    for row in rows:
        assert 1 <= len([each for each in code(row) if each.endswith((".py", ".yaml"))]) <= 2, row
