"""While `prewarm` waits, and at its end: say what is ready, what is not, and why."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger, measure, metrics
from headroom.usecases.prewarm import Promiser


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return what is ready, and whether the promise is due."""
    found = Promiser.of(parts()).check(event["hold"])
    measure("PromisesMissed", int(found.due and not found.kept))
    logger.info("looked", hold=event["hold"], kept=found.kept, due=found.due)
    return built(found)
