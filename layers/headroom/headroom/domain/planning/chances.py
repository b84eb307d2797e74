"""How sure a promise is, from the starts that were measured. Starts that are made together are not independent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import prod

from headroom.domain.fleet.lifecycle import Hold, Memory

ENOUGH_STARTS = 5  # measured starts needed for an estimate
AGAIN = timedelta(hours=1)  # a start that follows a failed one of its node this soon is the same one, tried again
TOGETHER = timedelta(minutes=3)  # starts that follow one another this soon are made together
ALIKE = 0.3  # how alike they are taken to be until failures have shown it: 0 is not at all, 1 is all or none
WEIGHT = 5.0  # pairs of starts that this assumption counts as
MOST_ALIKE = 0.95
DOUBTFUL = 0.5  # share of the starts that serve of a node that did not come up at its last one: assumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The probability that every promised node serves in time (`sure`), and the starts that it is estimated from.

    `alike` is how alike starts are that are made together: 0 for independent ones, 1 if all of them serve or none does.
    """

    sure: float
    in_time: int
    starts: int
    alike: float
    doubtful: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The probability in an operator's words."""
        if self.starts < ENOUGH_STARTS:
            return "its probability is not known yet, as too few starts were measured"
        sure = f"{100 * self.sure:.0f} % sure, as {self.in_time} of the last {self.starts} starts served in time"
        return sure + (f", and {', '.join(self.doubtful)} did not come up last time" if self.doubtful else "")


def chance(hold: Hold, memories: Iterable[Memory], doubtful: Sequence[str] = ()) -> Chance:
    """Estimate the probability that all nodes of a promise serve in time, if all of them have to be started.

    A zone without room, a bad image and a throttled account fail several starts at once. So starts that are made together
    count as alike (a beta-binomial distribution): many of them tell less than as many on days of their own. How alike they
    are is learned from the failures; the rate is Jeffreys' estimate, so that a few good starts are no certainty. The true
    probability is a little higher, as another node may replace a refused start in time. `doubtful` are nodes that the promise
    needs although they did not come up at their last start.
    """
    lead = (hold.ready_by - hold.begins).total_seconds()
    batches = _batches(memories, lead)
    starts = sum(map(len, batches))
    good = sum(map(sum, batches))
    alike = _alike(batches, good, starts)
    spread = sum(len(batch) * (1 + (len(batch) - 1) * alike) for batch in batches) / starts if starts else 1.0
    each = (good / spread + 0.5) / (starts / spread + 1)
    asked = len(hold.nodes) or sum(hold.counts.values())
    sure = _all_of(asked, each, alike) * DOUBTFUL ** len(doubtful)
    return Chance(sure=sure, in_time=good, starts=starts, alike=alike, doubtful=tuple(doubtful))


def _batches(memories: Iterable[Memory], lead: float) -> list[list[bool]]:
    """Return whether each start served within `lead` seconds, by what was started together.

    Starts of which the ledger does not know when they were made stand alone.
    """
    alone, dated = list[list[bool]](), list[tuple[datetime, bool]]()
    for memory in memories:
        known = min(len(memory.boots), len(memory.started_at))  # another version may have written only one of them
        undated = len(memory.boots) - known
        alone += [[_served(boot, lead)] for boot in memory.boots[:undated]]
        failed_at = None
        for at, boot in zip(memory.started_at[-known:], memory.boots[undated:], strict=False):
            if failed_at is None or at - failed_at > AGAIN:
                dated.append((at, _served(boot, lead)))
            failed_at = at if boot is None else None
    dated.sort()
    together: list[list[bool]] = [[in_time] for _, in_time in dated[:1]]
    for (before, _), (at, in_time) in pairwise(dated):
        if at - before > TOGETHER:
            together.append([])
        together[-1].append(in_time)
    return alone + together


def _served(boot: float | None, lead: float) -> bool:
    return boot is not None and boot <= lead


def _alike(batches: Sequence[Sequence[bool]], good: int, starts: int) -> float:
    """Learn how alike starts are that are made together: where one failed, how many of those beside it failed, too."""
    fails = (starts - good + 0.5) / (starts + 1)
    beside = sum(batch.count(False) * (len(batch) - 1) for batch in batches)
    both = sum(batch.count(False) * (batch.count(False) - 1) for batch in batches)
    share = (both + WEIGHT * (fails + ALIKE * (1 - fails))) / (beside + WEIGHT)
    return min(MOST_ALIKE, max(0.0, (share - fails) / (1 - fails)))


def _all_of(asked: int, each: float, alike: float) -> float:
    """Return the probability that all of that many starts, made together, serve in time."""
    if not alike:
        return each**asked
    strength = (1 - alike) / alike
    return prod((each * strength + served) / (strength + served) for served in range(asked))
