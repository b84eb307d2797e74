"""Last step of every workflow: write down how it ended, and give the claim back."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.observability import logger, metrics
from headroom.usecases.finish import Finisher, Outcome, in_words


@logger.inject_lambda_context(correlation_id_path="token")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the outcome."""
    outcome = Outcome(event["outcome"])
    reason = in_words(event["error"]) if "error" in event else event["reason"]
    Finisher.of(parts()).finish(event["node"], event["token"], outcome, reason, event.get("asked_at"))
    metrics.add_metric("StartsFailed", MetricUnit.Count, int(outcome is Outcome.GIVEN_UP))
    if outcome is Outcome.SERVING and "asked_at" in event:
        metrics.add_metric(
            "BootSeconds", MetricUnit.Seconds, (clock.now() - datetime.fromisoformat(event["asked_at"])).total_seconds()
        )
    logger.info("ended", node=event["node"], outcome=outcome, reason=reason)
    return {"node": event["node"], "outcome": outcome, "reason": reason}
