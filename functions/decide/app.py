"""On every new reading: plan, keep the plan with its reasons, and begin the workflows it asks for."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.ledger.codec import moment
from headroom.adapters.parts import parts
from headroom.observability import attempt, logger, measure, metrics
from headroom.usecases.decide import Decider, meter


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Plan for the reading that the table's stream brings, or at once for an event without records."""
    made = Decider.of(parts()).decide(since=reading_time(event), now=clock.now())
    measure("Plans", 0 if made is None else 1)
    if made is None:
        return {"planned": False}
    attempt(lambda: meter(made), "a plan not measured", lost="PlansNotMeasured")
    logger.info("planned", reason=made.reason, changes=len(made.changes), issues=len(made.issues))
    return {"planned": True, "reason": made.reason, "changes": [f"{c.action} {c.node}" for c in made.changes]}


def reading_time(event: dict[str, Any]) -> datetime | None:
    """The time of the newest reading in the event."""
    times = [record["dynamodb"]["Keys"]["sk"]["S"] for record in event.get("Records", [])]
    return moment(max(times, default=None))
