"""Last step of every workflow: record its outcome, and release the claim."""

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger, measure, metrics
from headroom.usecases.finish import Finisher, Outcome, in_words


@logger.inject_lambda_context(correlation_id_path="token")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the outcome."""
    reason = in_words(event["error"]) if "error" in event else event["reason"]
    ended = Finisher.of(parts()).finish(
        event["node"], event["token"], Outcome(event["outcome"]), reason, event.get("asked_at")
    )
    measure("StartsFailed", int(ended.outcome is Outcome.GIVEN_UP))
    if ended.boot_seconds is not None:
        measure("BootSeconds", ended.boot_seconds, MetricUnit.Seconds)
    logger.info("ended", node=ended.node, outcome=ended.outcome, reason=ended.reason)
    return built(ended)
