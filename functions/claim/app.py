"""First step of every workflow: take the claim on a node, or say why not."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.claim import Claim


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return what the workflow must know of the node; an execution started by hand takes a free claim."""
    taken = Claim.of(parts()).take(event["workflow"], event["given"], event["token"])
    logger.info("claimed", node=taken.node, workflow=event["workflow"])
    return built(taken)
