"""What a controller achieved on a work, in figures that can be compared."""

from dataclasses import asdict, dataclass
from math import exp, log
from statistics import quantiles
from typing import Any

from headroom_replay.oracle import Schedule
from headroom_replay.site import Moment, Site

REJECTED_COSTS = 3.0  # node-hours that a call turned away counts as


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One controller on one work with one seed.

    `without_headroom` is the 99th percentile over days of the seconds in which no HD connection was free.
    """

    work: str
    policy: str
    seed: int
    offered: int
    rejected: int
    cut: int
    node_hours: float
    oracle_node_hours: float
    starts: int
    failed_starts: int
    without_headroom: float
    course: tuple[Moment, ...] = ()

    @property
    def rejected_per_10k(self) -> float:
        """Calls turned away of ten thousand."""
        return 1e4 * self.rejected / self.offered if self.offered else 0.0

    @property
    def ratio(self) -> float:
        """Node-hours as a multiple of the oracle's."""
        return self.node_hours / self.oracle_node_hours if self.oracle_node_hours else 0.0

    @property
    def score(self) -> float:
        """The oracle's node-hours divided by node-hours plus rejections' cost; at most 1, and 0 if a call was cut."""
        if self.cut:
            return 0.0
        cost = self.node_hours + REJECTED_COSTS * self.rejected
        return min(1.0, self.oracle_node_hours / cost) if cost else 1.0

    def as_json(self) -> dict[str, Any]:
        """All figures, derived ones included."""
        derived = {"rejected_per_10k": self.rejected_per_10k, "ratio": self.ratio, "score": self.score}
        facts = {name: value for name, value in asdict(self).items() if name != "course"}
        return facts | {name: round(value, 4) for name, value in derived.items()}


def result_of(site: Site, policy: str, best: Schedule) -> Result:
    """Read a site after its run."""
    tally, counted = site.world.tally, site.tally
    days = [
        counted.without_headroom.get(day, 0.0)
        for day in range(int(site.work.begins // 86400), int(site.now // 86400) + 1)
    ]
    return Result(
        work=site.work.name,
        policy=policy,
        seed=site.seed,
        offered=tally.offered,
        rejected=tally.rejected,
        cut=tally.cut,
        node_hours=round(site.world.node_seconds() / 3600, 2),
        oracle_node_hours=best.node_hours,
        starts=tally.starts,
        failed_starts=counted.refused_starts + counted.slow_starts + counted.hung_starts,
        without_headroom=quantiles(days, n=100, method="inclusive")[-1] if len(days) > 1 else days[0],
        course=tuple(counted.course),
    )


def geometric_mean(values: list[float]) -> float:
    """The geometric mean; 0 if any value is."""
    return exp(sum(map(log, values)) / len(values)) if values and min(values) > 0 else 0.0
