"""Play hours of a site, and count what AWS would bill."""

import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from headroom_lab.aws.translated import ROOT
from headroom_lab.proof import stage as stages
from headroom_lab.proof.stage import OVERFLOW, PRINCIPAL, Stage
from headroom_replay.world import Call, Location, Node

VCPU_AT = 1769  # MB of memory at which a function has one whole processor (Lambda's developer guide, «Memory»)
AWS_TAKES, PEXIP_TAKES = 0.008, 0.06  # seconds for a request from Lambda: assumed, until a bill says otherwise
LASTS = 40.0  # minutes of a call
LOGGED = 1000  # bytes of an invocation: what Lambda writes itself, and about one line of ours: assumed
POLLS = 5 * 3600 / 20  # an hour: Lambda waits at a queue with five long polls of 20 s («Using Lambda with Amazon SQS»)
FRESH_SECRET = 300.0  # seconds that a function keeps its secret
USUAL = {"threshold": "", "minimum_lifetime_minutes": ""}  # as the template has them
PEXIPS_OWN = {"bursting_threshold": 5, "bursting_min_lifetime": 50}  # as a new Pexip has them
QUIET, BUSY = "a quiet hour", "a busy hour"


@dataclass(frozen=True, slots=True)
class Site:
    """A platform: principal locations, their overflow nodes, and how often calls come in a busy hour."""

    name: str
    locations: int
    nodes: int
    calls: int
    minutes: float  # that are played for an hour

    @property
    def size(self) -> str:
        """Its size in words."""
        return f"{self.locations} locations × {self.nodes} overflow nodes"


SMALL = Site("small", 2, 20, 150, 60.0)
LARGE = Site("large", 50, 500, 5_000, 10.0)


class Metered(Stage):
    """A stage whose functions' billed time, requests and logs are counted."""

    def __init__(self, site: Site, seed: int = 0) -> None:
        self.site = site
        super().__init__(seed, nodes=site.nodes, hd=15)
        self.used: dict[str, float] = defaultdict(float)
        self.spread = 59.0
        self.table.billed = self._bill
        self.memory = _memory()
        self._secret_at: dict[str, float] = {}

    def _build_world(self, seed: int, nodes: int, hd: int) -> None:
        super()._build_world(seed, nodes, hd)
        others = [f"{PRINCIPAL} {n}" for n in range(2, self.site.locations)]
        for n, name in enumerate(others):
            self.world.locations[name] = Location(id=100 + n, name=name, overflow1=OVERFLOW)
            node = Node(
                id=10_000 + n, name=f"always-on-{n}", address=f"10.3.{n // 200}.{n % 200}", location=name, hd=80
            )
            self.world.nodes[node.name] = node
        self.world.nodes["always-on"].hd = 80

    def _bill(self, what: str, units: float) -> None:
        if self.running is not None:
            self.used[what] += units

    def _answer(self, name: str, event: Any) -> Any:
        began, busy, asked = self.now, time.thread_time(), Counter(self.asked)
        try:
            return super()._answer(name, event)
        finally:
            self._count(name, self.now - began, time.thread_time() - busy, self.asked - asked)

    def _count(self, name: str, waited: float, busy: float, asked: Counter[tuple[str, str]]) -> None:
        """Count one invocation: it waits, computes at the speed that its memory gives, and asks."""
        memory = self.memory[name]
        requests = {True: 0, False: 0}
        for (function, request), count in asked.items():
            if function == name:
                requests[request == "Pexip"] += count
        took = waited + busy * VCPU_AT / memory + requests[False] * AWS_TAKES + requests[True] * PEXIP_TAKES
        self.used["invocations"] += 1
        self.used["gb_seconds"] += memory / 1024 * took
        if requests[True] and self.now - self._secret_at.get(name, -math.inf) > FRESH_SECRET:
            self._secret_at[name] = self.now
            self.used["secret_calls"] += 1

    def hour(self, calls: int) -> dict[str, float]:
        """Play what stands for an hour with so many calls, in two rushes; return what an hour uses."""
        dice, played = Random(f"cost {self.site.name} {calls}"), self.site.minutes
        names = [node.location for node in self.world.nodes.values() if not node.overflow]
        rushes = [dice.uniform(0, played / 3), dice.uniform(played / 2, played * 0.8)]
        self.world.expect(
            Call(
                self.now + 60 * (dice.choice(rushes) + dice.expovariate(1)),
                f"meeting {dice.randint(1, 30)}",
                dice.choice(names),
                60 * LASTS,
            )
            for _ in range(round(calls * played / 60))
        )
        before, asked, logs = dict(self.used), Counter(self.asked), _Heard()
        turns = self._turns()
        kept, stages.NOWHERE = stages.NOWHERE, logs
        try:
            self.minutes(played)
        finally:
            stages.NOWHERE = kept
        used = {name: count - before.get(name, 0.0) for name, count in self.used.items()}
        requests = Counter(request for (_, request), count in (self.asked - asked).items() for _ in range(count))
        used["transitions"] = self._turns() - turns
        used["messages"], used["events"] = requests["Publish"], requests["PutEvents"]
        # A look's message is sent, received and deleted; polls are of an hour, whatever is played of it
        used["queue_requests"] = 3 * requests["SendMessage"] + POLLS * played / 60
        used["ticks"] = (2 + 2 / 5) * played
        used["log_gb"] = (logs.bytes + LOGGED * used["invocations"]) / 1e9
        return {name: count * 60 / played for name, count in used.items()}

    def _turns(self) -> int:
        return sum(execution.turn for execution in self.executions.values())


class _Heard(stages._Nowhere):
    """Counts what functions print, which is their log."""

    bytes = 0

    def write(self, text: str) -> int:
        self.bytes += len(text.encode())
        return len(text)


def _memory() -> dict[str, int]:
    """Return each function's memory in MB, as the template gives it."""
    given = yaml_parse((ROOT / "template.yaml").read_text())
    usual = given["Globals"]["Function"]["MemorySize"]
    functions = (one["Properties"] for one in given["Resources"].values() if one["Type"] == "AWS::Serverless::Function")
    return {one["CodeUri"].strip("/").rpartition("/")[2]: int(one.get("MemorySize", usual)) for one in functions}


@dataclass(slots=True)
class Hours:
    """What a quiet and a busy hour of a site used."""

    site: Site
    used: dict[str, dict[str, float]] = field(default_factory=dict)


def play(site: Site) -> Hours:
    """Play a quiet hour, and a busy one after another, in which nodes have started."""
    found = Hours(site)
    with Metered(site) as stage:
        stage.set_policy(**USUAL)
        stage.world.settings |= PEXIPS_OWN
        stage.after(0, stage.every_minute)
        stage.minutes(site.minutes)
        found.used[QUIET] = stage.hour(0)
        stage.hour(site.calls)
        found.used[BUSY] = stage.hour(site.calls)
    return found
