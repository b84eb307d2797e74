"""How the errors of forecasts are distributed: as a normal distribution's, until a site's own are known."""

from dataclasses import dataclass
from itertools import pairwise
from math import log
from statistics import NormalDist

GRID = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)  # standard deviations above the mean
NORMAL = NormalDist()
NARROWEST, WIDEST = 0.75, 2.0  # how far the width of a forecast may differ from a normal distribution's


@dataclass(frozen=True, slots=True)
class Errors:
    """The share of forecasts that the load exceeded by more than each of `GRID`'s deviations above the mean; empty if unknown."""

    beyond: tuple[float, ...] = ()

    def deviations(self, sure: float) -> float:
        """Return by how many standard deviations the mean must be exceeded to be so sure; it grows with `sure`."""
        usual, asked = NORMAL.inv_cdf(sure), 1.0 - sure
        if len(self.beyond) != len(GRID):
            return usual  # nothing is known, or another version counted by another grid
        if asked >= self.beyond[0]:
            return min(usual, max(GRID[0], NARROWEST * usual)) if usual > 0 else min(usual, GRID[0])
        found = GRID[-1]
        for (nearer, more), (farther, less) in pairwise(zip(GRID, self.beyond, strict=True)):
            if less <= asked:
                part = log(more / asked) / log(more / less) if less > 0 and more > less else 1.0
                found = nearer + part * (farther - nearer)
                break
        return min(WIDEST * usual, max(NARROWEST * usual, found)) if usual > 0 else min(found, 0.0)


AS_NORMAL_ERRORS = Errors()
