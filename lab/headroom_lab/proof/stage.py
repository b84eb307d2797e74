"""The shipped handlers and workflows on simulated time: one platform, one account, and a seed that decides what happens.

Functions run as they are deployed, each on a thread of its own, and only one at a time: at every request that one makes
others may come in between, and it may die there. Workflows are the shipped definitions.
"""

import heapq
import importlib
import io
import json
import os
import re
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, Self

import requests
from botocore.exceptions import ClientError, ReadTimeoutError
from samtranslator.yaml_helper import yaml_parse
from starlette.responses import Response

from headroom import clock
from headroom.adapters.bus import Bus
from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.looks import Looks
from headroom.adapters.notify import Notify
from headroom.adapters.parts import Parts, using
from headroom.adapters.workflows import Workflows
from headroom.domain.fleet.fleet import Observation
from headroom.domain.fleet.lifecycle import Commitments
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Policy
from headroom.domain.safety import safety
from headroom.domain.safety.safety import Answer, Evidence
from headroom.settings import Settings, SettingsError
from headroom.usecases import stop_instance
from headroom_lab.pexip.resources import Platform
from headroom_lab.pexip.server import ManagementNode
from headroom_lab.proof import odd
from headroom_lab.proof.alone import NetworkReachedError, alone
from headroom_lab.proof.asl import Execution, FailedError, read_machine
from headroom_lab.proof.cloud import SIMULATED, Cloud, Machine, aws_error, conflict_error, dynamodb_error
from headroom_lab.proof.environment import ENVIRONMENT
from headroom_lab.proof.manager import Direct
from headroom_lab.proof.table import MemoryTable
from headroom_replay.bursting import Bursting
from headroom_replay.switches import Switches
from headroom_replay.world import Call, Location, Node, World

ROOT = Path(__file__).parents[3]
HOSTNAME, PRINCIPAL, OVERFLOW = "manager.example.com", "Oslo", "Cloud"
BEGIN = datetime(2026, 3, 29, 0, 20, tzinfo=UTC).timestamp()  # the night in which Europe's clocks go forward
LONGEST_FUNCTION = 60.0
BUSY = ("RequestLimitExceeded", "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure", "InternalError")
# What Step Functions is told of a function from which no answer has come
NO_ANSWER = ("Lambda.Unknown", "Lambda.ClientExecutionTimeoutException", "Lambda.ResourceNotReadyException")
TIMED_OUT = ("Sandbox.Timedout", "Task timed out after 60.00 seconds")
LATEST, LATEST_STOP = (
    55.0,
    25.0,
)  # seconds after which a change without an answer is made: as late as docs/safety.md allows for
OPENING = 10.0  # seconds until an opening brings calls: the soonest that docs/safety.md allows for
MOST_OF_A_SUBJECT, MOST_OF_A_MESSAGE = 99, 256 * 1024  # characters, bytes: what SNS takes
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # a message comes by mail or XML
MACHINES = ("start_node", "set_open", "retire_node", "prewarm")
CONTEXT: Any = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:function",
    aws_request_id="52fdfc07-2182-154f-163f-5f0f9a621d72",
)
FUNCTIONS = tuple(sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py")))
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
BATCH = 10  # events that the table's stream brings `announce` at once
EVERY_FIVE_MINUTES = ("read_bookings", "count_turned_away")


NOTHING_SEEN = SimpleNamespace(look=lambda *_: None)  # of the account: `examine` has its own tests


class _Nowhere(io.TextIOBase):
    """Where logs and metrics go."""

    def write(self, text: str) -> int:
        return len(text)


NOWHERE = _Nowhere()


class KilledError(BaseException):
    """A function dies where it stands: nothing in it can catch that."""


class UnthoughtError(Exception):
    """Nobody thought of it."""


@dataclass(slots=True)
class Hazards:
    """How likely it is that a request or a message goes wrong, and what has gone wrong so far."""

    dice: Random
    dies: float = 0.0
    delayed: float = 0.0
    answer_lost: float = 0.0
    lands_late: float = 0.0  # a change at Pexip or EC2 that is not answered, and made some time later
    given_up: float = 0.0  # a step that Step Functions asks again while its first try still runs
    message_lost: float = 0.0
    message_doubled: float = 0.0
    late: float = 0.0
    odd: float = 0.0  # that an answer of Pexip's is odd
    unthought: float = 0.0  # that a request fails in a way that nobody thought of
    rates: dict[str, float] = field(default_factory=dict)  # by request: that AWS throttles it
    no_room: float = 0.0
    unreachable_until: float = 0.0
    errors_until: float = 0.0
    happened: Counter[str] = field(default_factory=Counter)

    def explain(self, error: BaseException) -> bool:
        """Say whether an error was injected, or follows from one that was."""
        if isinstance(error, BaseExceptionGroup):
            return all(map(self.explain, error.exceptions))
        return any(
            isinstance(each, UnthoughtError) or (isinstance(each, ClientError) and each.operation_name == SIMULATED)
            for each in _chain(error)
        )

    def strikes(self, chance: float, what: str) -> bool:
        """Say whether something goes wrong now; what does is counted."""
        if chance and self.dice.random() < chance:
            self.happened[what] += 1
            return True
        return False

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.lands_late = self.given_up = 0.0
        self.dies = self.delayed = self.answer_lost = self.message_lost = self.message_doubled = self.late = 0.0
        self.odd = self.unthought = 0.0
        self.no_room = self.unreachable_until = self.errors_until = 0.0
        self.rates = {}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised in."""
    while True:
        yield error
        inner = error.__cause__ or error.__context__
        if inner is None:
            return
        error = inner


class Strand:
    """One invocation of a function: it runs until it waits or ends, and then the stage goes on."""

    def __init__(self, stage: "Stage", function: str, run: Callable[[], None]) -> None:
        self.stage = stage
        self.function = function
        self.began = stage.now
        self.dies = False
        self.clock_off = stage.clock_of(function)
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, args=(run,), daemon=True)
        self._thread.start()

    def _live(self, run: Callable[[], None]) -> None:
        self._go.acquire()
        try:
            run()
        finally:
            self.stage.strands.discard(self)
            self._back.release()

    def go_on(self) -> None:
        """Let it run until it waits, or ends."""
        before, self.stage.running = self.stage.running, self
        self._go.release()
        self._back.acquire()
        self.stage.running = before

    def wait(self, seconds: float) -> None:
        """It waits; called by the function itself."""
        self.stage.after(seconds, self.go_on)
        self._back.release()
        self._go.acquire()
        if self.dies:
            raise KilledError
        if self.stage.now - self.began > LONGEST_FUNCTION:
            self.stage.hazards.happened["a function is killed after a minute"] += 1
            self.dies = True
            raise KilledError


class Stage:
    """One run: everything in it happens because of `seed`."""

    def __init__(self, seed: int, *, hazards: Hazards | None = None, nodes: int = 3, hd: int = 5) -> None:
        self.dice = Random(seed)
        self.hazards = hazards or Hazards(Random(f"hazards {seed}"))
        self.now = BEGIN
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0
        self.running: Strand | None = None  # the function that runs now
        self.strands: set[Strand] = set()  # those that have begun and not ended
        self.skew = 0.0  # of the nodes' clocks
        self.clocks: dict[str, float] = {}  # by function: how far the clock of its newest environment is ahead
        self.executions: dict[str, Execution] = {}
        self.machine_of: dict[str, str] = {}  # which state machine each of them runs
        self.told: list[str] = []
        self.told_at: list[datetime] = []
        self.chats: list[str] = []
        self.heard: list[tuple[float, str]] = []  # when a message of EC2's was written down, of which instance
        self.heads: list[str] = []
        self.journal: list[tuple[float, str, str, Any]] = []  # what workflows did: when, which, function, answer
        self.findings: list[str] = []  # errors that no hazard has injected: mistakes, whatever came of them
        self.answered: Counter[str] = Counter()  # by function: how often it had an answer
        self.objections: Counter[str] = Counter()  # of the rules of a stop: the first, and where it was the only one
        self.looks: Counter[str] = Counter()  # what they found
        self.plan_watchers: list[Callable[[Observation, Commitments, Policy, Plan], None]] = []  # told of each plan
        self.watchers: list[Callable[[str, Any], None]] = []  # told of every step that a workflow takes
        self.asked: Counter[tuple[str, str]] = Counter()  # by function and request
        self.wrote: Counter[tuple[str, str, str]] = Counter()  # function, request and kind of partition
        self.announced: list[dict[str, Any]] = []  # what is on the event bus
        self._unannounced: list[tuple[str, str]] = []
        self._ids = Random(f"ids {seed}")
        self._stack = ExitStack()
        self.observing = True
        self.spread = 1.0  # seconds within which a tick comes: EventBridge promises the minute
        self.held_up = 0.0  # seconds that the next step of a workflow waits for its function
        self._kept: list[tuple[Any, str, Any]] = []  # what was there before, to be put back
        self._build_world(seed, nodes, hd)
        self._build_account()
        self.machines = dict(machines())
        self.folders = dict(FOLDERS)

    # Time

    def seconds(self) -> float:
        """Return the simulated epoch second."""
        return self.now

    def shown_seconds(self) -> float:
        """Return what the clock shows of the function that runs, or the true time."""
        return self.now + (self.running.clock_off if self.running else 0.0)

    def after(self, seconds: float, what: Callable[[], object]) -> None:
        """Have something done later."""
        self._number += 1
        heapq.heappush(self._due, (self.now + max(0.0, seconds), self._number, what))

    def run_until(self, end: float) -> None:
        """Let everything happen that happens until then, in order."""
        out, sys.stdout = sys.stdout, NOWHERE  # logs and metrics
        while self._due and self._due[0][0] <= end:
            at, _, what = heapq.heappop(self._due)
            self.now = max(self.now, at)
            self.world.advance(self.now)
            what()
        self.now = max(self.now, end)
        self.world.advance(self.now)
        sys.stdout = out

    def sleep(self, seconds: float) -> None:
        """A function waits, and others come in between; anybody else has time pass."""
        if self.running is None:
            self.run_until(self.now + seconds)
        elif seconds > 0:
            self.running.wait(seconds)

    # What there is

    def _build_world(self, seed: int, nodes: int, hd: int) -> None:
        overflow = [
            Node(
                id=10 + n,
                name=f"burst-{n}",
                address=f"10.2.{n // 200}.{n % 200}",
                location=OVERFLOW,
                hd=hd,
                overflow=True,
                instance=f"i-{n:017x}",
            )
            for n in range(1, nodes + 1)
        ]
        always_on = Node(id=1, name="always-on", address="10.1.0.1", location=PRINCIPAL, hd=10)
        self.world = World(
            [Location(id=1, name=PRINCIPAL, overflow1=OVERFLOW), Location(id=2, name=OVERFLOW)],
            [always_on, *overflow],
            now=self.now,
            switches=Switches(boot_mean=150, boot_jitter=20, opening_delay=OPENING, status_delay=5, activity_delay=3),
            seed=seed,
        )
        self.world.settings["bursting_min_lifetime"] = 5
        self.overflow = overflow
        self.cloud = Cloud(
            HOSTNAME, self.world, self.seconds, self.after, self.touch, self._instance_changed, self._lands_late
        )
        for n, node in enumerate(overflow):
            is_on = n == 0
            launched_at = self.now - 3600
            machine = self.cloud.add(node, launched_at=launched_at if is_on else None)
            machine.has_two_networks = n == 1
            if is_on:
                node.launched_at, node.boots_at, node.ready_at = launched_at, launched_at + 60, launched_at + 150
        self.manager = ManagementNode(
            Platform(self.world, self), Bursting(self.world, self.start, self.stop), seconds=self.seconds
        )

    # The platform's power: Pexip's own bursting asks here

    def start(self, node: Node) -> None:
        """Pexip starts a node."""
        self.cloud.switch_on(self.cloud.machines[node.instance])

    def stop(self, node: Node) -> None:
        """Pexip stops a node."""
        self.cloud.switch_off(self.cloud.machines[node.instance])

    def follow(self, world: World) -> None:
        """The world follows at once, but for nodes that are new to Pexip."""
        self.cloud.follow(world)

    def is_up(self, address: str, now: float) -> bool:
        """Say whether the instance at an address is on and has booted."""
        return self.cloud.is_up(address, now)

    def describe(self, node: Node) -> dict[str, Any]:
        """Return what EC2 says of a node's instance."""
        machine = self.cloud.machines.get(node.instance)
        if machine is None:
            return {"state": "terminated", "launched_at": None, "name": node.name}
        return {"state": machine.state, "launched_at": machine.launched_at, "name": node.name}

    def _build_account(self) -> None:
        self.table = MemoryTable(touched=self.touch, wrote=self._wrote, inserted=self._inserted)
        self.pexip = Direct(self.manager, self._pexip_trouble)

    def _deploy(self) -> None:
        """Give the shipped handlers this run's parts, and nothing else: no network, no credentials."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if str(ROOT) not in sys.path:
            sys.path.insert(0, str(ROOT))
        self.apps = {name: importlib.import_module(f"functions.{name}.app") for name in FUNCTIONS}
        from headroom.observability import logger  # noqa: PLC0415 - it reads the environment when it is imported

        self._kept.append((logger, "level", logger.log_level))
        logger.setLevel("CRITICAL")
        self._put(logger, "exception", self._hear_exception)
        self.settings = Settings.from_env(ENVIRONMENT)
        step_functions = SimpleNamespace(
            start_execution=self.start_execution, describe_execution=self.describe_execution
        )
        # boto3's clients have far more than what is asked of them here
        self.ledger = Ledger("ledger", HOSTNAME, self.table)  # type: ignore[arg-type]
        self.parts = Parts.made_of(
            settings=self.settings,
            ledger=self.ledger,
            ec2=with_clients(Ec2(HOSTNAME), client=self.cloud, acting=self.cloud, cloudwatch=self.cloud),
            site=NOTHING_SEEN,
            pexip=self.pexip,
            looks=with_clients(Looks("looks"), client=SimpleNamespace(send_message=self._send)),
            workflows=with_clients(Workflows(self.settings), client=step_functions),
            states=step_functions,
            people=with_clients(Notify("people"), client=SimpleNamespace(publish=self._publish)),
            chats=with_clients(Notify("chats"), client=_listening(self.chats)),
            heads=with_clients(Notify("heads"), client=_listening(self.heads)),
            bus=with_clients(Bus("headroom", HOSTNAME), client=SimpleNamespace(put_events=self._put_events)),
        )
        self._stack.enter_context(using(self.parts))
        self._stack.enter_context(alone(lambda: self.running is not None, self._find))
        stops: Any = stop_instance
        self._put(stops, "may_stop", self._judging(stops.may_stop))
        plans: Any = sys.modules[
            "headroom.usecases.decide"
        ]  # with its function, as both read the environment when imported
        self._put(plans, "plan", self._watching(plans.plan))
        self._put(clock, "seconds", self.shown_seconds)
        self._put(clock, "sleep", self.sleep)
        self._put(uuid, "uuid4", lambda: uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def _watching(self, make: Callable[..., Plan]) -> Callable[..., Plan]:
        """Tell of each plan, and of what it was made from."""

        def made(observation: Observation, commitments: Commitments, policy: Policy, now: datetime) -> Plan:
            found = make(observation, commitments, policy, now)
            for told in self.plan_watchers:
                told(observation, commitments, policy, found)
            return found

        return made

    def _judging(self, judge: Callable[[Evidence], Answer]) -> Callable[[Evidence], Answer]:
        """Count which rules object, and which alone."""

        def judged(evidence: Evidence) -> Answer:
            rules = safety.HUNG_RULES if evidence.never_came_up else safety.RULES
            against = [_words(rule) for rule in rules if rule(evidence)]
            self.objections.update(f"{rule}: the first" for rule in against[:1])
            self.objections.update(f"{rule}: the only one" for rule in against if len(against) == 1)
            return judge(evidence)

        return judged

    def _put(self, holder: Any, name: str, value: Any) -> None:
        """Change something of the process, to be put back at the end."""
        if not any(kept[0] is holder and kept[1] == name for kept in self._kept):
            self._kept.append((holder, name, getattr(holder, name)))
        setattr(holder, name, value)

    def __enter__(self) -> Self:
        self._deploy()
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs, and leave the handlers and the clock as they were."""
        for strand in list(self.strands):
            strand.dies = True
            strand.go_on()
        for holder, name, value in reversed(self._kept):
            if name == "level":
                holder.setLevel(value)
            else:
                setattr(holder, name, value)
        self._kept.clear()
        self._stack.close()

    def set_policy(self, **settings: str) -> None:
        """Deploy with these settings changed."""
        self.parts.settings = self.settings = replace(self.settings, **settings)

    def clock_of(self, function: str) -> float:
        """Say how far the clock is ahead where this invocation runs: in an environment that is off, or in an older one."""
        off = self.clocks.get(function, 0.0)
        return self.dice.choice((0.0, off)) if off else 0.0

    # Requests, at each of which something may go wrong

    def touch(self, request: str) -> None:
        """A function makes a request: it may die here, be slow, or be throttled."""
        if self.running is None:
            return
        self.asked[self.running.function, request] += 1
        hazards = self.hazards
        if self.running.dies or hazards.strikes(hazards.dies, "a function dies between two requests"):
            self.running.dies = True  # whatever its code would still clear up
            raise KilledError
        if hazards.strikes(hazards.delayed, "a function is held up"):
            self.sleep(self.dice.choice((1, 5, 20, 45)))
        if hazards.strikes(hazards.unthought, "a request fails as nobody thought of"):
            raise UnthoughtError(request)
        kind = "EC2" if request.endswith("Instances") else "DynamoDB"
        rate = hazards.rates.get(request, hazards.rates.get(kind, 0.0))
        if hazards.strikes(rate, f"{kind} throttles"):
            if kind == "EC2":
                raise aws_error(hazards.dice.choice(BUSY))
            raise dynamodb_error("ProvisionedThroughputExceededException")
        if request in WRITES and hazards.strikes(rate / 4, "DynamoDB tells of two writers at one item"):
            raise conflict_error(request)
        if request == "StartInstances" and hazards.strikes(hazards.no_room, "EC2 has no room"):
            raise aws_error("InsufficientInstanceCapacity")

    def _wrote(self, request: str, pk: str) -> None:
        if self.running is not None:
            self.wrote[self.running.function, request, pk.partition("#")[0]] += 1

    def _pexip_trouble(self, request: requests.PreparedRequest) -> Response | None:
        self.touch("Pexip")
        hazards = self.hazards
        if self.now < hazards.unreachable_until:
            hazards.happened["Pexip cannot be reached"] += 1
            raise requests.ConnectionError("Connection refused")
        if self.now < hazards.errors_until:
            status = self.dice.choice((429, 500, 503))
            if hazards.strikes(0.5, f"Pexip answers {status}"):
                return Response(status_code=status)
        if request.method == "PATCH" and hazards.strikes(hazards.lands_late, "a change at Pexip lands late"):
            self.after(self.dice.uniform(1, LATEST), lambda: self.pexip.deliver(request))
            raise requests.ReadTimeout("Read timed out")
        if hazards.strikes(hazards.odd, "Pexip answers oddly"):
            answer = self.pexip.deliver(request)
            headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
            return Response(odd.answer(bytes(answer.body), hazards.dice), answer.status_code, headers)
        return None

    def _lands_late(self, act: Callable[[], None]) -> None:
        """EC2 was asked to start or stop an instance: it does at once, or it does not answer, and does it a little later."""
        if self.hazards.strikes(self.hazards.lands_late, "EC2 does not answer, and acts late"):
            self.after(self.dice.uniform(1, LATEST_STOP), act)
            raise ReadTimeoutError(endpoint_url="https://ec2.eu-central-1.amazonaws.com")
        act()

    # Functions

    def call(self, name: str, event: Any, done: Callable[[Any], None] = lambda _: None) -> None:
        """Invoke a function as Lambda would; `done` gets its answer, or what Step Functions is told of its failure."""

        def run() -> None:
            answer = self._answer(name, event)
            if self.hazards.strikes(self.hazards.answer_lost, "an answer is lost"):
                answer = FailedError(self.hazards.dice.choice(NO_ANSWER), "no answer")
            done(answer)

        strand = Strand(self, name, run)
        self.strands.add(strand)
        strand.go_on()

    def _answer(self, name: str, event: Any) -> Any:
        try:
            answer = self.apps[name].handler(event, CONTEXT)
        except (KilledError, NetworkReachedError):
            timed_out = self.running is not None and self.now - self.running.began > LONGEST_FUNCTION
            return FailedError(*(TIMED_OUT if timed_out else ("Runtime.ExitError", "the process has ended")))
        except Exception as error:
            self._judge(error)
            return FailedError(type(error).__name__, json.dumps({"errorMessage": str(error)}))
        self.answered[name] += 1
        if name == "check_empty":
            self.looks.update(found_by(event, answer))
        if name == "record":
            self.heard.append((self.now, event["detail"]["instance-id"]))
        return answer

    def _find(self, what: str) -> None:
        """Note a mistake of the function that runs."""
        self.findings.append(f"{self.running.function if self.running else 'a test'}: {what}")

    def _judge(self, error: BaseException, where: str = "") -> None:
        """An error that is neither injected nor raised on purpose is a mistake, whatever a workflow makes of it."""
        on_purpose = type(error).__module__.startswith("headroom.") and not isinstance(error, SettingsError)
        if not on_purpose and not self.hazards.explain(error):
            self._find(f"{type(error).__name__}: {error}{where}")

    def _hear_exception(self, message: str, **_: object) -> None:
        """A function logs an error that it does not let through."""
        if error := sys.exception():
            self._judge(error, f" («{message}»)")

    def invoke(self, execution: Execution, name: str, payload: Any) -> None:
        """A workflow's step."""
        turn = execution.turn
        folder = self.folders[name]
        for watch in self.watchers:
            watch(name, payload)

        def done(answer: Any) -> None:
            self.journal.append((self.now, execution.name, f"{folder} {payload.get('do', '')}".strip(), answer))
            self.after(self.dice.uniform(0.02, 0.3), lambda: execution.hear(turn, answer))

        held_up, self.held_up = self.held_up, 0.0
        self.after(held_up + self.dice.uniform(0.05, 1.5), lambda: self.call(folder, payload, done))
        if self.hazards.strikes(self.hazards.given_up, "a step is asked again while its first try runs"):
            lost = FailedError("Lambda.Unknown", "the connection broke")
            self.after(self.dice.uniform(1.5, 20), lambda: execution.hear(turn, lost))

    def message(self, seconds: float, what: Callable[[], None], name: str) -> None:
        """Send a message, which may get lost, come twice or come late."""
        hazards = self.hazards
        if hazards.strikes(hazards.message_lost, f"{name} is lost"):
            return
        late = self.dice.uniform(20, 120) if hazards.strikes(hazards.late, f"{name} is late") else 0.0
        self.after(seconds + late, what)
        if hazards.strikes(hazards.message_doubled, f"{name} comes twice"):
            self.after(seconds + self.dice.uniform(0.5, 30), what)

    def _tries(self, name: str, event: Any, again_after: tuple[float, ...] = ()) -> Callable[[], None]:
        """Return a call that invokes a function, and repeats it after each failure as `again_after` says."""

        def run(left: tuple[float, ...] = again_after) -> None:
            def done(answer: Any) -> None:
                if isinstance(answer, FailedError) and left:
                    self.after(left[0], lambda: run(left[1:]))

            self.call(name, event, done)

        return run

    # What AWS does by itself

    def every_minute(self) -> None:
        """The schedule's tick, and EC2's metrics."""
        self.cloud.sample()
        if self.observing:
            self.message(self.dice.uniform(0.1, self.spread), self._tries("observe", {}), "a tick")
            self.message(self.dice.uniform(0.1, self.spread), self._tries("notify", {}), "a tick")
            if round(self.now - BEGIN) % 300 == 0:
                for name in EVERY_FIVE_MINUTES:
                    self.message(1.5, self._tries(name, {}), "a tick")
        self.after(60, self.every_minute)

    def _inserted(self, pk: str, sk: str) -> None:
        if pk.startswith("events#"):
            self._unannounced.append((pk, sk))
            if len(self._unannounced) == 1:
                self.after(1, self._announce)
        if not pk.startswith("snapshot#"):
            return
        event = {"Records": [{"dynamodb": {"Keys": {"sk": {"S": sk}}}}]}
        self.message(self.dice.uniform(0.05, 0.5), self._tries("decide", event, (1.0, 1.0)), "a reading's message")

    def _announce(self) -> None:
        """The table's stream brings its new events in batches, and again those that failed."""
        batch, self._unannounced = self._unannounced[:BATCH], self._unannounced[BATCH:]
        keys = [{"dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in batch]
        self._tries("announce", {"Records": keys}, (1.0, 2.0, 4.0, 8.0, 16.0))()
        if self._unannounced:
            self.after(1, self._announce)

    def _put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.touch("PutEvents")
        self.announced += Entries
        return {"Entries": [{} for _ in Entries]}

    def _instance_changed(self, machine: Machine, state: str) -> None:
        at = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {"detail": {"instance-id": machine.id, "state": state}, "time": at}
        self.message(self.dice.uniform(0.5, 3), self._tries("record", event, (60.0, 120.0)), "EC2's message")

    def _publish(self, **message: Any) -> None:
        """Take a message by SNS's rules: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html."""
        self.touch("Publish")
        subject, told = message["Subject"], message["Message"]
        if len(subject) > MOST_OF_A_SUBJECT or not (subject.isprintable() and subject.isascii() and subject.strip()):
            raise aws_error("InvalidParameter")
        if not told or len(told.encode()) > MOST_OF_A_MESSAGE or NO_XML.search(told):
            raise aws_error("InvalidParameter")
        self.told.append(f"{message['Subject']}: {message['Message']}")
        self.told_at.append(self.moment())

    def _send(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> None:
        """Keep a look's message until its time has come, and invoke `observe` with it."""
        self.touch("SendMessage")
        look = {"Records": [{"body": MessageBody, "eventSource": "aws:sqs", "eventSourceARN": QueueUrl}]}
        self.message(DelaySeconds + self.dice.uniform(0.05, 1), self._tries("observe", look), "a look's message")

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, str]:  # noqa: A002 - boto3's own
        """Begin an execution, as Step Functions would."""
        self.touch("StartExecution")
        if name in self.executions:
            raise aws_error("ExecutionAlreadyExists")
        self.begin(stateMachineArn, name, json.loads(input))
        return {"executionArn": name}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        """Say how far an execution is."""
        self.touch("DescribeExecution")
        execution = self.executions.get(executionArn.rpartition(":")[2])
        if execution is None:
            raise aws_error("ExecutionDoesNotExist")
        told = {"status": execution.ended or "RUNNING", "output": json.dumps(execution.output)}
        return told | ({"cause": execution.cause} if execution.cause else {})

    def begin(self, machine: str, name: str, given: Any) -> Execution:
        """Begin an execution, by hand if a test or a person does."""
        self.machine_of[name] = machine
        execution = self.executions[name] = Execution(
            name=name,
            machine=self.machines[machine],
            given=given,
            now=self.seconds,
            after=self.after,
            invoke=self.invoke,
            dice=self.dice,
        )
        self.after(0.1, execution.begin)
        return execution

    # What tests and schedules ask

    @property
    def at_work(self) -> list[Execution]:
        """The executions that run."""
        return [execution for execution in self.executions.values() if not execution.ended]

    def expect(self, *calls: tuple[float, str, float]) -> None:
        """Schedule calls: the minute of the beginning, the conference, and the length in minutes."""
        self.world.expect(Call(BEGIN + 60 * at, conference, PRINCIPAL, 60 * lasts) for at, conference, lasts in calls)

    def minutes(self, minutes: float) -> None:
        """Let minutes pass."""
        self.run_until(self.now + 60 * minutes)

    def moment(self) -> datetime:
        """Return the time it is."""
        return datetime.fromtimestamp(self.now, UTC)

    def ago(self, minutes: float) -> datetime:
        """Return a time that is past."""
        return self.moment() - timedelta(minutes=minutes)


def _words(rule: Callable[[Evidence], str]) -> str:
    return rule.__name__.strip("_").replace("_", " ")


def found_by(event: Any, answer: Any) -> Iterator[str]:
    """Name what a look, or the last question, found; `event` is what check_empty was asked."""
    if event.get("last"):
        yield "last question: " + ("closed" if answer["closed"] else "open")
        return
    which, look = ("first look" if event.get("rests") else "second look"), answer["check"]
    if look is None:
        yield f"{which}: wanted otherwise"
        return
    carried = ("shards", "media", "signalling", "proxied", "backplanes", "signaling_count", "registrations")
    yield from (f"{which}: {name}" for name in carried if look[name])
    yield from (
        f"{which}: not {name}" for name in ("complete", "synced", "closed", "configured_closed") if not look[name]
    )
    if look["alarm"]:
        yield f"{which}: an alarm"
    if answer["empty"]:
        yield f"{which}: empty"


def with_clients[T](adapter: T, **clients: object) -> T:
    """Give an adapter the lab's clients in place of the SDK's: each of those that it makes, and no other."""
    own = {name for name, part in vars(type(adapter)).items() if isinstance(part, cached_property)}
    if set(clients) != own:
        raise TypeError(f"{type(adapter).__name__} has other clients: {', '.join(sorted(own ^ set(clients)))}")
    vars(adapter).update(clients)
    return adapter


def _listening(heard: list[str]) -> SimpleNamespace:
    """A topic whose messages are only kept."""
    return SimpleNamespace(publish=lambda **message: heard.append(message["Message"]))


FOLDERS = {name.title().replace("_", ""): name for name in FUNCTIONS}


_machines: dict[str, dict[str, Any]] = {}


def machines() -> dict[str, dict[str, Any]]:
    """The shipped state machines with the template's numbers, read once."""
    if not _machines:
        for name in MACHINES:
            _machines[name] = machine_of(ROOT, name)
    return _machines


def machine_of(stack: Path, name: str) -> dict[str, Any]:
    """Return a state machine of the stack in this folder, with its template's numbers."""
    return read_machine(stack / "statemachines" / f"{name}.asl.yaml", _substitutions(stack, name))


def _substitutions(stack: Path, name: str) -> dict[str, str]:
    loaded = yaml_parse((stack / "template.yaml").read_text())
    [machine] = [
        one["Properties"]
        for one in loaded["Resources"].values()
        if one["Type"] == "AWS::Serverless::StateMachine"
        and one["Properties"]["DefinitionUri"].endswith(f"/{name}.asl.yaml")
    ]
    parameters = loaded["Parameters"]
    found = {}
    for hole, value in machine["DefinitionSubstitutions"].items():
        if hole.endswith("FunctionArn"):
            found[hole] = f"arn:aws:lambda:eu-central-1:123456789012:function:{hole.removesuffix('FunctionArn')}"
        elif hole == "Partition":
            found[hole] = "aws"
        else:
            found[hole] = str(parameters[value["Ref"]]["Default"] if isinstance(value, dict) else value)
    return found
