"""Every interleaving of the model, up to a budget of what may happen; and what becomes of each when nothing more does."""

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
    cores: set[State] = set()  # states without what may still happen: each is settled once
    while waiting:
        state = waiting.popleft()
        try:
            core = state._replace(left=NOTHING)
            if settle and core not in cores:
                cores.add(core)
                must_settle(model, core, good)
            for what, after in model.steps(state):
                found.transitions += 1
                if after not in came:
                    came[after] = (what, state)
                    waiting.append(after)
        except BrokenError as error:
            found.trace = [*way_to(state, came), str(error)]
            break
    found.states, found.settled = len(came), len(cores)
    return found


def way_to(state: State, came: dict[State, tuple[str, State] | None]) -> list[str]:
    """Return what happened on the way to a state."""
    way = []
    while (step := came[state]) is not None:
        way.append(step[0])
        state = step[1]
    return way[::-1]


LONGEST = 60  # minutes until everything has to be quiet


def must_settle(model: Model, state: State, good: set[tuple[State, bool]]) -> None:
    """Raise BrokenError if something stays wrong when nothing more happens."""
    if wrong := settles(model, state, good):
        raise BrokenError(wrong)


def settles(model: Model, state: State, good: set[tuple[State, bool]]) -> str:
    """Say what stays wrong when nothing more happens, empty if everything comes to a good end."""
    for boots in (True, False):
        if not boots and not any(node.on and not node.up for node in state.nodes):
            continue
        passed, now = [], model.settle(state, boots=boots)
        while (now, boots) not in good:
            passed.append((now, boots))
            if len(passed) > LONGEST:
                return f"it never comes to rest: {now}"
            after = model.settle(now, boots=boots)
            if after == now:
                if wrong := model.amiss(now):
                    return wrong
                break
            now = after
        good.update(passed)
    return ""
