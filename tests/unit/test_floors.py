"""Imports go down the floors only, in every form and at every depth; each guard is shown failing once."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headroom.version import digest_of_code
from headroom_lab import mutants
from tests.support.imports import Import, circle, imports_of, modules_of, upwards
from tests.support.template import ROOT

PACKAGE = ROOT / "layers/headroom/headroom"
DOMAIN = tuple(
    (f"headroom.domain.{room}",)
    for room in ("texts", "policy", "demand", "fleet", "safety", "doctor", "planning", "history", "people")
)
FLOORS = (
    ("headroom.clock",),
    ("headroom.domain",),
    *DOMAIN,
    ("headroom.settings", "headroom.observability", "headroom.version"),
    ("headroom.adapters",),
    ("headroom.usecases",),
    ("headroom.widgets",),
    ("functions",),
)
DESK = (("headroom",), ("headroom_replay",), ("headroom_cli",), ("headroom_lab",))
AT_THE_DOOR = {"__init__", "clock", "settings", "observability", "version"}
LONGEST = 500  # lines


def test_nothing_imports_upwards() -> None:
    assert upwards(inner(imports_of(PACKAGE)), FLOORS) == []
    assert upwards(inner(imports_of(ROOT / "functions")), FLOORS) == []


def inner(imports: Iterator[Import]) -> Iterator[Import]:
    """All but the package's own name, which holds nothing but its version."""
    return (each for each in imports if each.imported != "headroom" and each.module != "headroom")


def desk() -> Iterator[Import]:
    """What is installed at a desk: the replay, the command, the laboratory."""
    for folder in ("cli/headroom_replay", "cli/headroom_cli", "lab/headroom_lab"):
        yield from imports_of(ROOT / folder)


def test_the_replay_knows_no_command_and_the_command_no_laboratory() -> None:
    assert upwards(desk(), DESK) == []


def test_no_module_stands_in_a_circle() -> None:
    assert circle(imports_of(PACKAGE), "headroom") == []
    for package in ("headroom_replay", "headroom_cli", "headroom_lab"):
        assert circle(desk(), package) == []


def test_the_domain_imports_itself_and_the_standard_library_only() -> None:
    strangers = [
        str(each)
        for each in imports_of(PACKAGE)
        if each.module.startswith("headroom.domain")
        and not each.imported.startswith("headroom.domain")
        and each.imported.split(".")[0] not in sys.stdlib_module_names
    ]
    assert strangers == []


def test_nothing_stands_at_the_door_but_what_has_no_room_and_no_file_remembers_everything() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == AT_THE_DOOR
    assert {name: length for name, path in modules_of(PACKAGE).items() if (length := lines(path)) > LONGEST} == {}


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


# Each guard failing once


PLANTED = [
    "import headroom.adapters.ec2",
    "from headroom.adapters import ec2",
    "from headroom.adapters.ec2 import Ec2",
    "from ...adapters import ec2",
    "from ...adapters.ec2 import Ec2 as Other",
    "def later():\n    from headroom.adapters import ec2",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from headroom.adapters.ec2 import Ec2",
    "import importlib\nimportlib.import_module('headroom.adapters.ec2')",
    "__import__('headroom.adapters.ec2')",
    "from headroom.domain.people.status import Status",
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "headroom"))


@pytest.mark.parametrize("form", PLANTED)
def test_an_import_upwards_is_found_in_every_form(copy: Path, form: str) -> None:
    (copy / "domain/planning/planted.py").write_text(form)
    found = upwards(inner(imports_of(copy)), FLOORS)
    assert len(found) == 1
    assert found[0].startswith("headroom.domain.planning.planted:")


def test_a_command_that_needs_the_laboratory_is_found(tmp_path: Path) -> None:
    planted = Path(shutil.copytree(ROOT / "cli/headroom_replay", tmp_path / "headroom_replay")) / "planted.py"
    planted.write_text("def later():\n    from headroom_lab.pexip import server")
    [found] = upwards(imports_of(tmp_path / "headroom_replay"), DESK)
    assert found.startswith("headroom_replay.planted:")


def test_a_module_without_a_room_is_found(copy: Path) -> None:
    (copy / "elsewhere.py").write_text("import headroom.clock")
    assert upwards(inner(imports_of(copy)), FLOORS) == ["headroom.elsewhere:1 imports headroom.clock"]


def test_a_circle_is_found(copy: Path) -> None:
    (copy / "domain/planning/one.py").write_text("import headroom.domain.planning.two")
    (copy / "domain/planning/two.py").write_text("def later():\n    from headroom.domain.planning import one")
    assert {"headroom.domain.planning.one", "headroom.domain.planning.two"} <= set(circle(imports_of(copy), "headroom"))


@pytest.mark.parametrize("name", ["boto3", "requests", "msgspec", "aws_lambda_powertools"])
@pytest.mark.parametrize("where", ["domain/planted.py", "domain/planning/planted.py"])
def test_the_linter_bans_what_lives_at_the_edge_from_every_room_of_the_domain(name: str, where: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--no-cache", "--output-format", "concise"]
    said = subprocess.run(
        [*command, "--stdin-filename", str(PACKAGE / where), "-"],
        input=f"import {name}\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert f"TID251 `{name}` is banned" in said.stdout, said.stdout + said.stderr


def test_a_change_in_any_room_changes_the_version_that_a_plan_names(copy: Path) -> None:
    before = digest_of_code(copy / "domain")
    needs = copy / "domain/planning/needs.py"
    needs.write_text(f"{needs.read_text()}# one more line")
    assert digest_of_code(copy / "domain") != before


def test_the_mutants_are_of_files_that_are_there_and_their_tests_too(tmp_path: Path) -> None:
    mutants.prepare(tmp_path / "work")
    work = tmp_path / "work"
    for module in mutants.MODULES:
        assert (work / f"src/headroom/domain/{module}.py").exists(), module
    for test in mutants.TESTS:
        assert (work / f"tests/unit/domain/{test}.py").exists(), test
