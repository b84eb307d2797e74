"""Measure what the documents claim: what each policy scores, how long planning, learning and waking take."""

import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from headroom.domain.demand.forecasting import (
    DAY_MINUTES,
    DAYS_KEPT,
    Booking,
    PastDay,
    Profile,
    learn,
    outlook,
    with_habits,
)
from headroom.domain.demand.turned_away import Sample
from headroom.domain.fleet.fleet import Instance, Location, Observation, Power, Reading, Worker
from headroom.domain.fleet.lifecycle import Commitments, Hold, Memory
from headroom.domain.planning.planning import plan
from headroom.domain.policy import Mode, Policy
from headroom_lab.coverage import Covered, covered
from headroom_replay.families import FAMILIES
from headroom_replay.names import HEADROOM, NATIVE
from headroom_replay.run import Job, play_all
from headroom_replay.score import Result
from headroom_replay.work import Work

LOCATIONS, NODES, HISTORY = 50, 500, 400  # days
MEETINGS, TRAIL = 10, 8  # booked in each location; minutes
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RUNS, IMPORTS = 200, 7
OF_FAMILIES = (NATIVE, "native+0850", "target-tracking", "perfect-forecast", HEADROOM)
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
    observation = Observation(
        reading=reading,
        instances=tuple(instances),
        outlooks=tuple(outlook(profile_of(f"site {n}"), NOW) for n in range(LOCATIONS)),
        bookings=tuple(
            Booking(begins=NOW + timedelta(minutes=5 * (n % 8)), ends=NOW + timedelta(hours=1), hd=6, location=place)
            for place in (f"site {n}" for n in range(LOCATIONS))
            for n in range(MEETINGS)
        ),
    )
    commitments = Commitments(holds=(hold,), memories=memories)
    for minute in range(TRAIL):  # so that the plan measured has the loads of the last minutes before it
        at = NOW - timedelta(minutes=TRAIL - minute)
        before = replace(observation, reading=replace(reading, read_at=at))
        observation = replace(observation, trail=plan(before, commitments, Policy(mode=Mode.CONTROL), at).trail)
    return observation, commitments


def profile_of(location: str) -> Profile:
    """Return eight weeks of days, each a morning that rises and an afternoon that falls."""
    days = tuple(
        PastDay(
            day=NOW.date() - timedelta(days=back),
            used=tuple(max(0.0, 60 + back % 7 - abs(minute - 660) // 6) for minute in range(DAY_MINUTES)),
        )
        for back in range(1, DAYS_KEPT + 1)
    )
    return with_habits(Profile(location=location, zone="Europe/Stockholm", days=days))


def samples_of_a_day(location: str, day: date) -> list[Sample]:
    """Return one sample a minute."""
    midnight = datetime.combine(day, datetime.min.time(), UTC)
    return [
        Sample(at=midnight + timedelta(minutes=minute), location=location, used=minute % 60, booked=minute % 30)
        for minute in range(DAY_MINUTES)
    ]


def a_night() -> None:
    """Learn one more day of every location, as the nightly function does: one location after the other."""
    before = profile_of("site 0")
    for n in range(LOCATIONS):
        site = replace(before, location=f"site {n}")
        with_habits(learn(site, samples_of_a_day(site.location, NOW.date()), NOW.date()))


def all_history() -> None:
    """Learn one location's whole history, as after a loss: a day after the other."""
    profile = Profile(location="site", zone="Europe/Stockholm")
    for back in range(HISTORY, 0, -1):
        day = NOW.date() - timedelta(days=back)
        profile = learn(profile, samples_of_a_day("site", day), day)
    with_habits(profile)


def memory_of(work: Callable[[], object]) -> float:
    """Return the most memory that it holds at a time, in MB."""
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long it takes once."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def wake_up() -> float:
    """Return how long a new process takes to import what `observe` imports, on one core, in milliseconds."""
    paths = os.pathsep.join(str(ROOT / each) for each in ("layers/headroom", "functions/observe"))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": paths}
    code = "import time; began = time.perf_counter()\nimport app\nprint(1000 * (time.perf_counter() - began))"
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return float(said.stdout)


def scores(cases: Sequence[Callable[..., Work]], draws: range, names: tuple[str, ...]) -> list[Result]:
    """Play each case with each draw under the policies that are named."""
    jobs = [Job(make=case, seed=seed, names=names) for case in cases for seed in draws]
    results: list[Result] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for found in progress.track(play_all(jobs), total=len(jobs), description="Replaying"):
            results += found
    return results


def coverages(draws: range) -> list[Covered]:
    """Judge the forecasts of every family, with each draw."""
    jobs = [(family, seed) for family in FAMILIES for seed in draws]
    with ProcessPoolExecutor(max_workers=os.process_cpu_count() or 1) as pool:
        return list(pool.map(covered, *zip(*jobs, strict=True)))


def timing() -> Table:
    """Measure planning, learning and waking."""
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
    table.add_row(
        f"learn, a night of {LOCATIONS} locations",
        "one Lambda of 512 MB",
        f"{milliseconds(a_night) / 1000:.1f} s, {memory_of(a_night):.1f} MB",
    )
    table.add_row(
        f"learn, {HISTORY} days of one location anew",
        "one Lambda of 512 MB",
        f"{milliseconds(all_history) / 1000:.1f} s, {memory_of(all_history):.1f} MB",
    )
    table.add_row("imports of observe, cold", "< 400 ms", f"median {statistics.median(wakes):.0f} ms of {IMPORTS}")
    return table
