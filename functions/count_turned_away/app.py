"""Every five minutes: count the calls that Pexip recorded as turned away, because capacity or licences ran out."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.observability import logger, metrics
from headroom.usecases.count_turned_away import Counter


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Return the number for each cause; empty while Pexip cannot be read."""
    counted = Counter.of(parts()).count(clock.now())
    return {"capacity": counted.capacity, "licences": counted.licences} if counted else {}
