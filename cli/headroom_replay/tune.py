"""Which settings suit a site: rejections, node-hours and starts of many, on its own load, and the best compromises."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from statistics import mean

from rich.table import Table

from headroom_replay.names import NATIVE
from headroom_replay.run import Changes
from headroom_replay.score import Result
from headroom_replay.work import Platform

SHARES = (0.05, 0.10, 0.15, 0.20)  # thresholds, of the always-on capacity
ADVICE = (0.10, 0.15, 0.20)  # what Pexip's guide advises
COSTS = (0.3, 1.0, 3.0, 10.0)  # node-hours that a call turned away may cost
LIFETIMES = (5, 15, 50)  # minutes
USUAL_SHARE, USUAL_COST, USUAL_LIFETIME = 0.15, 3.0, 5
FEW = 8.0  # calls turned away of 10,000 that a recommendation may have
GUIDE = f"{NATIVE}, threshold"


def settings_of(platform: Platform) -> dict[str, Changes]:
    """Return what is tried, by its name: one setting changed at a time, and the pairs that matter most."""
    tried: dict[str, Changes] = {}
    for share, cost, minutes in _tried():
        threshold = max(1, round(share * platform.always_on))
        name = f"threshold {threshold}, a call costs {cost:g}, {minutes} min"
        lifetime = timedelta(minutes=minutes)
        tried[name] = (("threshold", threshold), ("call_turned_away_cost", cost), ("minimum_lifetime", lifetime))
    for share in ADVICE:
        threshold = max(1, round(share * platform.always_on))
        tried[f"{GUIDE} {threshold} ({100 * share:.0f} %)"] = (("threshold", threshold),)
    return tried


def _tried() -> list[tuple[float, float, int]]:
    found = {(USUAL_SHARE, cost, minutes) for cost in COSTS for minutes in LIFETIMES}
    found |= {(share, USUAL_COST, USUAL_LIFETIME) for share in SHARES}
    return sorted(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one setting achieved, on average over the seeds."""

    name: str
    rejected_per_10k: float
    node_hours: float
    starts: float
    score: float

    def beats(self, other: "Point") -> bool:
        """Say whether no figure is worse than the other's, and at least one is better."""
        mine, others = self.figures, other.figures
        return mine != others and all(one <= another for one, another in zip(mine, others, strict=True))

    @property
    def figures(self) -> tuple[float, float, float]:
        """The figures that should be small."""
        return (self.rejected_per_10k, self.node_hours, self.starts)

    @property
    def ours(self) -> bool:
        """One of Headroom's settings, not Pexip's rule."""
        return not self.name.startswith(NATIVE)


def points_of(results: Sequence[Result]) -> list[Point]:
    """Average the runs of each setting."""
    ordered = sorted(results, key=lambda each: each.policy)
    return [_point(name, list(runs)) for name, runs in groupby(ordered, key=lambda each: each.policy)]


def _point(name: str, runs: Sequence[Result]) -> Point:
    return Point(
        name=name,
        rejected_per_10k=mean(each.rejected_per_10k for each in runs),
        node_hours=mean(each.node_hours for each in runs),
        starts=mean(each.starts for each in runs),
        score=mean(each.score for each in runs),
    )


def front(points: Sequence[Point]) -> list[Point]:
    """Return the settings that no other beats, the fewest rejections first."""
    unbeaten = [point for point in points if point.ours and not any(other.beats(point) for other in points)]
    return sorted(unbeaten, key=lambda point: (point.figures, point.name))


def recommended(points: Sequence[Point]) -> Point:
    """Return the setting with the best score among those that turn few away; else the one that turns fewest away."""
    ours = [point for point in points if point.ours]
    few = [point for point in ours if point.rejected_per_10k <= FEW]
    if few:
        return max(few, key=lambda point: (point.score, point.name))
    return min(ours, key=lambda point: (point.figures, point.name))


def table_of(points: Sequence[Point]) -> Table:
    """Return the front, the recommendation marked, and below it what the guide's advice does."""
    best, best_ones = recommended(points), front(points)
    table = Table(title="Settings that no other beats; below, Pexip's own rule as its guide advises")
    for title in ("setting", "rejected per 10,000", "node-hours", "starts", "score"):
        table.add_column(title, justify="left" if title == "setting" else "right")
    others = [point for point in points if not point.ours]
    for number, point in enumerate([*best_ones, *([best] if best not in best_ones else []), *others]):
        table.add_section() if others and point is others[0] and number else None
        table.add_row(
            f"{point.name} ← recommended" if point is best else point.name,
            f"{point.rejected_per_10k:,.1f}",
            f"{point.node_hours:,.0f}",
            f"{point.starts:,.0f}",
            f"{point.score:.3f}",
            style="bold" if point is best else "",
        )
    return table


def sentence(points: Sequence[Point]) -> str:
    """Say what is recommended and how the guide's advice does here."""
    best = recommended(points)
    advised = [point for point in points if not point.ours]
    words = f"Recommended: {best.name}: {best.rejected_per_10k:.1f} of 10,000 turned away, {best.node_hours:,.0f} node-hours."
    if best.rejected_per_10k > FEW:
        words += f" No setting that was tried turns away {FEW:.0f} of 10,000 or fewer."
    if advised:
        least = min(advised, key=lambda point: point.rejected_per_10k)
        words += (
            f" Pexip's own rule with the guide's thresholds turns {least.rejected_per_10k:,.0f} of 10,000 or more away here"
            f" ({least.name.removeprefix(NATIVE + ', ')}, {least.node_hours:,.0f} node-hours)."
        )
    return words
