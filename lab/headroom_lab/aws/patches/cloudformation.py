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
from headroom_lab.aws.patches.scheduler import why_refused

Made = tuple[str, dict[str, Any]]
ON_CREATE, ON_UPDATE = 1, 2  # where a handler has the new properties among its arguments


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


def refused_as_by_the_api(make: Any, *, properties_at: int) -> Any:
    """What CreateSchedule and UpdateSchedule refuse fails; the engine goes on, and its schedule points at another stack's."""

    def made(*arguments: Any) -> Made:
        properties = arguments[properties_at]
        name, group = properties.get("Name"), properties.get("GroupName", "default")
        if properties_at == ON_CREATE and f"{group}/{name}" in scheduler._schedules:
            raise ValueError(f"Schedule {name} already exists. (Service: Scheduler, Status Code: 409)")
        wrong = why_refused(
            properties.get("ScheduleExpression") or "", properties.get("ScheduleExpressionTimezone", "UTC")
        )
        if wrong:
            raise ValueError(f"{wrong} (Service: Scheduler, Status Code: 400)")
        result: Made = make(*arguments)
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
    for act, at in (("create", ON_CREATE), ("update", ON_UPDATE)):
        schedule[act] = refused_as_by_the_api(keep_zone(schedule[act], properties_at=at), properties_at=at)
    table["AWS::DynamoDB::Table"]["create"] = with_ttl(table["AWS::DynamoDB::Table"]["create"])
    table["AWS::SecretsManager::Secret"]["create"] = as_arn(table["AWS::SecretsManager::Secret"]["create"])
