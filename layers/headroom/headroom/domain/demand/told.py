"""What a forecast says: how far a load may rise, of what parts, how sure; kept beside the sample, so that it can be compared."""

from dataclasses import dataclass
from math import sqrt

from headroom.domain.demand.errors import AS_NORMAL_ERRORS, Errors

LONGEST = 120  # minutes that a forecast may look ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """A possible rise of a load: its mean and standard deviation, the number of past days behind it, and the announced part.

    `said` is the part of what is announced that people have said by number. The deviation has three independent parts:
    of what is booked, of how past days differ, and of the chance of independent calls. `errors` say how the errors
    of past forecasts were distributed.
    """

    mean: float
    days: float = 0.0
    announced: float = 0.0
    said: float = 0.0
    booked_deviation: float = 0.0
    days_deviation: float = 0.0
    chance_deviation: float = 0.0
    errors: Errors = AS_NORMAL_ERRORS

    @property
    def deviation(self) -> float:
        """The standard deviation of the whole."""
        return sqrt(self.booked_deviation**2 + self.days_deviation**2 + self.chance_deviation**2)

    def at_most(self, confidence: float) -> float:
        """Return the HD connections that the rise does not exceed with that probability."""
        return max(0.0, self.mean + self.errors.deviations(confidence) * self.deviation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a plan said of a principal location: that within `minutes` its load rises by at most `most`, `sure` as that is.

    `source` is what led: said, bookings, profile or trend. `mean` and `deviation` are the forecast's; `booked` is the
    part of the mean that is booked, `said` that which people have said. `believed` is what share of bookings, and
    of the other source, was believed.
    """

    source: str
    minutes: int
    mean: float
    deviation: float
    most: float
    sure: float
    booked: float = 0.0
    said: float = 0.0
    believed: tuple[float, float] = (1.0, 1.0)

    @property
    def is_possible(self) -> bool:
        """Whether a plan may have said it; another version, or a person, may have written anything."""
        return 1 <= self.minutes <= LONGEST and all(0 < share <= 1 for share in self.believed)
