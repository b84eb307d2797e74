"""A night that leaves a record of each kind, and another that goes on with them: played by the code of two versions.

`python scenario.py fill TABLE` writes a table, `python scenario.py go-on TABLE` goes on with one and prints what came of it.
It uses what both versions have, and no more.
"""

import base64
import json
import lzma
import sys
import warnings
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from headroom.domain.fleet.fleet import NodeState
from headroom.domain.fleet.lifecycle import Hold, Pause, Pausing
from headroom_lab.proof.stage import BEGIN, HOSTNAME, OVERFLOW, Stage

type Items = dict[str, dict[str, dict[str, Any]]]

FILLED, GOES_ON = 75, 40  # minutes
NEWEST = 20  # readings and plans that are kept of them
SEED = 24


def write(items: Items, path: Path) -> None:
    """Keep a table's items in a file."""

    def told(value: object) -> object:
        if isinstance(value, Decimal):
            return {"N": str(value)}
        return {"B": base64.b64encode(bytes(value)).decode()}  # type: ignore[call-overload]

    path.write_bytes(lzma.compress(json.dumps(items, default=told).encode()))


def load(path: Path) -> Items:
    """Return what `write` has kept."""

    def read(found: dict[str, Any]) -> Any:
        match found:
            case {"N": str(number)} if len(found) == 1:
                return Decimal(number)
            case {"B": str(text)} if len(found) == 1:
                return base64.b64decode(text)
        return found

    items: Items = json.loads(lzma.decompress(path.read_bytes()), object_hook=read)
    return items


def fill(stage: Stage) -> Items:
    """Starts, stops, promises, a given up start, a person's hand, and what a night's learning leaves."""
    stage.after(0, stage.every_minute)
    stage.minutes(2)
    stage.expect(*[(3 + n / 3, f"meeting {n % 3}", 30.0) for n in range(24)])
    promise(stage, "board", begins=5, until=60)
    stage.minutes(20)
    stage.hazards.no_room = 1.0
    promise(stage, "too much", begins=5, until=15, count=3)
    stage.minutes(12)
    stage.hazards.calm()
    stage.stop(stage.overflow[0])
    stage.minutes(25)
    stage.call("learn", {})
    stage.minutes(10)
    now = stage.moment()
    stage.ledger.keep_pause(Pause(reason="an upgrade", by="anna", since=now, holding=Pausing.STOPS_ONLY), now)
    promise(stage, "all-hands", begins=20, until=60, count=2)
    stage.run_until(BEGIN + 60 * FILLED)
    for pk in ("plan", "snapshot"):  # the older ones have expired
        kept = stage.table.items[f"{pk}#{HOSTNAME}"]
        for sk in sorted(kept)[:-NEWEST]:
            del kept[sk]
    return stage.table.items


def promise(stage: Stage, name: str, *, begins: int, until: int, count: int = 1) -> None:
    """Promise capacity from so many minutes from now."""
    now = stage.moment()
    stage.ledger.promise(
        Hold(
            id=name,
            begins=now,
            ready_by=now + timedelta(minutes=begins),
            until=now + timedelta(minutes=until),
            reason=name,
            by="anna",
            counts={OVERFLOW: count},
        )
    )


def go_on(stage: Stage, items: Items) -> dict[str, Any]:
    """Begin where the other version has ended, with every node off; say what came of it."""
    stage.stop(stage.overflow[0])
    stage.run_until(BEGIN + 60 * FILLED)
    stage.table.items.clear()
    stage.table.items.update(items)
    plans = stage.table.items[f"plan#{HOSTNAME}"]
    before, lives = len(plans), open_lives(stage)
    stage.after(0, stage.every_minute)
    stage.minutes(GOES_ON)
    plan = stage.ledger.plan()
    return {
        "plans": len(plans) - before,
        "findings": stage.findings,
        "serving": sum(node.state is NodeState.SERVING for node in plan.nodes),
        "holds": [hold.id for hold in stage.ledger.holds(stage.moment())],
        "pause": getattr(stage.ledger.commitments(stage.moment()).pause, "reason", ""),
        "issues": [issue.kind.name for issue in plan.issues],
        "lives before": lives,
        "lives": open_lives(stage),
        "stops": sum(request == "StopInstances" for _, request in stage.cloud.requests),
        "events": sum(len(of_a_day) for pk, of_a_day in items.items() if pk.startswith("events#")),
    }


def open_lives(stage: Stage) -> int:
    """Return how many lifetimes are open."""
    return len(stage.table.items.get(f"on#{HOSTNAME}", {}))


def main() -> None:
    """Do what is asked for."""
    warnings.simplefilter("ignore")
    what, path = sys.argv[1], Path(sys.argv[2])
    with Stage(SEED) as stage:
        if what == "fill":
            write(fill(stage), path)
        else:
            print(json.dumps(go_on(stage, load(path))))


if __name__ == "__main__":
    main()
