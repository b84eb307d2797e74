"""The optional stack: it alone may make, tag and end instances, and only its own or those that it is told of."""

import ast
import re
from dataclasses import fields
from typing import Any

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

from headroom.adapters.provisioning import ProvisioningSettings
from headroom_lab.aws.translated import translated
from headroom_lab.proof.making import MACHINES, STACK
from tests.support import template as stack
from tests.support.template import actions_of

TEMPLATE: dict[str, Any] = yaml_parse((STACK / "template.yaml").read_text())
CHANGES = {"ec2:RunInstances", "ec2:TerminateInstances", "ec2:CreateTags", "ec2:DeleteTags", "ec2:AssociateAddress"}
FOLDERS = sorted(path.parent.name for path in (STACK / "functions").glob("*/app.py"))
OF_LAMBDA = {  # to write logs, read a stream or a queue, and join a VPC: see test_translated.py
    *("AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole"),
    *("AWSLambdaDynamoDBExecutionRole", "AWSLambdaSQSQueueExecutionRole"),
}
OWN = {"StringEquals": {"aws:ResourceTag/headroom-stack": {"Ref": "HeadroomStack"}}}


def functions() -> dict[str, dict[str, Any]]:
    found = [one["Properties"] for one in TEMPLATE["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]
    return {one["CodeUri"].removeprefix("functions/").rstrip("/"): one for one in found}


def statements(folder: str) -> list[dict[str, Any]]:
    given = [statement for policy in functions()[folder]["Policies"] for statement in policy["Statement"]]
    return [statement["Fn::If"][1] if "Fn::If" in statement else statement for statement in given]


def policies_in(value: Any) -> list[dict[str, Any]]:
    """Every statement of every policy anywhere in a translated template."""
    if isinstance(value, dict):
        own = [value] if "Effect" in value and ("Action" in value or "NotAction" in value) else []
        return own + [each for inner in value.values() for each in policies_in(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in policies_in(inner)]
    return []


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1"])
def test_without_it_no_role_can_run_terminate_tag_or_untag_instances(region: str) -> None:
    """Of what SAM makes of the template: every statement of every role, and which of AWS's own policies a role has."""
    made = translated(region)["Resources"]
    roles = {name: one for name, one in made.items() if one["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}}
    assert len(roles) > 20
    for name, role in roles.items():
        own = {str(each).rpartition("/")[2].rstrip("'}]") for each in role["Properties"].get("ManagedPolicyArns", ())}
        assert own <= OF_LAMBDA, name
        for statement in policies_in(role["Properties"]):
            if name == "Bounds":
                continue  # it grants nothing, and bounds what others grant
            assert "NotAction" not in statement, name
            given = {action for action in actions_of(statement) if re.match(r"(?i)ec2:|\*", action)}
            assert not given & CHANGES, name
            assert not [action for action in given if "*" in action and "NetworkInterface" not in action], name


def test_every_folder_is_a_function_and_its_description_its_first_sentence() -> None:
    assert sorted(functions()) == FOLDERS
    for folder in FOLDERS:
        docstring = ast.get_docstring(ast.parse((STACK / "functions" / folder / "app.py").read_text())) or ""
        assert docstring.splitlines()[0] == functions()[folder]["Description"]


def test_it_sets_every_variable_that_its_settings_read_and_no_other() -> None:
    variables = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    assert {name for name in variables if not name.startswith("POWERTOOLS_")} == {
        field.name.upper() for field in fields(ProvisioningSettings)
    }


def test_one_function_runs_one_tags_one_terminates_and_none_stops() -> None:
    who: dict[str, set[str]] = {}
    for folder in FOLDERS:
        for statement in statements(folder):
            for action in actions_of(statement):
                who.setdefault(action, set()).add(folder)
    assert who["ec2:RunInstances"] == who["ec2:AssociateAddress"] == who["ec2:StartInstances"] == {"run_instance"}
    assert who["ec2:TerminateInstances"] == {"terminate_instance"}
    assert who["ec2:DeleteTags"] == {"tag_instance"}
    assert who["ec2:CreateTags"] == {"tag_instance", "run_instance"}
    assert "ec2:StopInstances" not in who
    assert not [action for action in who if "*" in action]
    text = (stack.ROOT / "layers/headroom/headroom/adapters/making.py").read_text()
    assert "stop_instances" not in text


def test_what_is_ended_started_or_tagged_is_its_own_or_was_listed() -> None:
    for folder, action in (
        ("terminate_instance", "ec2:TerminateInstances"),
        ("run_instance", "ec2:StartInstances"),
        ("tag_instance", "ec2:DeleteTags"),
    ):
        given = [one for one in statements(folder) if action in actions_of(one)]
        own, listed = given
        assert own["Condition"]["StringEquals"] == OWN["StringEquals"]
        assert listed["Resource"] == {"Ref": "InstanceArns"}


def test_tags_are_given_to_what_is_being_run_and_else_only_pexips_own_tag() -> None:
    [given] = [one for one in statements("run_instance") if "ec2:CreateTags" in actions_of(one)]
    assert given["Condition"] == {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
    for one in statements("tag_instance"):
        if "ec2:CreateTags" in actions_of(one):
            assert one["Condition"]["ForAllValues:StringEquals"] == {"aws:TagKeys": ["pexip-cloud"]}


def test_instances_run_with_its_tag_and_from_one_owner_s_images() -> None:
    given = {one["Sid"]: one for one in statements("run_instance") if "ec2:RunInstances" in actions_of(one)}
    assert given["RunInstancesWithItsTag"]["Condition"] == {
        "StringEquals": {"aws:RequestTag/headroom-stack": {"Ref": "HeadroomStack"}}
    }
    assert given["FromImagesOfOneOwner"]["Condition"] == {"StringEquals": {"ec2:Owner": {"Ref": "ImageOwner"}}}
    named = " ".join(each["Fn::Sub"] for each in given["WithWhatAnInstanceTakes"]["Resource"])
    assert "instance/" not in named
    assert "image/" not in named


def test_only_those_that_ask_pexip_have_its_secret_and_a_way_into_the_vpc() -> None:
    inside = {folder for folder in FOLDERS if "VpcConfig" in functions()[folder]}
    reading = {
        folder
        for folder in FOLDERS
        if any("secretsmanager:GetSecretValue" in actions_of(one) for one in statements(folder))
    }
    assert inside == reading == {"plan_node", "configure_node"}


@pytest.mark.parametrize("name", MACHINES)
def test_every_way_through_a_workflow_ends_and_every_step_is_tried_again(name: str) -> None:
    text = (STACK / "statemachines" / f"{name}.asl.yaml").read_text()
    loaded = yaml.safe_load(re.sub(r"\$\{(\w+)\}", "1", text))
    states = loaded["States"]
    reached, todo = set(), [loaded["StartAt"]]
    while todo:
        state = todo.pop()
        if state in reached:
            continue
        reached.add(state)
        one = states[state]
        todo += [one[key] for key in ("Next", "Default") if key in one]
        todo += [rule["Next"] for rule in (*one.get("Choices", ()), *one.get("Catch", ()))]
        if one["Type"] == "Task":
            assert one["Retry"][0]["MaxAttempts"] == 5, state
        assert one["Type"] in {"Succeed", "Fail"} or "Next" in one or "Default" in one, state
    assert reached == set(states)


def test_the_answer_of_pexip_with_its_secrets_never_leaves_the_step_that_asks_for_it() -> None:
    text = (STACK / "functions/configure_node/app.py").read_text()
    assert re.findall(r"logger\.\w+\((.*)\)", text)[-1] == '"configured", do=event["do"], reason=reason'
    assert 'return {"reason": reason, "at"' in text
    source = (stack.ROOT / "layers/headroom/headroom/usecases/provision_node.py").read_text()
    assert re.findall(r"\bxml\b.*", source) == ["xml = pexip.create(", "xml)"]


def test_every_parameter_is_described_and_used() -> None:
    text = (STACK / "template.yaml").read_text()
    for name, parameter in TEMPLATE["Parameters"].items():
        assert len(parameter["Description"]) > 10, name
        assert re.search(rf"!Ref {name}\b|\$\{{{name}\}}", text), name
