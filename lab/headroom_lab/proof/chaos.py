"""Chaos at a desk, on every processor: very many schedules of the model, and as many of the shipped workflows as time allows.

A seed reproduces each of them.
"""

import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import batched, count

from headroom_lab.proof.play import Played, play
from headroom_lab.proof.stage import FUNCTIONS
from headroom_lab.proof.walk import Walked, Walker

CHUNK = 2_000  # schedules that one worker walks before it reports
_walkers: list[Walker] = []  # of this process: what it knows makes its next schedules quicker


def _walk(seeds: range) -> Walked:
    if not _walkers:
        _walkers.append(Walker())
    return _walkers[0].schedules(seeds)


def chunks(first: int, schedules: int) -> Iterator[range]:
    """Split that many seeds into ranges, each a piece of work."""
    for some in batched(range(first, first + schedules), CHUNK, strict=False):
        yield range(some[0], some[-1] + 1)


def kernel(schedules: int, *, first: int = 0, progress: Callable[[Walked], None] = lambda _: None) -> Walked:
    """Walk that many schedules of the model, until one goes wrong."""
    total = Walked()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done in as_completed([pool.submit(_walk, seeds) for seeds in chunks(first, schedules)]):
            total.add(done.result())
            progress(total)
            if total.trace:
                pool.shutdown(cancel_futures=True)
                break
    if total.seed is not None:
        total.trace = Walker().shrunk(total.seed)
    return total


@dataclass(slots=True)
class PlayedAll:
    """How all schedules of the shipped workflows went."""

    schedules: int = 0
    executions: int = 0
    starts: int = 0
    stops: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    objections: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrote: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    wrong: list[Played] = field(default_factory=list)

    def add(self, played: Played) -> None:
        """Count one more."""
        self.schedules += 1
        self.executions += played.executions
        self.starts += played.starts
        self.stops += played.stops
        self.happened += played.happened
        self.objections += played.objections
        self.looks += played.looks
        self.waits += played.waits
        self.answered += played.answered
        self.asked += played.asked
        self.wrote += played.wrote
        if played.wrong:
            self.wrong.append(played)

    @property
    def silent(self) -> list[str]:
        """The functions that never returned an answer: the run proves nothing about them."""
        return [name for name in FUNCTIONS if not self.answered[name]]


def _play(seeds: range) -> list[Played]:
    warnings.filterwarnings("ignore", message="No application metrics to publish")  # of a function that died
    return [play(seed) for seed in seeds]


def workflows(
    schedules: int,
    *,
    first: int = 0,
    seconds: float | None = None,
    progress: Callable[[PlayedAll], None] = lambda _: None,
) -> PlayedAll:
    """Play that many schedules, or as many as the given time allows."""
    total, until = PlayedAll(), None if seconds is None else time.monotonic() + seconds
    some = 10
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        begin = first
        for _ in count():
            ends = begin + some * 4 * (os.cpu_count() or 1)
            ends = ends if until is not None else min(ends, first + schedules)
            for done in pool.map(_play, [range(at, min(at + some, ends)) for at in range(begin, ends, some)]):
                for played in done:
                    total.add(played)
            progress(total)
            begin = ends
            if (until is None and begin >= first + schedules) or (until is not None and time.monotonic() > until):
                return total
    return total
