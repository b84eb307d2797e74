"""Chaos at a desk, on every processor: very many schedules of the model, each of which a seed brings back."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import batched

from headroom_lab.proof.walk import Walked, Walker

CHUNK = 2_000  # schedules that one worker walks before it reports
_walkers: list[Walker] = []  # of this process: what it knows makes its next schedules quicker


def _walk(seeds: range) -> Walked:
    if not _walkers:
        _walkers.append(Walker())
    return _walkers[0].schedules(seeds)


def chunks(first: int, count: int) -> Iterator[range]:
    """Cut so many seeds into pieces of work."""
    for some in batched(range(first, first + count), CHUNK, strict=False):
        yield range(some[0], some[-1] + 1)


def kernel(count: int, *, first: int = 0, progress: Callable[[Walked], None] = lambda _: None) -> Walked:
    """Walk so many schedules of the model, until one goes wrong."""
    total = Walked()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done in as_completed([pool.submit(_walk, seeds) for seeds in chunks(first, count)]):
            total.add(done.result())
            progress(total)
            if total.trace:
                pool.shutdown(cancel_futures=True)
                break
    if total.seed is not None:
        total.trace = Walker().shrunk(total.seed)
    return total
