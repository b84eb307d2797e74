"""A release: one archive that `headroom install` and `sam deploy` take without a checkout, its digest, and what is in it.

It is built twice, and both builds must be the same to the bit.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import headroom
from headroom_cli.installing.deploying import ARCHIVE_SAYS, build
from headroom_lab.aws.translated import ROOT

MACHINES = re.compile(r"(DefinitionUri: ).*?(statemachines/\w+\.asl\.yaml)")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that an archive can give a file
ALSO = ("LICENSE", "README.md", "CHANGELOG.md", "network/template.yaml")
OPTIONAL = "provisioning"  # the folder of the stack that may make nodes
UNWANTED = {"__pycache__", ".pytest_cache"}


class ReleaseError(Exception):
    """What was built cannot be released; the message says why."""


def contents(built: Path, optional: Path, architecture: str) -> dict[str, bytes]:
    """Return the files of an archive by their paths in it, from what SAM built of both stacks."""
    beside = stack_of(optional, ROOT / OPTIONAL, architecture)
    also = {name: (ROOT / name).read_bytes() for name in ALSO}
    return stack_of(built, ROOT, architecture) | {f"{OPTIONAL}/{name}": body for name, body in beside.items()} | also


def stack_of(built: Path, source: Path, architecture: str) -> dict[str, bytes]:
    """Return the files of one stack by their paths in its folder."""
    found = {
        str(path.relative_to(built)): path.read_bytes()
        for path in built.rglob("*")
        if path.is_file() and not UNWANTED & set(path.parts)
    }
    template = found["template.yaml"].decode()
    found["template.yaml"] = MACHINES.sub(r"\1\2", template).encode()  # SAM leaves them in the checkout
    for path in (source / "statemachines").glob("*.asl.yaml"):
        found[str(path.relative_to(source))] = path.read_bytes()
    return found | {ARCHIVE_SAYS: f"{architecture}\n".encode()}


def pack(files: dict[str, bytes], folder: str, archive: Path) -> str:
    """Write an archive that depends on nothing but its files; return its SHA-256."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            told = zipfile.ZipInfo(f"{folder}/{name}", LONG_AGO)
            told.compress_type, told.create_system, told.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            packed.writestr(told, files[name])
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def release(
    into: Path, architecture: str, builder: Callable[[Path, str, Path], object] = build, *, sbom: Path | None = None
) -> tuple[Path, str]:
    """Build twice and pack; return the archive and its digest. `sbom` is the Python that has CycloneDX's command."""
    into.mkdir(parents=True, exist_ok=True)
    name = f"headroom-{headroom.__version__}-{architecture}"
    archive, digests = into / f"{name}.zip", []
    for _ in range(2):
        with tempfile.TemporaryDirectory(prefix="headroom-release-") as made:
            built, optional = Path(made) / "build", Path(made) / OPTIONAL
            builder(ROOT / "template.yaml", architecture, built)
            builder(ROOT / OPTIONAL / "template.yaml", architecture, optional)
            digests.append(pack(contents(built, optional, architecture), name, archive))
    if digests[0] != digests[1]:
        archive.unlink()
        raise ReleaseError(f"Two builds differ ({digests[0][:12]}, {digests[1][:12]}): nothing is released.")
    (into / f"{name}.zip.sha256").write_text(f"{digests[0]}  {archive.name}\n")
    if sbom:
        bill = json.dumps(bill_of_materials(sbom), indent=1, sort_keys=True)
        (into / f"headroom-{headroom.__version__}.cdx.json").write_text(f"{bill}\n")
    return archive, digests[0]


def bill_of_materials(python: Path) -> dict[str, Any]:
    """Return what the layer ships, in CycloneDX's format, with each library's licence."""
    command = shutil.which("cyclonedx-py", path=str(python.parent))
    if command is None:
        raise ReleaseError(f"CycloneDX's command is not beside {python}: run `make release`.")
    lock = ROOT / "layers/headroom/requirements.txt"
    words = [command, "requirements", "--output-reproducible", "--of", "JSON", str(lock)]
    found: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    for one in found["components"]:
        one.pop("description", None)  # the lock's own line
        one.pop("externalReferences", None)  # an address where it may be found
        one["licenses"] = [{"license": {"name": licence_of(one["name"])}}]
    return found


def licence_of(name: str) -> str:
    """Return the licence that an installed library names; empty if it names none."""
    try:
        told = distribution(name).metadata
    except PackageNotFoundError:
        return ""
    classified = [
        each.rpartition(" :: ")[2] for each in told.get_all("Classifier", []) if each.startswith("License ::")
    ]
    return told.get("License-Expression") or ", ".join(classified) or str(told.get("License", "")).split("\n", 1)[0]
