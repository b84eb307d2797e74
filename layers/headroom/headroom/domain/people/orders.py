"""What people may ask of Headroom, and of which nodes."""

from enum import StrEnum

from headroom.domain.fleet.fleet import NodeState


class Do(StrEnum):
    """What can be asked for."""

    START = "start"
    HOLD = "hold"
    RELEASE = "release"
    EXPECT = "expect"
    TAKE_OUT = "take out"
    REINSTATE = "reinstate"
    OPEN = "open"
    CLOSE = "close"
    PAUSE = "pause"
    RESUME = "resume"


FITS = {  # the states in which an order makes sense; others need none
    Do.START: frozenset({NodeState.STOPPED}),
    Do.HOLD: frozenset({NodeState.SERVING, NodeState.CLOSED}),
    Do.OPEN: frozenset({NodeState.CLOSED}),
    Do.CLOSE: frozenset({NodeState.SERVING}),
}
