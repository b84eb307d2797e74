"""Step Functions: a machine's TimeoutSeconds ends its execution, and a Succeed state's Output is its output.

AWS: «If the state machine runs longer than the specified time, the execution fails with a States.Timeout error»
(docs: «State machine structure»). A Succeed state may have an Output where its language is JSONata (docs: «Succeed workflow
state»).
"""

import json
import threading
from typing import Any

from ministack.services import stepfunctions

from headroom_lab.aws.patches import replace
from headroom_lab.aws.patches.destinations import soon
from headroom_lab.aws.patches.time import LAB_TIME


def with_timeout(run: Any) -> Any:
    """End an execution that runs longer than its machine allows."""

    def expire(execution: dict[str, Any], limit: float, over: threading.Event) -> None:
        until = LAB_TIME.time() + limit
        while LAB_TIME.time() < until:
            if over.wait(1.0):
                return
        if execution["status"] == "RUNNING":
            execution["status"] = "TIMED_OUT"
            execution["stopDate"] = stepfunctions.now_iso()
            details = {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
            stepfunctions._add_event(execution, "ExecutionTimedOut", details)
            stepfunctions._emit_execution_status_event(execution)

    def ran(arn: str) -> Any:
        execution = stepfunctions._executions.get(arn)
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) if execution else None
        limit = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
        over = threading.Event()
        if execution and limit:
            soon(expire, execution, float(limit), over)
        try:
            return run(arn)
        finally:
            over.set()

    return ran


def with_output(put: Any) -> Any:
    """Give an execution the Output of the Succeed state that it ends in."""

    def applied(state: dict[str, Any], data: Any, context: Any = None) -> Any:
        if state.get("Type") == "Succeed" and "Output" in state:
            return stepfunctions._apply_jsonata_output(state, data, context, default=data)
        return put(state, data, context)

    return applied


def apply() -> None:
    """Patch Step Functions."""
    replace(stepfunctions, "_apply_output_path", with_output)
    replace(stepfunctions, "_run_execution", with_timeout)
