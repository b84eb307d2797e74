"""Amazon States Language on simulated time: the states, queries and rules that the workflows use, and no others.

A test compares it with the embedded AWS by running the same executions through both.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import yaml
from jsonata import Jsonata

QUERY = re.compile(r"^\{%(.*)%\}$", re.DOTALL)
_compiled: dict[str, Jsonata] = {}

type Value = Any
type Invoke = Callable[["Execution", str, Value], None]


class FailedError(Exception):
    """What a task raised: Step Functions' name for it, and its cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


def read_machine(path: Path, substitutions: dict[str, str]) -> dict[str, Any]:
    """Read a definition and fill in its substitutions, as CloudFormation does."""
    text = re.sub(r"\$\{(\w+)\}", lambda hole: substitutions[hole[1]], path.read_text())
    machine: dict[str, Any] = yaml.safe_load(text)
    return machine


def evaluate(value: Value, variables: dict[str, Value], states: dict[str, Value]) -> Value:
    """Fill in every query in a value; one that finds nothing fails, as on AWS."""
    if isinstance(value, dict):
        return {key: evaluate(inner, variables, states) for key, inner in value.items()}
    if isinstance(value, list):
        return [evaluate(inner, variables, states) for inner in value]
    if not isinstance(value, str) or (query := QUERY.match(value)) is None:
        return value
    text = query[1].strip()
    if text not in _compiled:
        _compiled[text] = Jsonata(text)
    frame = _compiled[text].create_frame()
    for name, known in variables.items():
        frame.bind(name, known)
    frame.bind("states", states)
    found = _compiled[text].evaluate(None, frame)
    if found is None and not _is_null(text, variables, states):
        raise FailedError("States.QueryEvaluationError", f"{text} found nothing")
    return found


def _is_null(text: str, variables: dict[str, Value], states: dict[str, Value]) -> bool:
    """Say whether a path leads to a null; the library returns None for that and for a path that leads nowhere."""
    parts = text.lstrip("$").split(".")
    here: Value = states if parts[0] == "states" else variables.get(parts[0])
    for part in parts[1:]:
        if not isinstance(here, dict) or part not in here:
            return False
        here = here[part]
    return here is None and (len(parts) > 1 or parts[0] in variables)


@dataclass
class Execution:
    """One execution: `after` schedules a call, `invoke` lets a function answer or fail."""

    name: str
    machine: dict[str, Any]
    given: Value
    now: Callable[[], float]
    after: Callable[[float, Callable[[], None]], None]
    invoke: Invoke
    dice: Random
    state: str = ""
    variables: dict[str, Value] = field(default_factory=dict)
    output: Value = None
    ended: str = ""  # "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED"
    error: str = ""
    cause: str = ""
    history: list[str] = field(default_factory=list)
    tries: dict[int, int] = field(default_factory=dict)
    turn: int = 0  # grows with every state, so that late answers for an earlier state are ignored

    def begin(self) -> None:
        """Enter the first state; the whole may not last longer than it says."""
        self.after(self.machine["TimeoutSeconds"], lambda: self._end("TIMED_OUT", "States.Timeout"))
        self._enter(self.machine["StartAt"], self.given)

    def abort(self) -> None:
        """Somebody aborts it, or it is lost."""
        self._end("ABORTED", "")

    def _end(self, how: str, error: str, cause: str = "") -> None:
        if not self.ended:
            self.ended, self.error, self.cause = how, error, cause
            self.turn += 1

    def _enter(self, state: str, given: Value) -> None:
        if self.ended:
            return
        self.state, self.given, self.tries = state, given, {}
        self.turn += 1
        self.history.append(state)
        self._run()

    def _run(self) -> None:
        definition = self.machine["States"][self.state]
        try:
            match definition["Type"]:
                case "Choice":
                    self._enter(self._choice(definition), self.given)
                case "Wait":
                    self._later(self._seconds(definition), definition)
                case "Task":
                    self._task(definition)
                case "Pass":
                    self.variables |= self._fill(definition.get("Assign", {}))
                    self._go_on(definition, self.given)
                case "Fail":
                    self._end(
                        "FAILED", str(self._fill(definition["Error"])), str(self._fill(definition.get("Cause", "")))
                    )
                case "Succeed":
                    self.output = self._fill(definition["Output"]) if "Output" in definition else self.given
                    self._end("SUCCEEDED", "")
                case other:  # Map and Parallel: to skip one would prove something about another workflow
                    raise NotImplementedError(f"No workflow has used the state type {other} so far: add it here")
        except FailedError as failed:
            self._failed(failed)

    def _fill(self, value: Value, **states: Value) -> Value:
        context = {"Execution": {"Name": self.name}}
        return evaluate(value, self.variables, {"input": self.given, "context": context, **states})

    def _choice(self, definition: dict[str, Any]) -> str:
        for rule in definition["Choices"]:
            if self._fill(rule["Condition"]) is True:
                return str(rule["Next"])
        return str(definition["Default"])

    def _seconds(self, definition: dict[str, Any]) -> float:
        if "Seconds" in definition:
            return float(self._fill(definition["Seconds"]))
        until = datetime.fromisoformat(self._fill(definition["Timestamp"]))
        return max(0.0, int(until.timestamp()) - self.now())  # Step Functions cuts it to the second

    def _later(self, seconds: float, definition: dict[str, Any]) -> None:
        turn = self.turn
        self.after(seconds, lambda: self._go_on(definition, self.given) if turn == self.turn else None)

    def _go_on(self, definition: dict[str, Any], output: Value) -> None:
        if definition.get("End"):
            self.output = output
            self._end("SUCCEEDED", "")
        else:
            self._enter(definition["Next"], output)

    # Tasks

    def _task(self, definition: dict[str, Any]) -> None:
        arguments = self._fill(definition["Arguments"])
        turn = self.turn
        limit = definition["TimeoutSeconds"]
        self.after(limit, lambda: self._heard(turn, FailedError("States.Timeout", f"no answer for {limit} s")))
        self.invoke(self, arguments["FunctionName"].rpartition(":")[2], arguments["Payload"])

    def hear(self, turn: int, answer: "Value | FailedError") -> None:
        """A function has answered, or failed."""
        self._heard(turn, answer)

    def _heard(self, turn: int, answer: "Value | FailedError") -> None:
        if turn != self.turn or self.ended:
            return
        self.turn += 1
        if isinstance(answer, FailedError):
            self._failed(answer)
            return
        definition = self.machine["States"][self.state]
        result = {"Payload": json.loads(json.dumps(answer)), "StatusCode": 200}
        try:
            self.variables |= self._fill(definition.get("Assign", {}), result=result)
            output = self._fill(definition["Output"], result=result) if "Output" in definition else result
            self._go_on(definition, output)
        except FailedError as failed:
            self._failed(failed)

    def _failed(self, failed: FailedError) -> None:
        definition = self.machine["States"][self.state]
        for number, rule in enumerate(definition.get("Retry", ())):
            if matches(failed.error, rule["ErrorEquals"]):
                tried = self.tries.get(number, 0)
                if tried < rule["MaxAttempts"]:
                    self.tries[number] = tried + 1
                    delay = rule["IntervalSeconds"] * rule.get("BackoffRate", 2.0) ** tried
                    delay = min(delay, rule.get("MaxDelaySeconds", delay))
                    delay = self.dice.uniform(0, delay) if rule.get("JitterStrategy") == "FULL" else delay
                    self._again(delay)
                    return
                break
        told = {"Error": failed.error, "Cause": failed.cause}
        for rule in definition.get("Catch", ()):
            if matches(failed.error, rule["ErrorEquals"]):
                self.variables |= self._fill(rule.get("Assign", {}), errorOutput=told)
                self._enter(rule["Next"], told)
                return
        self._end("FAILED", failed.error, failed.cause)

    def _again(self, delay: float) -> None:
        self.turn += 1
        turn = self.turn
        self.after(delay, lambda: self._run() if turn == self.turn else None)


def matches(error: str, names: list[str]) -> bool:
    """Say whether a rule is about this error."""
    return error in names or "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")
