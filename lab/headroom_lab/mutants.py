"""How many small mistakes in the safety rules and the planner the tests notice: mutmut's result, written to docs/mutants.md.

mutmut wants its sources under `src` and an environment of its own; `make mutants` gives it both.
"""

import re
import shutil
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

from headroom import clock
from headroom_lab import mistakes

ROOT = Path(__file__).parents[2]
MODULES = ("safety/safety", "planning/planning", "planning/more", "planning/less")
TESTS = (
    *("safety/test_safety", "planning/test_planning", "planning/test_decisions", "planning/test_left"),
    "fleet/test_reconciling",
)
LEAST = 90  # percent
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


def page(counted: dict[str, Counter[str]], survivors: list[str]) -> str:
    """Write the page."""
    rows = [
        f"| domain/{module}.py | {fates.total()} | {fates['killed']} | {100 * fates['killed'] / fates.total():.1f} % |"
        for module, fates in counted.items()
    ]
    return "\n".join(
        [
            "# What the tests notice",
            "",
            "`make mutants` makes one small mistake after the other in the safety rules and the planner (mutmut), and runs their "
            f"tests. Measured {clock.now():%Y-%m-%d}; the goal is {LEAST} %.",
            "",
            "| file | mistakes | noticed | |",
            "|---|---|---|---|",
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
            "Small mistakes in rules and planner that none of their tests notices (most change nothing that can be seen):",
            "",
            *(f"- `{survivor}`" for survivor in survivors),
            "",
        ]
    )


def run(mutmut: Path, folder: Path) -> int:
    """Run it, write docs/mutants.md, and fail below the goal, or where a mistake of `mistakes` is not noticed."""
    if unnoticed := mistakes.survivors():
        print("Not noticed:", *(f"- {each.what} ({each.file})" for each in unnoticed), sep="\n")
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
    survivors = [
        line.split(":")[0].strip() for line in results.stdout.splitlines() if line.endswith(("survived", "no tests"))
    ]
    (ROOT / "docs/mutants.md").write_text(page(counted, survivors))
    scores = {module: 100 * fates["killed"] / fates.total() for module, fates in counted.items()}
    print(", ".join(f"domain/{module}.py {score:.1f} %" for module, score in scores.items()))
    return 0 if min(scores.values()) >= LEAST else 1
