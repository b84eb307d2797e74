"""Run controllers over works, side by side on the machine's cores."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from headroom_replay import controllers
from headroom_replay.names import HUNG, NATIVE, ORACLE
from headroom_replay.oracle import Schedule, schedule
from headroom_replay.production import headroom, perfect_forecast, policy_for
from headroom_replay.score import Result, result_of
from headroom_replay.site import TICK, Site
from headroom_replay.work import Work

HANG = 0.02  # share of the starts that never come up, until they are stopped
PEXIP_LOOKS = 15.0  # seconds; its own page is redrawn as often
type Changes = tuple[tuple[str, Any], ...]
POLICIES: dict[str, tuple[Callable[[Site], controllers.Step], float]] = {
    "none": (controllers.nothing, TICK),
    "always-on": (controllers.always_on, TICK),
    "native": (controllers.native, PEXIP_LOOKS),
    "native-either": (controllers.native_either, PEXIP_LOOKS),
    "native-impatient": (controllers.native_impatient, PEXIP_LOOKS),
    "native+0850": (controllers.native_0850, PEXIP_LOOKS),
    "target-tracking": (controllers.target_tracking, TICK),
    "perfect-forecast": (perfect_forecast, TICK),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One work with one seed, under some controllers, and under Headroom with other settings, by what they are called.

    With `watch`, the course of the work's busiest day is recorded.
    """

    make: Callable[..., Work]  # takes `seed`
    seed: int
    names: tuple[str, ...]
    variants: tuple[tuple[str, Changes], ...] = ()
    watch: bool = False


def play(
    work: Work, name: str, seed: int, best: Schedule, changes: Changes = (), watch: tuple[float, float] | None = None
) -> Result:
    """Run one controller over one work; `changes` are Headroom's settings, or the threshold of Pexip's rule."""
    if name == ORACLE:
        return Result(
            work=work.name,
            policy=name,
            seed=seed,
            offered=len(work.calls),
            rejected=best.rejected,
            cut=0,
            node_hours=round(best.node_hours, 2),
            oracle_node_hours=best.node_hours,
            starts=best.starts,
            failed_starts=0,
            without_headroom=0.0,
            course=best.course,
        )
    controller, every = POLICIES.get(name) or (headroom(replace(policy_for(work), **dict(changes))), TICK)
    site = Site(work, seed, failing=replace(work.failing, hung=HANG) if name == HUNG else None)
    if name.startswith(NATIVE):
        site.world.settings |= {f"bursting_{what}": value for what, value in changes}
    site.run(controller(site), every, watch)
    return result_of(site, name, best)


def play_job(job: Job) -> list[Result]:
    """Run every controller of a job."""
    work = job.make(seed=job.seed)
    day = busiest_day(work) if job.watch else None
    best = schedule(work, job.seed, day)
    found = [play(work, name, job.seed, best, watch=day) for name in job.names]
    for name, changes in job.variants:
        base = NATIVE if name.startswith(NATIVE) else "headroom"
        found.append(replace(play(work, base, job.seed, best, changes, day), policy=name))
    return found


def busiest_day(work: Work) -> tuple[float, float]:
    """Return the local midnights around the day with the most calls."""
    here = ZoneInfo(work.zone)
    days = Counter(datetime.fromtimestamp(call.at, here).date() for call in work.calls)
    day = max(days, key=lambda day: (days[day], day))
    begins, ends = (datetime.combine(each, time(), here).timestamp() for each in (day, day + timedelta(days=1)))
    return begins, ends


def play_all(jobs: Sequence[Job]) -> Iterator[list[Result]]:
    """Run jobs on all cores, and yield the results of each as it ends."""
    with ProcessPoolExecutor(max_workers=os.process_cpu_count() or 1) as pool:
        for future in as_completed([pool.submit(play_job, job) for job in jobs]):
            yield future.result()
