"""The load of a moment, and what it was lately: smoothed over about the last hour, for today and for past days alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import expm1

LATELY = timedelta(minutes=40)  # how slowly the smoothed load follows the load
IN_A_MINUTE = -expm1(-timedelta(minutes=1) / LATELY)  # the share of the distance that it covers
HOURS_BEFORE = 180  # minutes of a day that its smoothed load is made from


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The load of a principal location at a moment, `overflowed` of it on overflow nodes: counted, or inferred.

    `booked` is what meetings were booked to have in use there; `full` says that nothing was free, here or in the overflow.
    `lately` is the load of about the last hour, smoothed; None where it is not known. `said` is what people had announced by
    number to be in use there, beside what was booked.
    """

    at: datetime
    location: str
    used: float
    overflowed: float = 0.0
    booked: float = 0.0
    full: bool = False
    lately: float | None = None
    said: float = 0.0


def smoothed(lately: float | None, load: float, over: timedelta) -> float:
    """Return the smoothed load of about the last hour, one load later."""
    return load if lately is None else lately + (load - lately) * -expm1(-over / LATELY)


def around_a_quarter(used: Sequence[float | None], minute: int) -> tuple[float, float] | None:
    """Return a day's smoothed load at a minute and a quarter of an hour later; None if nothing is known of the hours before."""
    begin = _smoothed(None, used[max(0, minute - HOURS_BEFORE) : minute + 1])
    end = _smoothed(begin, used[minute + 1 : minute + 16])
    return None if begin is None or end is None else (round(begin, 1), round(end, 1))


def _smoothed(lately: float | None, loads: Iterable[float | None]) -> float | None:
    for load in loads:
        if load is not None:
            lately = load if lately is None else lately + (load - lately) * IN_A_MINUTE
    return lately
