"""How many small mistakes in the safety rules and the planner the tests notice: mutmut's result, written to docs/mutants.md.

mutmut wants its sources under `src` and an environment of its own; `make mutants` gives it both.
"""

import re
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from headroom import clock
from headroom_lab import mistakes

ROOT = Path(__file__).parents[2]
SAFETY = ("safety/safety", "safety/claims", "safety/permission", "safety/pace")
MODULES = (*SAFETY, "planning/planning", "planning/more", "planning/less")
TESTS = (
    *("safety/test_safety", "safety/test_claims", "safety/test_permission", "safety/test_pace"),
    *("planning/test_planning", "planning/test_decisions", "planning/test_left", "planning/test_edges"),
    *(
        "planning/test_hung",
        "planning/test_unread",
        "planning/test_homes",
        "planning/test_blind",
        "planning/test_drill",
    ),
    *("planning/test_promises", "fleet/test_reconciling"),
)
WHY_UNNOTICED = {  # a line with its mistake, and why no test can notice it; none in what keeps a call from being cut
    "spare = max(0, node.room - hd) if hd > 0 else 1": "where no HD connection is short, all nodes are given the same "
    "figure, whatever it is",
}
CONFIGURATION = """
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib"]
pythonpath = ["."]

[tool.mutmut]
source_paths = ["src"]
only_mutate = [{only}]
pytest_add_cli_args_test_selection = [{tests}]
pytest_add_cli_args = ["-q", "-x", "-p", "no:cacheprovider"]
use_setproctitle = false
"""


def prepare(folder: Path) -> None:
    """Lay out what mutmut needs: the package under `src`, the tests of the domain, and its configuration."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "layers/headroom/headroom", folder / "src/headroom")
    for part in ("unit/domain", "support"):
        shutil.copytree(ROOT / "tests" / part, folder / "tests" / part)
    only = ", ".join(f'"*/domain/{module}.py"' for module in MODULES)
    tests = ", ".join(f'"tests/unit/domain/{test}.py"' for test in TESTS)
    text = CONFIGURATION.format(only=only, tests=tests)
    tomllib.loads(text)
    (folder / "pyproject.toml").write_text(text)


def count(results: str) -> dict[str, Counter[str]]:
    """Count mutants by module and fate, from `mutmut results --all true`."""
    counted: dict[str, Counter[str]] = {module: Counter() for module in MODULES}
    for room, module, fate in re.findall(r"headroom\.domain\.(\w+)\.(\w+)\.\S+: ([a-z ]+)", results):
        counted[f"{room}/{module}"][fate.strip()] += 1
    return counted


def unnoticed(mutmut: Path, folder: Path, results: str) -> dict[str, str]:
    """Return the lines with a mistake that no test noticed, by mutant."""
    lines = {}
    for name in [line.split(":")[0].strip() for line in results.splitlines() if line and not line.endswith(": killed")]:
        shown = subprocess.run([mutmut, "show", name], cwd=folder, check=True, capture_output=True, text=True)
        added = [line[1:].strip() for line in shown.stdout.splitlines() if re.match(r"\+(?!\+\+ )", line)]
        lines[name] = " ".join(added)
    return lines


def unexplained(survivors: Mapping[str, str]) -> list[str]:
    """Return the survivors that have no reason, or for which none is accepted."""
    return [
        f"{name}: {line}"
        for name, line in survivors.items()
        if line not in WHY_UNNOTICED or name.startswith("headroom.domain.safety.")
    ]


def page(counted: dict[str, Counter[str]], survivors: Mapping[str, str]) -> str:
    """Write the page."""
    rows = [f"| domain/{module}.py | {fates.total()} | {fates['killed']} |" for module, fates in counted.items()]
    reasons = {line: WHY_UNNOTICED[line] for line in survivors.values()}
    return "\n".join(
        [
            "# What the tests notice",
            "",
            "`make mutants` makes one small mistake after the other in safety rules, claims and planner (mutmut), and runs their "
            f"tests. Measured {clock.now():%Y-%m-%d}. It fails if one of them in domain/safety is not noticed, or one elsewhere "
            "for which no reason stands below.",
            "",
            "| file | mistakes | noticed |",
            "|---|---|---|",
            *rows,
            "",
            "# Mistakes in what keeps a call from being cut",
            "",
            "Rules and planner are not all: what looks, waits, writes, and asks in its order keeps a call from being cut, too. "
            f"`make mutants` makes each of these {len(mistakes.MISTAKES)} mistakes in a copy of the project, and runs the "
            "test that must notice it. None survives.",
            "",
            *mistakes.table(),
            "",
            "# What the tests do not notice",
            "",
            "| mistake | why no test can notice it |",
            "|---|---|",
            *(f"| `{line}` | {reason} |" for line, reason in reasons.items()),
            "",
        ]
    )


def run(mutmut: Path, folder: Path) -> int:
    """Run it and write docs/mutants.md; fail where a mistake is not noticed, and no reason says why."""
    if survived := mistakes.survivors():
        print("Not noticed:", *(f"- {each.what} ({each.file})" for each in survived), sep="\n")
        return 1
    prepare(folder)
    subprocess.run([mutmut, "run"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    results = subprocess.run(
        [mutmut, "results", "--all", "true"], cwd=folder, check=True, capture_output=True, text=True
    )
    counted = count(results.stdout)
    if not all(fates.total() for fates in counted.values()):
        print("mutmut made no mutants: look at its output in", folder)
        return 1
    survivors = unnoticed(mutmut, folder, results.stdout)
    if left := unexplained(survivors):
        print("Not noticed, and no reason why:", *(f"- {each}" for each in left), sep="\n")
        return 1
    (ROOT / "docs/mutants.md").write_text(page(counted, survivors))
    print(", ".join(f"domain/{module}.py {fates['killed']}/{fates.total()}" for module, fates in counted.items()))
    return 0
