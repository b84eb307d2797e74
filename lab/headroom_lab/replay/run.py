"""Run controllers over works, side by side on the machine's cores."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from headroom.domain.policy import Policy
from headroom_lab.replay import controllers
from headroom_lab.replay.oracle import Schedule, schedule
from headroom_lab.replay.production import headroom, perfect_forecast
from headroom_lab.replay.score import Result, result_of
from headroom_lab.replay.site import TICK, Site
from headroom_lab.replay.work import Work

PEXIP_LOOKS = 15.0  # seconds; its own page is redrawn as often
ORACLE = "oracle"
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
NAMES = (*POLICIES, "headroom", ORACLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One work with one seed, under some controllers."""

    make: Callable[..., Work]  # takes `seed`
    seed: int
    names: tuple[str, ...]
    policy: Policy | None = None


def play(work: Work, name: str, seed: int, best: Schedule, policy: Policy | None = None) -> Result:
    """Run one controller over one work."""
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
        )
    controller, every = POLICIES.get(name) or (headroom(policy), TICK)
    site = Site(work, seed)
    site.run(controller(site), every)
    return result_of(site, name, best)


def play_job(job: Job) -> list[Result]:
    """Run every controller of a job."""
    work = job.make(seed=job.seed)
    best = schedule(work, job.seed)
    return [play(work, name, job.seed, best, job.policy) for name in job.names]


def play_all(jobs: Sequence[Job]) -> Iterator[list[Result]]:
    """Run jobs on all cores, and yield the results of each as it ends."""
    with ProcessPoolExecutor(max_workers=os.process_cpu_count() or 1) as pool:
        for future in as_completed([pool.submit(play_job, job) for job in jobs]):
            yield future.result()
