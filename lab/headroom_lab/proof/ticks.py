"""Days in which ticks come anywhere within their minutes, and each function is killed once a day: how long nobody reads Pexip."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from boto3.dynamodb.conditions import Key

from headroom.adapters.ledger.codec import moment
from headroom_lab.proof.stage import FUNCTIONS, HOSTNAME, Hazards, Stage

ANYWHERE = 59.9  # seconds of its minute within which EventBridge Scheduler may bring a tick
GAP, GAP_OF_KILLED, LEASE = timedelta(seconds=130), timedelta(seconds=200), timedelta(seconds=10)
DAY = timedelta(days=1).total_seconds()
DIES = "a function dies between two requests"
LEASES = {"observe": "observe", "notify": "tell"}  # by function
MIDST = 0.2  # that a function which is to be killed is killed at this request, and not at a later one


@dataclass(slots=True)
class Ticks:
    """How long the longest gap between two readings was, the longest in which `observe` was killed, and what was killed."""

    gap: timedelta = timedelta()
    gap_of_killed: timedelta = timedelta()
    lease: timedelta = timedelta()  # the longest by which one has outlived what was killed
    readings: int = 0
    killed: Counter[str] = field(default_factory=Counter)

    @property
    def is_well(self) -> bool:
        """Whether each of them is as short as promised."""
        return self.gap <= GAP and self.gap_of_killed <= GAP_OF_KILLED and self.lease <= LEASE


class _Killer(Hazards):
    """Kills each function once in every period, in the midst of its work."""

    def __init__(self, stage: Stage, every: float, seed: int) -> None:
        super().__init__(Random(f"hazards {seed}"))
        self.stage, self.every = stage, every
        self.killed: list[tuple[str, datetime]] = []
        self.leases: list[timedelta] = []
        self._due: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Choose when each is killed in this period."""
        for name in FUNCTIONS:
            self._due[name] = self.stage.now + self.dice.uniform(0, self.every)
        self.stage.after(self.every, self.begin)

    def strikes(self, chance: float, what: str) -> bool:
        """Say whether something goes wrong now."""
        running = self.stage.running
        if what != DIES or running is None:
            return super().strikes(chance, what)
        if self.stage.now < self._due.get(running.function, float("inf")) or self.dice.random() > MIDST:
            return False
        del self._due[running.function]
        self.killed.append((running.function, self.stage.moment()))
        if name := LEASES.get(running.function):
            self.leases.append(self._outlives(name))
        return True

    def _outlives(self, name: str) -> timedelta:
        item = self.stage.table.items.get(f"now#{HOSTNAME}", {}).get(f"lease#{name}", {})
        until = moment(str(item.get("until", "")))
        return max(until - self.stage.moment(), timedelta()) if until else timedelta()


def readings(stage: Stage) -> list[datetime]:
    """Return when Pexip was read, or could not be read."""
    items = stage.ledger.table.query(KeyConditionExpression=Key("pk").eq(f"snapshot#{HOSTNAME}"))["Items"]
    return [at for item in items if (at := moment(str(item["sk"])))]


def longest_gap(stage: Stage) -> timedelta:
    """Return the longest time between two readings."""
    return max(later - earlier for earlier, later in pairwise(readings(stage)))


def play(hours: float, *, killed_every: float = DAY, seed: int = 0) -> Ticks:
    """Let that many hours pass, with calls on some of them; each function is killed once in `killed_every` seconds."""
    stage = Stage(seed)
    stage.hazards = killer = _Killer(stage, killed_every, seed)
    stage.spread = ANYWHERE
    with stage:
        stage.after(0, stage.every_minute)
        stage.expect(*[(90.0 * n + m, f"meeting {m % 3}", 40.0) for n in range(int(hours / 1.5)) for m in range(9)])
        stage.minutes(60 * hours)
        found = Ticks(readings=len(readings(stage)), killed=Counter(name for name, _ in killer.killed))
        for earlier, later in pairwise(readings(stage)):
            if any(name == "observe" and earlier <= at <= later for name, at in killer.killed):
                found.gap_of_killed = max(found.gap_of_killed, later - earlier)
            else:
                found.gap = max(found.gap, later - earlier)
    found.lease = max(killer.leases, default=timedelta())
    return found
