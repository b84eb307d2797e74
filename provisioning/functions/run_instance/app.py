"""Have an instance for a node that runs: a new one, or the one that is there."""

from typing import Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.ledger.codec import built, stamp
from headroom.adapters.provisioning import parts
from headroom.observability import logger
from headroom.usecases.provision_node import Planned, ProvisionNode, Wanted


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the instance, its state and its addresses; or start an instance that exists."""
    doing = ProvisionNode.of(parts())
    if event["do"] == "start":
        return {"reason": doing.start(event["instance"]), "at": stamp(clock.now())}
    wanted, planned = msgspec.convert(event["wanted"], Wanted), msgspec.convert(event["planned"], Planned)
    ran = doing.run(wanted, planned, event["token"])
    logger.info("ran", node=wanted.node, instance=ran.instance, state=ran.state)
    return built(ran)
