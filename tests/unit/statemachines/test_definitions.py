"""`sam validate --lint` never opens statemachines/*; these tests do, and check what the embedded engine cannot."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml
from cfnlint.api import lint

from tests.support import template as stack

AWS_ERRORS = {  # that pass by themselves, in DynamoDB's words, and the class of those that no model names
    *("ClientError", "InternalServerError", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
    "ThrottlingException",
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


def test_its_role_may_invoke_exactly_the_functions_it_uses(name: str) -> None:
    properties = stack.machine_properties(name)
    allowed = {
        policy["LambdaInvokePolicy"]["FunctionName"]["Ref"]
        for policy in properties["Policies"]
        if "LambdaInvokePolicy" in policy
    }
    used = {f"{state['Arguments']['FunctionName'].rpartition(':')[2]}Function" for _, state in tasks(name)}
    assert allowed == used


def test_every_task_has_a_time_limit_and_survives_a_passing_fault_of_lambda(name: str) -> None:
    for title, state in tasks(name):
        assert state["TimeoutSeconds"] == 90, title
        assert "Lambda.TooManyRequestsException" in state["Retry"][0]["ErrorEquals"], title
        assert state["Retry"][0]["JitterStrategy"] == "FULL", title


def test_every_workflow_ends_and_has_a_time_limit(name: str) -> None:
    machine = stack.definition(name)
    assert machine["TimeoutSeconds"] <= 86400
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


def test_what_dynamodb_says_for_a_moment_is_tried_again_by_the_names_that_boto3_raises(name: str) -> None:
    """Where DynamoDB's model names an error, boto3 raises a class of that name, and Lambda reports it."""
    named = boto3.client("dynamodb", region_name="eu-central-1").exceptions
    assert all(hasattr(named, error) for error in AWS_ERRORS)
    for title, state in tasks(name):
        retried = {error for rule in state["Retry"] for error in rule["ErrorEquals"]}
        assert retried >= AWS_ERRORS, title


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
    assert machine["Is it still empty?"]["Default"] == "Stop it"
    reaching = [title for title, state in machine.items() if "Stop it" in targets(state)]
    assert reaching == ["Is it still empty?"]
    assert machine["Wait before looking again"]["Next"] == "Look again"
    assert machine["Wait before looking again"]["Timestamp"] == "{% $look.again_at %}"
