"""Look at everything that a new overflow node takes, and change nothing."""

from typing import Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.provisioning import parts
from headroom.observability import logger
from headroom.usecases.provision_node import ProvisionNode, Wanted


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return ids and addresses, and what will be done in sentences; raise BadRequestError for what cannot be."""
    planned = ProvisionNode.of(parts()).plan(msgspec.convert(event["wanted"], Wanted))
    logger.info("planned", node=event["wanted"]["node"], image=planned.image)
    return built(planned)
