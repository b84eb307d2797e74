"""In assist mode: ask Pexip to start one node, as its own Start button does."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.start_node import StartNode


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return when Pexip was asked; raise NotNowError while Headroom is paused."""
    asked = StartNode.of(parts()).ask_pexip(event["node"], event["token"], event["instance"], parts().pexip)
    logger.info("asked Pexip to start", node=event["node"])
    return built(asked)
