"""While a node boots: say how far it has come, from EC2 and the newest reading of Pexip."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.start_node import StartNode


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the progress and its reason."""
    found = StartNode.of(parts()).check(event["node"], event["token"], event["asked_at"])
    logger.info("looked", node=event["node"], progress=found.progress, reason=found.reason)
    return built(found)
