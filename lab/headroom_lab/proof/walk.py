"""Random schedules of the model: longer, and with more faults, than a visit of every interleaving could cover."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

from headroom_lab.proof.explore import NOTHING, must_settle
from headroom_lab.proof.model import Model
from headroom_lab.proof.state import OPEN, OURS, THIS, BrokenError, Budget, Node, State

MOVES = 60
MOST = Budget(minutes=40, ticks=30, calls=6, strays=2, flips=4, people=2, others=3, sights=2, faults=3)
# How often each of Model.kinds happens: time, planning, workflows, calls, load, people, others, sights, late, crashes
WEIGHTS = tuple(accumulate((7, 7, 26, 2, 1, 1, 1, 1, 3, 1)))
MISCHIEF = ("calls", "strays", "flips", "people", "others", "sights", "faults")
HALF, SELDOM = 0.5, 0.25
REMEMBERED = 300_000  # states that are known to come to a good end, before they are forgotten


@dataclass(slots=True)
class Walked:
    """How many schedules there were, what happened in them, and the shortest way found into something wrong."""

    schedules: int = 0
    moves: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    seed: int | None = None
    trace: list[str] = field(default_factory=list)

    def add(self, other: "Walked") -> None:
        """Count another worker's schedules, too."""
        self.schedules += other.schedules
        self.moves += other.moves
        self.happened += other.happened
        if other.trace and (not self.trace or len(other.trace) < len(self.trace)):
            self.seed, self.trace = other.seed, other.trace


class Walker:
    """Walks one model; what it knows of it makes every walk quicker than the one before."""

    def __init__(self, model: Model | None = None) -> None:
        self.model = model or Model()
        self.good: set[tuple[State, bool]] = set()

    def walk(self, seed: int, moves: int = MOVES) -> Iterator[tuple[str, State]]:
        """Yield what happens in the schedule of this seed; raise BrokenError if something forbidden happens."""
        dice = random.Random(seed)
        state = self.beginning(dice)
        kinds = self.model.kinds
        for _ in range(moves):
            [kind] = dice.choices(kinds, cum_weights=WEIGHTS)
            options = list(kind(state))
            if options:
                what, state = dice.choice(options)
                yield what, state
        if len(self.good) > REMEMBERED:
            self.good.clear()
        must_settle(self.model, state.but(left=NOTHING), self.good)

    def beginning(self, dice: random.Random) -> State:
        """Return a random state to begin with."""
        model = self.model
        closed = dice.random() < HALF
        first = Node(
            name="burst-1",
            on=True,
            up=True,
            age=dice.choice((0, model.oldest)),
            since=model.replication,
            door=OURS if closed else OPEN,
            closed=model.replication if closed else None,
            life=THIS,
        )
        off = Node(name="burst-2", since=model.replication)
        second = first.but(name="burst-2") if dice.random() < SELDOM else off
        left = MOST.but(**{what: dice.randint(0, getattr(MOST, what)) for what in MISCHIEF})
        return State(nodes=(first, second), rush=dice.random() < SELDOM, left=left)

    def schedules(self, seeds: range) -> Walked:
        """Walk many schedules, until the first that goes wrong."""
        walked = Walked()
        for seed in seeds:
            trace: list[str] = []
            try:
                for what, _ in self.walk(seed):
                    trace.append(what)
            except BrokenError as error:
                walked.seed, walked.trace = seed, [*trace, str(error)]
            walked.schedules += 1
            walked.moves += len(trace)
            walked.happened.update(kind_of(what) for what in trace)
            if walked.trace:
                break
        return walked

    def shrunk(self, seed: int) -> list[str]:
        """Return a schedule that goes wrong in the same way, without the moves that can be left out."""
        begin, moves = self.beginning(random.Random(seed)), []
        wrong = ""
        try:
            for what, _ in self.walk(seed):
                moves.append(what)
        except BrokenError as error:
            wrong = str(error)
        length = len(moves)
        while length := length // 2:
            at = 0
            while at < len(moves):
                fewer = moves[:at] + moves[at + length :]
                if self._goes_wrong(begin, fewer):
                    moves = fewer
                else:
                    at += length
        return [*moves, wrong]

    def _goes_wrong(self, state: State, moves: list[str]) -> bool:
        """Say whether something breaks when these moves are made, or the next one, or nothing more."""
        try:
            for what in moves:
                options = dict(self.model.steps(state))
                if what not in options:
                    return False
                state = options[what]
            list(self.model.steps(state))
            must_settle(self.model, state.but(left=NOTHING), set())
        except BrokenError:
            return True
        return False


@cache
def kind_of(what: str) -> str:
    """Name what happened without whom it happened to."""
    _, colon, deed = what.rpartition(": ")
    words = (deed if colon else what).split()
    return " ".join(word for word in words if word not in {"burst-1", "burst-2"} and not word.isdigit())
