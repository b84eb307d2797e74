"""On every new reading: plan, keep the plan with its reasons, and begin the workflows it asks for."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.ledger import moment
from headroom.adapters.parts import parts
from headroom.observability import logger, metrics
from headroom.usecases.decide import Decider
from headroom.usecases.metering import meter


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Plan for the snapshot that the table's stream brings, or at once for an event without records."""
    plan = Decider.of(parts()).decide(since=snapshot_time(event), now=clock.now())
    metrics.add_metric("Plans", MetricUnit.Count, 0 if plan is None else 1)
    if plan is None:
        return {"planned": False}
    meter(plan)
    logger.info("planned", reason=plan.reason, changes=len(plan.changes), issues=len(plan.issues))
    return {"planned": True, "reason": plan.reason, "changes": [f"{c.action} {c.node}" for c in plan.changes]}


def snapshot_time(event: dict[str, Any]) -> datetime | None:
    """The time of the newest snapshot in the event."""
    times = [record["dynamodb"]["Keys"]["sk"]["S"] for record in event.get("Records", [])]
    return moment(max(times, default=None))
