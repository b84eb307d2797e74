"""Measure what the documents claim: how long a plan takes, and how long `observe` takes to wake."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from headroom.domain.fleet import Instance, Location, Observation, Power, Reading, Worker
from headroom.domain.lifecycle import Commitments, Hold, Memory
from headroom.domain.planning import plan
from headroom.domain.policy import Mode, Policy

LOCATIONS, NODES = 50, 500
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RUNS, IMPORTS = 200, 7
ROOT = Path(__file__).parents[2]


def large_site() -> tuple[Observation, Commitments]:
    """Return what a tick sees at 50 principal locations and 500 overflow nodes, half of them on."""
    workers: list[Worker] = []
    instances: list[Instance] = []
    for number in range(LOCATIONS + NODES):
        principal = number < LOCATIONS
        place = f"site {number}" if principal else f"burst {number % LOCATIONS}"
        worker = Worker(
            id=number,
            status_id=number,
            name=f"node-{number:03}",
            address=f"10.{number // 250}.{number % 250}.1",
            location=place,
            boot_time=NOW - timedelta(hours=1),
            sync_status="SYNCED",
            max_hd_calls=40 if principal else 15,
            media_load=97 if number % 3 else 40,
        )
        workers.append(worker)
        if not principal:
            power = Power.RUNNING if number % 2 else Power.STOPPED
            launched = NOW - timedelta(hours=2)
            instances.append(
                Instance(id=f"i-{number:017x}", power=power, private_ip=worker.address, launched_at=launched)
            )
    places = [Location(name=f"site {n}", overflow_location=f"burst {n}") for n in range(LOCATIONS)]
    places += [Location(name=f"burst {n}") for n in range(LOCATIONS)]
    reading = Reading(platform="manager", read_at=NOW, workers=tuple(workers), locations=tuple(places))
    hold = Hold(
        id="hold",
        begins=NOW - timedelta(minutes=1),
        ready_by=NOW + timedelta(minutes=9),
        until=NOW + timedelta(hours=1),
        reason="the rush",
        by="the schedule",
        counts={f"burst {n}": 8 for n in range(LOCATIONS)},
    )
    memories = tuple(Memory(node=worker.name, hd=15) for worker in workers[LOCATIONS:])
    return Observation(reading=reading, instances=tuple(instances)), Commitments(holds=(hold,), memories=memories)


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long it takes once."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def wake_up() -> float:
    """Return how long a new process takes to import what `observe` imports, on one core, in milliseconds."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "layers/headroom")}
    code = (
        "import time; began = time.perf_counter()\n"
        "import headroom.adapters.ledger, headroom.adapters.secret, headroom.observability\n"
        "print(1000 * (time.perf_counter() - began))"
    )
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return float(said.stdout)


def run(console: Console) -> None:
    """Print the table."""
    observation, commitments = large_site()
    policy = Policy(mode=Mode.CONTROL)
    times = sorted(milliseconds(lambda: plan(observation, commitments, policy, NOW)) for _ in range(RUNS))
    wakes = [wake_up() for _ in range(IMPORTS)]
    table = Table()
    for title in ("what", "goal", "measured"):
        table.add_column(title)
    p99 = times[int(0.99 * len(times)) - 1]
    table.add_row(
        f"plan() at {LOCATIONS} locations × {NODES} nodes",
        "p99 < 50 ms",
        f"p99 {p99:.1f} ms, median {times[RUNS // 2]:.1f} ms",
    )
    table.add_row("imports of observe, cold", "< 400 ms", f"median {statistics.median(wakes):.0f} ms of {IMPORTS}")
    console.print(table)
