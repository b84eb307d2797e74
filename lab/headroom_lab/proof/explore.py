"""Visits every interleaving of the model within a budget of events, and checks that each of them settles afterwards."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from headroom_lab.proof.model import Model
from headroom_lab.proof.state import BrokenError, Budget, State

NOTHING = Budget()


@dataclass(slots=True)
class Explored:
    """How many states there were, and the first way in which something went wrong, step by step."""

    states: int = 0
    transitions: int = 0
    settled: int = 0
    trace: list[str] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether anything went wrong."""
        return bool(self.trace)


def explore(model: Model, beginnings: Iterable[State], *, settle: bool = True) -> Explored:
    """Visit every state that can be reached, the nearest first."""
    found = Explored()
    came: dict[State, tuple[str, State] | None] = dict.fromkeys(beginnings)
    waiting = deque(came)
    good: set[tuple[State, bool]] = set()
    while waiting:
        state = waiting.popleft()
        try:
            if settle:
                must_settle(model, state.but(left=NOTHING), good)
            for what, after in model.steps(state):
                found.transitions += 1
                if after not in came:
                    came[after] = (what, state)
                    waiting.append(after)
        except BrokenError as error:
            found.trace = [*way_to(state, came), str(error)]
            break
    found.states, found.settled = len(came), len(good)
    return found


def way_to(state: State, came: dict[State, tuple[str, State] | None]) -> list[str]:
    """Return what happened on the way to a state."""
    way = []
    while (step := came[state]) is not None:
        way.append(step[0])
        state = step[1]
    return way[::-1]


def must_settle(model: Model, state: State, good: set[tuple[State, bool]]) -> None:
    """Raise BrokenError if something stays wrong when nothing more happens."""
    for boots in (True, False):
        if boots or any(node.on and not node.up for node in state.nodes):
            _must_settle(model, state, good, boots=boots)


def _must_settle(model: Model, state: State, good: set[tuple[State, bool]], *, boots: bool) -> None:
    """Continue until nothing moves, or until a state that is known to settle."""
    passed: set[tuple[State, bool]] = set()
    while (state, boots) not in good:
        if (state, boots) in passed:
            raise BrokenError(f"it never comes to rest: {state}")
        passed.add((state, boots))
        after = model.settles(state, boots=boots)
        if after == state:
            if wrong := model.amiss(state):
                raise BrokenError(wrong)
            break
        state = after
    good |= passed
