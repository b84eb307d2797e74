"""After a stop: say whether the instance is off."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.retire_node import RetireNode


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return whether it is stopped, and whether it must stay closed because its public address may change."""
    found = RetireNode.of(parts()).check_stop(event["node"], event["token"])
    logger.info("looked", node=event["node"], stopped=found.stopped)
    return built(found)
