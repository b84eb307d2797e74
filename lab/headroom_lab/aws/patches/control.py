"""Two requests of our own to the engine: warm up functions, and complete what a killed engine left unfinished."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from ministack import app as engine

from headroom_lab.aws.patches import ec2, functions, replace

REQUESTS: dict[str, Callable[[], int | None]] = {
    "/_lab/warm": functions.warm_up,
    "/_lab/settle": ec2.settle_after_restart,
}


def with_requests(serve: Any) -> Any:
    """Answer our own requests before the engine sees them."""

    async def served(scope: dict[str, Any], receive: Any, send: Any) -> None:
        work = REQUESTS.get(scope.get("path", "")) if scope["type"] == "http" else None
        if work is None:
            await serve(scope, receive, send)
            return
        done = await asyncio.to_thread(work)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": json.dumps({"done": done}).encode()})

    return served


def apply() -> None:
    """Patch the engine's front door."""
    replace(engine, "app", with_requests)
