"""Terminate the instance of a node that was deleted in Pexip; it has to be stopped."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.provisioning import parts
from headroom.observability import logger
from headroom.usecases.provision_node import ProvisionNode


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return what was done."""
    reason = ProvisionNode.of(parts()).terminate(event["node"], event["instance"], event["by"])
    logger.info("terminated", node=event["node"], reason=reason)
    return {"reason": reason}
