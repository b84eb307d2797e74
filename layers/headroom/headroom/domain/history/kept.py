"""How long what is remembered is kept."""

from datetime import timedelta

PLANS = timedelta(days=35)  # readings and plans in full
HISTORY = timedelta(days=400)  # load samples, lifetimes, events, calls turned away, how large recurring meetings were
ROOMS = timedelta(days=60)  # sizes of the meetings in one room, which may exist for one meeting only
HOLDS = timedelta(days=1)  # a promise, after its end


def sizes_of(series: str) -> timedelta:
    """Return how long the sizes of a series of meetings are kept."""
    return HISTORY if series.startswith("recurring") else ROOMS
