"""Follows a schedule of the shipped workflows in the model: every step that a workflow takes must be one the model allows.

What is around the workflows (instances, calls, people, Pexip's sight, the newest plan and reading) is taken over from the
stage before each function. What a function did is then looked for among the steps that the model offers there, and
what the ledger and Pexip hold afterwards must be what the model holds. A stop is legal only where the model's own
evidence satisfies the shipped rules. After a function that fails half-way, its state is taken over as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from headroom.adapters.ledger import Ledger
from headroom.domain.fleet.lifecycle import MOST_HUNG, Memory, Wanted
from headroom.domain.fleet.signature import is_ours
from headroom.domain.history.record import Decision
from headroom.domain.planning.plans import Change
from headroom.domain.policy import Mode
from headroom.domain.safety import claims
from headroom.usecases.finish import Outcome
from headroom_lab.proof.asl import FailedError
from headroom_lab.proof.model import RETIRE, SET, START, Model, facts_of
from headroom_lab.proof.stage import HOSTNAME, Stage
from headroom_lab.proof.state import (
    ALARM,
    GOOD,
    LIES,
    NOW,
    OPEN,
    OURS,
    SEEN,
    THEIRS,
    UNSEEN,
    BrokenError,
    Did,
    Flow,
    Node,
    State,
)
from headroom_lab.proof.table import MemoryTable

CLOSES: list[tuple[str, str]] = [
    ("close", Did.ABOUT_TO_CLOSE_IT),
    ("close 2", Did.CLOSES_IT),
    ("close 3", Did.NOTES_THAT_IT_IS_CLOSED),
]
OPENS: list[tuple[str, str]] = [("open", Did.ABOUT_TO_OPEN_IT), ("open 2", Did.OPENS_IT)]
KINDS = {"start_node": START, "set_open": SET, "retire_node": RETIRE}


@dataclass
class Follower:
    """The model beside a stage; `illegal` is what it did not allow, `steps` how many it did."""

    stage: Stage
    illegal: list[str] = field(default_factory=list)
    steps: int = 0
    stops: int = 0

    def __post_init__(self) -> None:
        """Begin where the stage is."""
        unseen = MemoryTable(items=self.stage.table.items)  # what the follower reads is no request of the stage's
        self.ledger = Ledger("ledger", HOSTNAME, unseen)  # type: ignore[arg-type]
        self.model = Model(self.stage.settings.policy)
        self.names = [node.name for node in self.stage.overflow]
        self.state = State(nodes=tuple(Node(name=name) for name in self.names))
        self.tokens: dict[str, int] = {}
        self.launched: dict[str, float] = {}
        self.at = self.stage.now
        self._watch()

    # Watching

    def _watch(self) -> None:
        stage, call = self.stage, self.stage.call
        keep, free = stage.ledger.keep_plan, stage.ledger.free

        def watched(name: str, event: Any, done: Callable[[Any], None] = lambda _: None) -> None:
            self.look_around()
            token = event.get("token", "") if isinstance(event, dict) else ""

            def heard(answer: Any) -> None:
                if token:
                    self.follow(token, name, event, answer)
                else:
                    self.take_over()
                done(answer)

            call(name, event, heard)

        def kept(decision: Decision, last: Any, changes: Any) -> Any:
            written = keep(decision, last, changes)
            self.planned(decision, written)
            return written

        def freed(memory: Memory) -> bool:
            is_free = free(memory)
            self.take_over()
            return is_free

        stage.call = watched  # type: ignore[method-assign]
        stage.ledger.free = freed  # type: ignore[method-assign]
        stage.ledger.keep_plan = kept  # type: ignore[method-assign]

    def token(self, name: str) -> int:
        """Number a workflow."""
        return self.tokens.setdefault(name, len(self.tokens) + 1)

    # What is around

    def look_around(self) -> None:
        """Let the time pass that has passed, and take over what others did meanwhile."""
        stage = self.stage
        self._pass_time()
        reading, planned, now = self.ledger.last_reading(), self.ledger.last_plan(), stage.moment()
        policy = stage.settings.policy
        self.state = self.state.but(
            nodes=tuple(self._as_it_is(node) for node in self.state.nodes),
            paused=self.ledger.pause(now) is not None,
            control=policy.mode is Mode.CONTROL,
            bursting=bool(stage.world.settings["bursting_enabled"]),
            read_age=_age(reading.read_at, now) if reading else self.model.fresh,
            read_bursting=bool(reading and reading.settings.bursting_enabled),
            read_upgrading=bool(reading and reading.upgrading),
            plan_age=_age(planned.plan.at, now) if planned else self.model.fresh,
        )

    def _pass_time(self) -> None:
        self.state = self.model.passes(self.state, self.stage.now - self.at)  # type: ignore[arg-type]
        self.at = self.stage.now

    def _as_it_is(self, node: Node) -> Node:
        stage = self.stage
        there = next(each for each in stage.overflow if each.name == node.name)
        machine = stage.cloud.machines[there.instance]
        if machine.launched_at != self.launched.setdefault(node.name, machine.launched_at):
            self.launched[node.name] = machine.launched_at
            self._forget_boots(node.name)
        reading = self.ledger.last_reading()
        worker = next((each for each in reading.workers if each.name == node.name), None) if reading else None
        oldest = min((call.at for call in there.calls.values()), default=stage.now)
        is_shown = stage.now - oldest >= stage.world.switches.activity_delay
        on = machine.state in {"pending", "running", "stopping"}
        return node.but(
            on=on,
            stopping=machine.state == "stopping",
            age=stage.now - machine.launched_at if on else 0,
            up=there.ready(stage.now),
            door=OPEN
            if not there.closed.now
            else OURS
            if is_ours(there.closed_reason, stage.settings.stack)
            else THEIRS,
            since=min(stage.now - there.closed.changed_at, 10**6),
            call=0 if not there.calls else SEEN if is_shown else UNSEEN,
            sight=ALARM if there.unreachable else LIES if there.name in stage.world.denied else GOOD,
            tagged=machine.tagged and machine.state != "terminated",
            read_alarm=bool(worker and worker.alarm),
            read_call=bool(worker and worker.carries),
        )

    def _forget_boots(self, name: str) -> None:
        """Mark the looks that were taken before a restart as looks at another boot."""
        flows = []
        for flow in self.state.flows:
            if self.names[flow.node] == name:
                first, second = (look and look.but(same_boot=False) for look in (flow.first, flow.second))
                flow = flow.but(first=first, second=second)  # noqa: PLW2901 - the same flow, changed
            flows.append(flow)
        self.state = self.state.but(flows=tuple(flows))

    def take_over(self) -> None:
        """Take over what the ledger remembers of every node, as a function left it that no workflow called."""
        self._pass_time()  # a function may have waited
        memories = {memory.node: memory for memory in self.ledger.commitments(self.stage.moment()).memories}
        nodes = [self._remembered(node, memories.get(node.name) or Memory(node=node.name)) for node in self.state.nodes]
        self.state = self.state.but(nodes=tuple(nodes))

    def _remembered(self, node: Node, memory: Memory) -> Node:
        now = self.stage.moment()
        claim = memory.claim
        return node.but(
            wanted=memory.wanted,
            holder=self.token(claim.token) if claim else 0,
            lease=_age(now, claim.until) if claim else 0,
            action=claim.action if claim else None,
            rests=max(0, _age(now, memory.rests_until)) if memory.rests_until else 0,
            closed=_age(memory.closed_at, now) if memory.closed_at else None,
            given_up=memory.given_up_at is not None,
            hung=memory.hung >= MOST_HUNG,
        )

    # Plans

    def planned(self, decision: Decision, written: list[tuple[Change, str]]) -> None:
        """A plan wrote claims: their conditions must hold in the model, too."""
        for change, token in written:
            if change.node not in self.names:
                continue
            n = self.names.index(change.node)
            node, memory = self.state.nodes[n], decision.commitments.memory(change.node)
            taken = claims.taking(self._in_model(memory, decision.plan.at), change.action, NOW)
            self._must(claims.is_met(taken.condition, facts_of(node)), f"a plan claims {change.node} for {token}")
        self.take_over()

    def _in_model(self, memory: Memory, at: datetime) -> Memory:
        """Give a memory the model's version, token and time."""
        claim, rests = memory.claim, memory.rests_until
        return replace(
            memory,
            version=1,
            claim=claim and replace(claim, token=str(self.token(claim.token)), until=NOW + (claim.until - at)),
            rests_until=rests and NOW + (rests - at),
        )

    # Workflows

    def follow(self, token: str, name: str, event: Any, answer: Any) -> None:
        """A workflow's function has ended: find what it did among the model's steps."""
        node = event.get("node") or event["given"].get("node")
        execution = self.stage.executions.get(token)
        if node not in self.names or execution is None:
            return
        flow = self._flow(token, node, KINDS[self.stage.machine_of[token]])
        if isinstance(answer, FailedError):
            self._after_failure(flow, answer)
            return
        try:
            for step, labels in self.expected(flow, name, event, answer):
                self._step(token, step, labels)
        except BrokenError as error:
            self.illegal.append(f"{token}: {error}")
        if name == "check_empty" and not event.get("last") and answer["wanted"] == Wanted.OFF and not answer["empty"]:
            self._put(flow.token, "finish")
        self._compare(node, token, name)

    def _flow(self, token: str, node: str, kind: str) -> Flow:
        number = self.token(token)
        for flow in self.state.flows:
            if flow.token == number:
                return flow
        flow = Flow(number, self.names.index(node), kind, "claim")
        self.state = self.state.but(flows=(*self.state.flows, flow))
        return flow

    def _after_failure(self, flow: Flow, failed: FailedError) -> None:
        """Take over what a function did before it failed; some failures are answers that the workflow handles."""
        self.take_over()
        self.look_around()
        goes = {
            "StopRefusedError": "finish",
            "PlanChangedError": "turn",
            "AskAgainError": "ask",
            "NotOursError": "finish",
            "ClaimLostError": "",
            "UnknownNodeError": "",
        }
        where = goes.get(failed.error)
        if where:
            self._put(flow.token, where)
        elif where == "":
            self.state = self.state.but(flows=tuple(each for each in self.state.flows if each.token != flow.token))

    def _put(self, token: int, step: str) -> None:
        number = next((n for n, each in enumerate(self.state.flows) if each.token == token), None)
        if number is not None:
            self.state = self.model._at(self.state, number, step)

    def expected(self, flow: Flow, name: str, event: Any, answer: Any) -> list[tuple[str, str]]:
        """Name the model's steps that a function's answer stands for, each with the place in the workflow it is taken at."""
        match name:
            case "claim":
                mine = self.state.nodes[flow.node].holder == flow.token
                return [("claim", Did.CLAIMS if mine else Did.CLAIMS_BY_HAND)]
            case "set_maintenance":
                return self._maintained(flow, event["do"], answer)
            case "start_instance":
                return [("start", Did.ABOUT_TO_START_IT), ("start 2", Did.STARTS_IT)] if answer["asked_at"] else []
            case "finish":
                return [("", "give up" if answer["outcome"] == Outcome.GIVEN_UP else "finish")]
            case _:
                return self._retired(name, event, answer)

    def _retired(self, name: str, event: Any, answer: Any) -> list[tuple[str, str]]:
        """What looks at a node, stops it, and sees that it stopped."""
        if name == "check_empty":
            return self._looked(event, answer)
        if name == "stop_instance":
            if answer["again"]:
                return [("judge", Did.FINDS_IT_STOPPING)]
            self.stops += 1
            return [("judge", Did.ALLOWED_TO_STOP_IT), ("word", Did.HAS_THE_LAST_WORD), ("stop", Did.STOPS_IT)]
        if name == "check_stop" and (answer["stopped"] or answer["on_again"]):
            seen = Did.SEES_THAT_IT_IS_OFF if answer["stopped"] else Did.SEES_THAT_SOMEBODY_STARTED_IT_AGAIN
            return [("gone", seen)]
        return []

    @staticmethod
    def _looked(event: Any, answer: Any) -> list[tuple[str, str]]:
        if event.get("last"):
            return [("ask", Did.ASKS_LAST_OF_ALL)]
        where = "look 1" if event.get("rests") else "look 2"
        if answer["wanted"] != Wanted.OFF:
            return [(where, Did.WANTED_OTHERWISE)]
        return [(where, Did.LOOKS)] if answer["empty"] else []

    def _maintained(self, flow: Flow, do: str, answer: Any) -> list[tuple[str, str]]:
        """What closes or opens a node."""
        if do == "close":
            return CLOSES if answer["changed"] else [("close", Did.FINDS_IT_CLOSED)]
        if do == "open":
            return OPENS if answer["changed"] else [("open", Did.FINDS_IT_OPEN)]
        if flow.kind == SET:
            return self._as_wanted(flow, answer)
        if not answer["open"]:
            return [("turn", Did.LEAVES_IT_CLOSED)]
        return [("turn", Did.TURNS_ROUND), *(OPENS if answer["changed"] else [("open", Did.FINDS_IT_OPEN)])]

    def _as_wanted(self, flow: Flow, answer: Any) -> list[tuple[str, str]]:
        begins = flow.step == "settle"
        if begins and not answer["changed"]:
            return [] if answer["again_at"] else [("settle", Did.DONE)]
        first = [("settle", Did.LOOKS_AGAIN)] if begins else []
        steps = OPENS if answer["open"] else CLOSES
        is_known = self.state.nodes[flow.node].closed is not None  # else a step that died half-way is made again
        if not answer["changed"] and answer["open"]:
            steps = [("open", Did.FINDS_IT_OPEN)]
        elif not answer["changed"] and is_known:
            steps = [("close", Did.FINDS_IT_CLOSED)]
        return [*first, *(("set" if n == 0 else step, what) for n, (step, what) in enumerate(steps))]

    def _step(self, token: str, step: str, label: str) -> None:
        number = next((n for n, each in enumerate(self.state.flows) if each.token == self.tokens[token]), None)
        if number is None:
            raise BrokenError(f"{label}, although the model has ended it")
        flow = self.state.flows[number]
        if not step:  # it ends, from wherever it is
            if flow.kind == RETIRE and flow.step in {"word", "stop"}:
                raise BrokenError("it ends in the middle of a stop")
            self.state = self.model._at(self.state, number, label)
            [(_, self.state)] = self.model._advance(self.state, number)
            self.steps += 1
            return
        if flow.kind == START and flow.step not in {"start 2", "close 2", "close 3", "open 2"}:
            self.state = self.model._at(self.state, number, step)  # starts come and go between their checks
        elif step == "open" and flow.step == "finish":
            self.state = self.model._at(self.state, number, step)
        flow = self.state.flows[number]
        if flow.step != step and not (flow.kind == SET and step == "set" and flow.step in {"set", "settle"}):
            raise BrokenError(f"{label} at «{step}», where the model is at «{flow.step}»")
        options = dict(self.model._advance(self.state, number))
        if label not in options:
            raise BrokenError(
                f"{label} at «{step}», where the model allows {sorted(map(str, options)) or 'nothing yet'}"
            )
        self.state = options[label]
        self.steps += 1

    def _compare(self, node: str, token: str, name: str) -> None:
        """What the ledger and Pexip hold must be what the model holds."""
        n = self.names.index(node)
        model, memory = self.state.nodes[n], self.ledger.memory(node)
        holder = self.token(memory.claim.token) if memory.claim else 0
        self._must(model.holder == holder, f"{token}: after {name} the claim on {node} is another's")
        self._must(model.wanted == memory.wanted, f"{token}: after {name} {node} is wanted {memory.wanted}")
        self._must(
            (model.closed is None) == (memory.closed_at is None), f"{token}: after {name} {node} is closed otherwise"
        )
        there = next(each for each in self.stage.overflow if each.name == node)
        self._must((model.door == OPEN) == (not there.closed.now), f"{token}: after {name} the door of {node} differs")
        self.take_over()

    def _must(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.illegal.append(what)


def _age(then: datetime, now: datetime) -> Any:
    """How old something is; the stage's ages are fractions of seconds, the model's whole ones."""
    return (now - then).total_seconds()
