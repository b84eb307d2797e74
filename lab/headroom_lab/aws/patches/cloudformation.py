"""CloudFormation: what the engine drops or names differently when it makes a resource.

AWS: a state machine's definition in S3 «must be a JSON or YAML file»; TimeToLiveSpecification is applied; `Ref` of a
secret is its ARN; a schedule keeps its time zone on create and on update, and its name is unique in its group, so that
a second one is a ConflictException (docs: AWS::StepFunctions::StateMachine S3Location, AWS::DynamoDB::Table,
AWS::SecretsManager::Secret «Return values», AWS::Scheduler::Schedule, CreateSchedule «Errors»).
"""

import json
from typing import Any

import yaml
from ministack.services import dynamodb, scheduler
from ministack.services.cloudformation import provisioners

from headroom_lab.aws.patches import EngineChangedError, replace

Made = tuple[str, dict[str, Any]]


def handlers() -> dict[str, dict[str, Any]]:
    """Return the engine's table of resource types."""
    found: dict[str, dict[str, Any]] | None = getattr(provisioners, "_RESOURCE_HANDLERS", None)
    if not found or "AWS::Scheduler::Schedule" not in found:
        raise EngineChangedError("The engine keeps its resource handlers elsewhere now")
    return found


def keep_zone(make: Any, *, properties_at: int) -> Any:
    """A schedule keeps its time zone and its first and last day."""

    def made(*arguments: Any) -> Made:
        result: Made = make(*arguments)
        properties = arguments[properties_at]
        schedule = scheduler._schedules.get(f"{properties.get('GroupName', 'default')}/{result[0]}")
        if schedule is not None:
            schedule["ScheduleExpressionTimezone"] = properties.get("ScheduleExpressionTimezone", "UTC")
            for name in ("StartDate", "EndDate"):
                if properties.get(name):
                    schedule[name] = properties[name]
        return result

    return made


def alone_in_its_group(make: Any) -> Any:
    """A schedule whose name its group has already is not made; the engine points at the other one."""

    def made(logical_id: str, properties: dict[str, Any], *more: Any) -> Made:
        name, group = properties.get("Name"), properties.get("GroupName", "default")
        if f"{group}/{name}" in scheduler._schedules:
            raise ValueError(f"Schedule {name} already exists. (Service: Scheduler, Status Code: 409)")
        result: Made = make(logical_id, properties, *more)
        return result

    return made


def with_ttl(make: Any) -> Any:
    """A table's time to live is switched on."""

    def made(logical_id: str, properties: dict[str, Any], *more: Any) -> Made:
        result: Made = make(logical_id, properties, *more)
        wanted = properties.get("TimeToLiveSpecification")
        if wanted:
            enabled = str(wanted.get("Enabled")).lower() == "true"
            specification = {"AttributeName": wanted["AttributeName"], "Enabled": enabled}
            dynamodb._update_ttl({"TableName": result[0], "TimeToLiveSpecification": specification})
        return result

    return made


def as_arn(make: Any) -> Any:
    """The reference to a secret is its ARN."""

    def made(*arguments: Any) -> Made:
        name, attributes = make(*arguments)
        return attributes.get("Arn") or name, attributes

    return made


def as_json(read: Any) -> Any:
    """The engine runs JSON only; a definition written in YAML is the same machine."""

    def definition(properties: dict[str, Any]) -> str:
        return json.dumps(yaml.safe_load(read(properties)))

    return definition


def apply() -> None:
    """Patch the resource handlers."""
    replace(provisioners, "_sfn_definition", as_json)
    table = handlers()
    schedule = table["AWS::Scheduler::Schedule"]
    schedule["create"] = alone_in_its_group(keep_zone(schedule["create"], properties_at=1))
    schedule["update"] = keep_zone(schedule["update"], properties_at=2)
    table["AWS::DynamoDB::Table"]["create"] = with_ttl(table["AWS::DynamoDB::Table"]["create"])
    table["AWS::SecretsManager::Secret"]["create"] = as_arn(table["AWS::SecretsManager::Secret"]["create"])
