"""`sam validate --lint` never opens statemachines/*; these tests do, and check what the embedded engine cannot."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import boto3
import pytest
import yaml
from cfnlint.api import lint

from headroom.usecases.claim import Claimed
from headroom.usecases.finish import Finished
from headroom.usecases.prewarm import PromiseChecked, Promised
from headroom.usecases.retire_node import Looked, StopChecked
from headroom.usecases.set_open import Changed
from headroom.usecases.start_node import Asked, Progressed
from headroom.usecases.stop_instance import StopAsked
from tests.support import template as stack

A_YEAR = 31_536_000  # Step Functions ends a standard execution that is older
AWS_ERRORS = {  # that pass by themselves, in DynamoDB's words, and the class of those that no model names
    *("ClientError", "InternalServerError", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
    *("ThrottlingException", "TransactionCanceledException", "TransactionConflictException"),
}
LAMBDA_ERRORS = {
    *("Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"),
    *("Lambda.TooManyRequestsException", "Lambda.ResourceNotReadyException", "Lambda.ClientExecutionTimeoutException"),
    *("Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout", "States.Timeout"),
}
OF_PEXIP, OF_EC2 = [["PexipUnreachableError", "PexipBusyError"]], ["Ec2Error", "ThrottledError"]
PASSING: dict[str, list[list[str]]] = {  # by function: what it tries again besides, in this order
    "Claim": [OF_EC2],
    "StartInstance": [["InsufficientCapacityError", "NotStartableError"], ["Ec2Error"]],
    "StartCloudnode": OF_PEXIP,
    "SetMaintenance": OF_PEXIP,
    "CheckEmpty": OF_PEXIP,
    "CheckStart": [[*OF_EC2, "NotNowError"]],
    "CheckStop": [[*OF_EC2, "NotNowError"]],
    "StopInstance": [["ThrottledError", "Ec2Error"]],
    "Hold": [["NotReadyError"]],
}
RETURNS: dict[str, Any] = {
    "Claim": Claimed,
    "StartInstance": Asked,
    "StartCloudnode": Asked,
    "CheckStart": Progressed,
    "SetMaintenance": Changed,
    "CheckEmpty": Looked,
    "CheckStop": StopChecked,
    "StopInstance": StopAsked,
    "Finish": Finished,
    "Hold": Promised,
    "CheckPromise": PromiseChecked,
}
HISTORY_LIMIT = 2000  # events, at any number of nodes
EVENTS_PER_TASK, EVENTS_PER_STATE = 5, 2


@pytest.fixture(params=stack.MACHINES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def targets(state: dict[str, Any]) -> set[str]:
    rules = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return {rule[key] for rule in rules for key in ("Next", "Default") if key in rule}


def tasks(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for title, state in stack.definition(name)["States"].items():
        if state["Type"] == "Task":
            yield title, state


def test_has_the_shape_step_functions_expects(name: str) -> None:
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": "arn:aws:iam::123456789012:role/any", "Definition": stack.definition(name)},
    }
    assert lint(json.dumps({"Resources": {"Machine": machine}}), regions=["eu-west-1"]) == []


def test_every_arrow_lands_and_every_state_is_reached(name: str) -> None:
    machine = stack.definition(name)
    reached, waiting = set(), {machine["StartAt"]}
    while waiting:
        state = waiting.pop()
        reached.add(state)
        waiting |= targets(machine["States"][state]) - reached
    assert reached == set(machine["States"])


def test_uses_no_yaml_aliases_because_cloudformation_rejects_them(name: str) -> None:
    assert not [token for token in yaml.scan(stack.text_of(name)) if isinstance(token, yaml.AliasToken)]


def test_the_template_fills_every_hole_and_no_other(name: str) -> None:
    assert set(stack.machine_properties(name)["DefinitionSubstitutions"]) == stack.holes(name)


def test_every_task_has_a_time_limit_and_survives_a_passing_fault_of_lambda(name: str) -> None:
    for title, state in tasks(name):
        assert state["TimeoutSeconds"] == 90, title
        assert "Lambda.TooManyRequestsException" in state["Retry"][0]["ErrorEquals"], title
        assert state["Retry"][0]["JitterStrategy"] == "FULL", title


def test_a_promise_far_ahead_is_looked_at_each_day_so_that_its_workflow_ends_with_it() -> None:
    """A state machine is deleted only once its executions have come to their next step."""
    states = stack.definition("prewarm")["States"]
    assert states["Wait for its time"]["Next"] == "Is it its time?"
    assert states["Is it its time?"]["Default"] == "See whether it still stands"
    assert states["Does it still stand?"]["Default"] == "Wait for its time"


def test_every_workflow_ends_and_has_a_time_limit(name: str) -> None:
    machine = stack.definition(name)
    assert machine["TimeoutSeconds"] <= (A_YEAR if name == "prewarm" else 86400)
    ends = [state for state in machine["States"].values() if state["Type"] in {"Fail", "Succeed"} or state.get("End")]
    assert ends


def test_every_choice_has_a_default(name: str) -> None:
    for title, state in stack.definition(name)["States"].items():
        assert state["Type"] != "Choice" or "Default" in state, title


def test_errors_caught_by_name_are_errors_that_exist(name: str) -> None:
    own = {
        error
        for _, state in tasks(name)
        for rule in [*state["Retry"], *state.get("Catch", [])]
        for error in rule["ErrorEquals"]
        if "." not in error
    }
    source = "".join(path.read_text() for path in (stack.ROOT / "layers").rglob("*.py"))
    missing = [error for error in own - AWS_ERRORS if f"class {error}(" not in source]
    assert missing == []


def test_every_task_is_tried_again_after_exactly_the_errors_that_pass_by_themselves(name: str) -> None:
    """Lambda's own, those of DynamoDB by the names that boto3 raises, and those of what the step asks besides."""
    named = boto3.client("dynamodb", region_name="eu-central-1").exceptions
    assert all(hasattr(named, error) for error in AWS_ERRORS)
    for title, state in tasks(name):
        function = state["Arguments"]["FunctionName"].rpartition(":")[2]
        first, *others = (rule["ErrorEquals"] for rule in state["Retry"])
        assert set(first) == LAMBDA_ERRORS | AWS_ERRORS, title
        assert others == PASSING.get(function, []), title


def test_a_workflow_reads_only_what_its_steps_return(name: str) -> None:
    """A step's result is a dataclass: whatever a state reads of it is one of its fields."""
    for title, state in tasks(name):
        function = state["Arguments"]["FunctionName"].rpartition(":")[2]
        known = {field.name for field in fields(RETURNS[function])} if function in RETURNS else set()
        read = set(re.findall(r"\$states\.result\.Payload\.(\w+)", json.dumps(state)))
        assert read <= known, title
        for variable in re.findall(
            r'"(\w+)": "\{% \$states\.result\.Payload %\}"', json.dumps(state.get("Assign", {}))
        ):
            assert set(re.findall(rf"\${variable}\.(\w+)", stack.text_of(name))) <= known, variable


def test_a_workflow_remembers_only_what_it_reads(name: str) -> None:
    states = stack.definition(name)["States"].values()
    rules = [rule for state in states for rule in [state, *state.get("Catch", [])]]
    assigned = {variable for rule in rules for variable in rule.get("Assign", {})}
    assert {variable for variable in assigned if not re.search(rf"\${variable}\b", stack.text_of(name))} == set()


def test_every_step_s_handler_returns_what_its_case_does() -> None:
    """The table of what steps return is that of the handlers: each builds its answer from that class."""
    for function, result in RETURNS.items():
        folder = re.sub(r"(?<!^)([A-Z])", r"_\1", function).lower()
        handler = (stack.ROOT / f"functions/{folder}/app.py").read_text()
        [case] = re.findall(r"from headroom\.usecases\.(\w+) import", handler)
        assert result.__module__ == f"headroom.usecases.{case}", function
        assert "return built(" in handler, function


def test_prewarm_knows_no_node_by_node_so_its_history_stays_short_at_any_size() -> None:
    machine = stack.definition("prewarm")
    assert not [state for state in machine["States"].values() if state["Type"] in {"Map", "Parallel"}]
    properties = stack.machine_properties("prewarm")["DefinitionSubstitutions"]
    lead = 2 * 5 * 60  # a promise begins two boot times before it is due, see headroom.domain.planning.promises
    looks = lead / properties["PrewarmCheckSeconds"] + 2
    a_look = EVENTS_PER_TASK + 2 * EVENTS_PER_STATE  # see what is ready, is the promise kept, let the nodes boot
    assert looks * a_look + 30 < HISTORY_LIMIT


def test_retire_node_asks_twice_at_least_two_minutes_apart_before_it_stops() -> None:
    machine = stack.definition("retire_node")["States"]
    last = "Ask last of all whether it is still closed"
    assert machine["Is it still empty?"]["Default"] == last
    assert machine[last]["Arguments"]["Payload"]["last"] is True
    reaching = [title for title, state in machine.items() if "Stop it" in targets(state)]
    assert reaching == [last]
    assert {title for title, state in machine.items() if last in targets(state)} == {"Is it still empty?", "Stop it"}
    assert machine["Wait before looking again"]["Next"] == "Look again"
    assert machine["Wait before looking again"]["Timestamp"] == "{% $look.again_at %}"
