"""The shapes of what the command line prints with --json, as JSON Schema; `python -m headroom_lab.schemas` writes them."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from headroom.adapters.bus import Announced
from headroom.domain.fleet.finding import Finding
from headroom.domain.history.events import Event
from headroom.domain.people.status import Seen, Status
from headroom.domain.planning.issues import Issue
from headroom.usecases.order import Done
from headroom_cli.reporting.figures import Report

FOLDER = Path(__file__).parents[2] / "docs/schemas"
KINDS: dict[str, Any] = {
    "status": Status,
    "nodes": list[Seen],
    "issues": list[Issue],
    "history": list[Event],
    "done": Done,
    "report": Report,
    "doctor": list[Finding],
    "event": Announced,  # the detail of what is on the event bus
}
SCHEMAS: dict[str, Any] = {
    name: {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(kind)
    for name, kind in KINDS.items()
}


def main(folder: Path = FOLDER) -> None:
    """Write each schema."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in SCHEMAS.items():
        (folder / f"{name}.json").write_text(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
