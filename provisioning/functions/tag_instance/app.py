"""Make an instance an overflow node's by its pexip-cloud tag, or no longer."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.provisioning import parts
from headroom.observability import logger
from headroom.usecases.provision_node import ProvisionNode


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return what was done."""
    doing, instance = ProvisionNode.of(parts()), event["instance"]
    if event["do"] == "hand over":
        reason = doing.hand_over(event["node"], instance, event["by"])
    else:
        reason = doing.retag(instance, overflow=event["overflow"])
    logger.info("tagged", instance=instance, reason=reason)
    return {"reason": reason}
