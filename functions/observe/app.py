"""Every minute, and sooner near a threshold: read Pexip's load and remember it."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.parts import parts
from headroom.observability import logger, metrics
from headroom.usecases.observe import Observer


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Keep one reading, at a tick or when the queue of looks says so."""
    Observer.of(parts()).observe(again="Records" in event)
