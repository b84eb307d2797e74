"""Hand a message to a queue, topic, function or bus inside the engine, and do so in the background."""

import contextvars
import hashlib
import threading
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge, lambda_svc, sqs

from headroom_lab.aws.patches.time import LAB_TIME


def soon(work: Callable[..., None], *arguments: Any) -> None:
    """Run `work` in the background, in the same account and region."""
    threading.Thread(target=contextvars.copy_context().run, args=(work, *arguments), daemon=True).start()


def send(arn: str, body: str, attributes: dict[str, Any] | None = None) -> None:
    """Send a JSON text to a queue, or to anything else that EventBridge can target."""
    if ":sqs:" not in arn:
        event = {
            "EventId": new_uuid(),
            "Source": "lambda",
            "DetailType": "Lambda Function Invocation Result",
            "Detail": body,
            "Time": LAB_TIME.time(),
            "Resources": [],
            "Account": get_account_id(),
            "Region": get_region(),
        }
        eventbridge._invoke_target({"Arn": arn, "Input": body}, event, {})
        return
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        return
    now = LAB_TIME.time()
    queue["messages"].append(
        {
            "id": new_uuid(),
            "body": body,
            "md5_body": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
            "md5_attrs": "",
            "receipt_handle": None,
            "sent_at": now,
            "visible_at": now + sqs.queue_delay(queue),
            "receive_count": 0,
            "first_receive_at": None,
            "message_attributes": {
                name: {"DataType": "String", "StringValue": str(value)} for name, value in (attributes or {}).items()
            },
            "sys": {"SenderId": get_account_id(), "SentTimestamp": str(int(now * 1000))},
            "group_id": None,
            "dedup_id": None,
            "dedup_cache_key": None,
            "seq": None,
        }
    )
    lambda_svc.esm_wake.set()
