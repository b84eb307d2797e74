"""While a node boots: say how far it has come, from EC2 and the newest reading of Pexip."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.start_node import Worksite


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the progress and its reason."""
    progress = Worksite.of(parts()).check_start(event["node"], event["token"], event["asked_at"])
    logger.info("looked", node=event["node"], progress=progress["progress"], reason=progress["reason"])
    return progress
