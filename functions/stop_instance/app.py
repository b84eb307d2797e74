"""Stop step of `retire_node`: check the safety rules, confirm the claim by a conditional write, and stop the instance."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.stop_instance import Stopper


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Stop the node's instance, or raise StopRefusedError with the rule that forbids it."""
    asked = Stopper.of(parts()).stop(event["node"], event["token"], event["checks"], event.get("asked"))
    logger.info("asked EC2 to stop", node=event["node"], reason=asked.reason)
    return built(asked)
