"""Ask EC2 to start one node's instance; if it is on already, nothing changes."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.start_node import StartNode


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return when EC2 was asked, or when to try again; raise InsufficientCapacityError and others for the workflow."""
    asked = StartNode.of(parts()).ask_ec2(event["node"], event["token"], event["instance"], event.get("turn", ""))
    logger.info("asked EC2 to start" if asked.asked_at else "waits for its turn", node=event["node"])
    return built(asked)
