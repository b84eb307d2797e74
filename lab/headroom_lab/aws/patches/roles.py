"""IAM: the engine enforces policies itself; this patch records what roles asked for and were allowed.

And it has the tags of an instance checked where that is tagged or untagged, as on AWS (Service Authorization Reference:
CreateTags and DeleteTags are on the resources that they name).

One line each, `role action resource`, in the file that HEADROOM_ASKED names: so a test finds what a function may do and
never does, also when an engine was killed meanwhile.
"""

import os
import threading
from pathlib import Path
from typing import Any

from ministack.core import iam_actions, iam_evaluator

from headroom_lab.aws.patches import replace

_known: set[str] = set()
_lock = threading.Lock()


def writing_down(enforce: Any) -> Any:
    """Write down what is allowed, once."""
    file = Path(os.environ["HEADROOM_ASKED"])

    def enforced(access_key: str, action: str, service: str, region: str, **more: Any) -> Any:
        denied = enforce(access_key, action, service, region, **more)
        who = iam_evaluator.resolve_caller_identity(access_key)
        _, assumed, session = (who["userArn"] if who else "").partition(":assumed-role/")
        if denied is None and assumed:
            line = f"{session.partition('/')[0]} {action} {more.get('resource_arn', '*')}\n"
            with _lock:
                if line not in _known:
                    _known.add(line)
                    with file.open("a") as asked:
                        asked.write(line)
        return denied

    return enforced


def tagging_instances(resource_of: Any) -> Any:
    """Name the instance that is tagged or untagged; the engine takes any."""

    def resource(
        service: str, method: str, path: str, headers: Any, body: Any, parameters: Any, region: str, account: str
    ) -> str:
        named = parameters.get("ResourceId.1", "") if service == "ec2" else ""
        named = named[0] if isinstance(named, list) else named
        if named.startswith("i-"):
            return f"arn:aws:ec2:{region}:{account}:instance/{named}"
        return str(resource_of(service, method, path, headers, body, parameters, region, account))

    return resource


def apply() -> None:
    """Patch IAM."""
    replace(iam_actions, "extract_resource_arn", tagging_instances)
    replace(iam_evaluator, "enforce", writing_down)
