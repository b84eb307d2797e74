"""Lambda: errors carry their class, scheduled and routed events are asynchronous, and workers stay few and warm.

AWS: `errorType` is the exception's class (docs: «Lambda function errors in Python»), so that Step Functions can catch it
by name; a function called by EventBridge, Scheduler or SNS is invoked asynchronously, with EventInvokeConfig's retries,
age limit and destinations (docs: «Invoking a Lambda function asynchronously»).
"""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import new_uuid, set_request_account_id, set_request_region
from ministack.services import eventbridge, lambda_svc, sns

from headroom_lab.aws.patches import EngineChangedError, replace
from headroom_lab.aws.patches.destinations import send, soon
from headroom_lab.aws.patches.time import LAB_TIME

PLAIN = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
TYPED = (
    '{"status": "error", "error": "\\x01" + json.dumps({"errorMessage": str(e), "errorType": type(e).__name__, '
    '"stackTrace": traceback.format_tb(e.__traceback__)}), "trace": traceback.format_exc()}'
)
WORKERS = 1  # process a function: AWS would have more, but a desk has few cores and each process costs a start
RETRY_BASE, RETRY_MOST = 60.0, 300.0

_places: dict[str, threading.BoundedSemaphore] = {}
_lock = threading.Lock()


def few_workers_with_types(execute: Any) -> Any:
    """Let an invocation wait for a warm worker instead of starting another, and give its error its class."""

    def executed(function: dict[str, Any], event: Any, request_id: str) -> Any:
        name = (function.get("config") or function).get("FunctionName", "")
        with _lock:
            place = _places.setdefault(name, threading.BoundedSemaphore(WORKERS))
        with place:
            result = execute(function, event, request_id)
        body = result.get("body")
        if isinstance(body, dict):
            message = str(body.get("errorMessage", ""))
            if message.startswith("\x01"):
                result["body"] = json.loads(message[1:])
            elif "Worker process died" in message:
                body["errorType"] = "Runtime.ExitError"
        return result

    return executed


def invoke_asynchronously(function: dict[str, Any], event: Any) -> None:
    """Invoke as AWS does for an event source that does not wait: retries, age limit, destinations."""
    soon(_invoke, function, event)


def _invoke(function: dict[str, Any], event: Any) -> None:
    config = function.get("config") or function
    account, region = lambda_svc._account_region_from_function_config(config)
    set_request_account_id(account)
    set_request_region(region)
    live = lambda_svc._functions.get(config.get("FunctionName")) or function
    settings = lambda_svc._event_invoke_config(live, "$LATEST") or lambda_svc._event_invoke_config(live, "") or {}
    most = int(settings["MaximumRetryAttempts"]) if settings.get("MaximumRetryAttempts") is not None else 2
    oldest = float(settings.get("MaximumEventAgeInSeconds") or 21600)
    began, tries = LAB_TIME.time(), 0
    while True:
        result = lambda_svc._execute_function(function, event)
        tries += 1
        pause = min(RETRY_BASE * 2 ** (tries - 1), RETRY_MOST)
        if not result.get("error") or tries > most or LAB_TIME.time() - began + pause > oldest:
            break
        LAB_TIME.sleep(pause)
    worked = not result.get("error")
    destinations = settings.get("DestinationConfig") or {}
    destination = (destinations.get("OnSuccess" if worked else "OnFailure") or {}).get("Destination")
    if destination:
        send(destination, json.dumps(_envelope(config, event, result, tries, most), default=str))


def _envelope(config: dict[str, Any], event: Any, result: dict[str, Any], tries: int, most: int) -> dict[str, Any]:
    failed = bool(result.get("error"))
    why = "RetriesExhausted" if tries > most else "EventAgeExceeded"
    return {
        "version": "1.0",
        "timestamp": datetime.fromtimestamp(LAB_TIME.time(), UTC).isoformat(),
        "requestContext": {
            "requestId": new_uuid(),
            "functionArn": f"{config.get('FunctionArn', '')}:$LATEST",
            "condition": why if failed else "Success",
            "approximateInvokeCount": tries,
        },
        "requestPayload": event,
        "responsePayload": result.get("body"),
    }


def to_lambda(arn: str, payload: str) -> None:
    """Deliver an event of EventBridge or Scheduler to a function."""
    record, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if record and config:
        invoke_asynchronously(lambda_svc._execution_record_for_config(record, config), json.loads(payload))


def sns_to_lambda(endpoint: str, envelope: str, _topic: Any, subscription: str, *_: Any) -> None:
    """Deliver a message of SNS to a function."""
    record = {
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "EventSource": "aws:sns",
        "Sns": json.loads(envelope),
    }
    to_lambda(endpoint, json.dumps({"Records": [record]}))


def warm_up() -> int:
    """Start every function's workers ahead of their first invocation, as provisioned concurrency does; return how many."""
    records = [record for record in lambda_svc._functions._data.values() if record.get("code_zip")]
    with ThreadPoolExecutor() as pool:
        return sum(pool.map(_warm_up_one, records))


def _warm_up_one(record: dict[str, Any]) -> bool:
    config = record["config"]
    worker, how = lambda_runtime.acquire_worker(config["FunctionName"], config, record["code_zip"])
    if worker is None:
        return False
    try:
        if how == "spawn":
            lambda_runtime.ensure_spawned(worker)
    finally:
        lambda_runtime.release_worker(worker)
    return bool(how == "spawn")


def apply() -> None:
    """Patch Lambda and those who call it."""
    if PLAIN not in lambda_runtime._PYTHON_WORKER_SCRIPT:
        raise EngineChangedError("The engine's Python worker answers errors differently now")
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(PLAIN, TYPED)
    replace(lambda_svc, "_execute_function_warm", few_workers_with_types)
    replace(lambda_svc, "invoke_async_with_retry", lambda _: invoke_asynchronously)
    replace(eventbridge, "_dispatch_to_lambda", lambda _: to_lambda)
    replace(sns, "_deliver_to_lambda", lambda _: sns_to_lambda)
