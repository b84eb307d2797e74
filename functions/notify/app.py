"""Every minute: send the notifications that are due, batched."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.notify import Notifier


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Return how many messages were sent."""
    return {"messages": Notifier.of(parts()).notify(clock.now())}
