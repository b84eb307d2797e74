"""Read template.yaml and the state machines as CloudFormation will."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

from headroom_lab.aws.translated import translated as translation

ROOT = Path(__file__).parents[2]
MACHINES = ("start_node", "set_open", "retire_node", "prewarm")
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:"


@cache
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return loaded


def resources(kind: str) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in template()["Resources"].items() if one["Type"] == kind}


def functions() -> dict[str, dict[str, Any]]:
    """Function properties by folder."""
    found = resources("AWS::Serverless::Function").values()
    return {one["CodeUri"].removeprefix("functions/").rstrip("/"): one for one in found}


def machine_properties(name: str) -> dict[str, Any]:
    [found] = [
        one
        for one in resources("AWS::Serverless::StateMachine").values()
        if one["DefinitionUri"] == f"statemachines/{name}.asl.yaml"
    ]
    return found


@cache
def text_of(name: str) -> str:
    return (ROOT / "statemachines" / f"{name}.asl.yaml").read_text()


def holes(name: str) -> set[str]:
    return set(re.findall(r"\$\{(\w+)\}", text_of(name)))


def definition(name: str, **given: int | str) -> dict[str, Any]:
    """The state machine, with its functions named and its holes filled in."""
    filled = {hole: f"{ARN}{hole.removesuffix('FunctionArn')}" if hole.endswith("Arn") else 1 for hole in holes(name)}
    filled |= {"Partition": "aws"} | given
    loaded: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda hole: str(filled[hole[1]]), text_of(name)))
    return loaded


def statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    given = [statement for policy in properties["Policies"] for statement in policy.get("Statement", [])]
    return [statement["Fn::If"][1] if "Fn::If" in statement else statement for statement in given]


def actions_of(statement: dict[str, Any]) -> list[str]:
    given = statement["Action"]
    return [given] if isinstance(given, str) else list(given)


def translated(region: str = "eu-central-1") -> dict[str, dict[str, Any]]:
    """What SAM makes of the unmodified template in a region: CloudFormation's resources by their logical id."""
    return dict(translation(region)["Resources"])


def text_in(value: Any) -> str:
    """A property as JSON, in which `${AWS::StackName}` is written wherever a name has the stack's."""
    return json.dumps(value).replace('{"Ref": "AWS::StackName"}', "${AWS::StackName}")
