"""Say how far a node has come, from EC2 and the newest reading of Pexip."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.provisioning import parts
from headroom.observability import logger
from headroom.usecases.provision_node import ProvisionNode


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the stage and its reason."""
    node, instance, looking = event["node"], event["instance"], ProvisionNode.of(parts())
    match event["until"]:
        case "connected":
            found = looking.check(node, instance, datetime.fromisoformat(event["begun"]))
        case "at rest":
            found = looking.rests(node, instance)
        case "off":
            found = looking.check_off(node, instance, event.get("location", ""), overflow=event.get("overflow", False))
        case other:
            raise ValueError(f"Unknown value of until: {other!r}. Use connected, at rest or off.")
    logger.info("looked", node=node, stage=found.stage, reason=found.reason)
    return built(found)
