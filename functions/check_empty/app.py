"""Ask Pexip live whether anything is on a node that is about to be stopped."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.retire_node import RetireNode


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the look, whether it found the node empty, and what the newest plan wants of the node.

    With `last`, only ask whether the node is still closed, last of all before the stop.
    """
    if event.get("last"):
        return built(RetireNode.of(parts()).ask(event["node"], event["token"], parts().pexip))
    found = RetireNode.of(parts()).look(event["node"], event["token"], parts().pexip, rests=event.get("rests", False))
    logger.info("looked", node=event["node"], empty=found.empty, reason=found.reason)
    return built(found)
