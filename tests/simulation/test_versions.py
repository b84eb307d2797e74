"""Upgrading and rolling back between the version of before and this one, on a table full of records of the other."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from headroom_lab.proof.stage import Stage
from tests.support.template import ROOT
from tests.versions.scenario import SEED, fill, go_on, load, write

KEPT = ROOT / "tests" / "versions"
BEFORE = "0.1.0-2026-11-28"
RECORDS = {
    "now", "snapshot", "plan", "nodes", "holds", "lifetimes", "on", "events", "samples", "profiles", "outlooks", "refused",
}  # fmt: skip  # kinds: as many as a night without bookings and a midnight leaves


def kinds(items: dict[str, Any]) -> set[str]:
    return {pk.partition("#")[0] for pk, below in items.items() if below}


def went_well(said: dict[str, Any]) -> None:
    assert said["findings"] == []
    assert said["plans"] >= 39, "one a minute"
    assert said["holds"] == ["all-hands"]
    assert said["serving"] == 2, "the promise is kept"
    assert said["pause"] == "an upgrade"
    assert said["stops"] == 0, "the pause is kept"
    assert said["lives"] == 2, "what was open of nodes that are off has ended"
    assert "UNREADABLE" not in said["issues"]


def test_after_an_upgrade_everything_goes_on() -> None:
    items = load(KEPT / f"table-{BEFORE}.json.xz")
    assert kinds(items) >= RECORDS
    with Stage(SEED) as stage:
        went_well(go_on(stage, items))


def test_after_a_rollback_everything_goes_on(tmp_path: Path) -> None:
    """The version of before is unpacked, and goes on with what this one has written."""
    with Stage(SEED) as stage:
        items = fill(stage)
        assert kinds(items) >= RECORDS
        write(items, tmp_path / "table")
    with tarfile.open(KEPT / f"headroom-{BEFORE}.tar.xz") as archive:
        archive.extractall(tmp_path / "before", filter="data")
    folders = [tmp_path / "before" / name for name in ("layers/headroom", "lab", "cli", ".")]
    done = subprocess.run(
        [sys.executable, KEPT / "scenario.py", "go-on", tmp_path / "table"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    went_well(json.loads(done.stdout))
