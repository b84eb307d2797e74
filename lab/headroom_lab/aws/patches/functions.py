"""Lambda: errors carry their class, scheduled and routed events are asynchronous, and workers stay few and warm.

AWS: `errorType` is the exception's class (docs: «Lambda function errors in Python»), so that Step Functions can catch it
by name; its runtime (awslambdaric) reports it and goes on in the same process, where the engine would end that; a function
called by EventBridge, Scheduler or SNS is invoked asynchronously, with EventInvokeConfig's retries, age limit and
destinations (docs: «Invoking a Lambda function asynchronously»).
"""

import hashlib
import json
import tempfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import new_uuid, set_request_account_id, set_request_region
from ministack.services import eventbridge, lambda_svc, sns

from headroom_lab.aws.patches import EngineChangedError, replace
from headroom_lab.aws.patches.destinations import send, soon
from headroom_lab.aws.patches.time import LAB_TIME

PLAIN = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
# The engine ends a worker whose answer is an error: so this is an answer like any other.
TYPED = (
    '{"status": "ok", "result": {"raised": {"errorMessage": str(e), "errorType": type(e).__name__, '
    '"stackTrace": traceback.format_tb(e.__traceback__)}, "trace": traceback.format_exc()}}'
)
WORKERS = 1  # process a function: AWS would have more, but a desk has few cores and each process costs a start
RETRY_BASE, RETRY_MOST = 60.0, 300.0

_unpacking = threading.Lock()
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
        if isinstance(body, dict) and body.keys() == {"raised", "trace"}:
            return {"body": body["raised"], "error": True, "log": f"{result['log']}\n{body['trace']}"}
        if result.get("error") and "Worker process died" in str(body):
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


class LayerOnce(zipfile.ZipFile):
    """Unpack a layer for the first function that has it; the others, and the next engine, get a link to the same."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Do as ZipFile does, but for the folder of a layer."""
        folder = Path(path or ".")
        if not folder.name.startswith("layer_"):
            super().extractall(folder, members, pwd)
            return
        digest = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
        shared = Path(tempfile.gettempdir()) / f"layer-{digest}"
        with _unpacking:
            if not shared.exists():
                fresh = Path(tempfile.mkdtemp())
                super().extractall(fresh, members, pwd)
                fresh.rename(shared)
        folder.rmdir()
        folder.symlink_to(shared)


def warm_up() -> int:
    """Start every function's workers ahead of their first invocation, as provisioned concurrency does; return how many.

    The first compiles what all of them import.
    """
    records = [record for record in lambda_svc._functions._data.values() if record.get("code_zip")]
    with ThreadPoolExecutor() as pool:
        return sum(map(_warm_up_one, records[:1])) + sum(pool.map(_warm_up_one, records[1:]))


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
    namespace = SimpleNamespace(**vars(zipfile) | {"ZipFile": LayerOnce})
    replace(lambda_runtime, "zipfile", lambda _: namespace)
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(PLAIN, TYPED)
    replace(lambda_svc, "_execute_function_warm", few_workers_with_types)
    replace(lambda_svc, "invoke_async_with_retry", lambda _: invoke_asynchronously)
    replace(eventbridge, "_dispatch_to_lambda", lambda _: to_lambda)
    replace(sns, "_deliver_to_lambda", lambda _: sns_to_lambda)
