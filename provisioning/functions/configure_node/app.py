"""Create a node in Pexip and give it its configuration, move it, open it, or delete it."""

from typing import Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.ledger.codec import stamp
from headroom.adapters.provisioning import parts
from headroom.observability import logger
from headroom.usecases.provision_node import Planned, ProvisionNode, Ran, Wanted


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return what was done, and when; a repetition finds what an earlier try has left."""
    doing = ProvisionNode.of(parts())
    match event["do"]:
        case "introduce":
            wanted, planned = msgspec.convert(event["wanted"], Wanted), msgspec.convert(event["planned"], Planned)
            reason = doing.introduce(wanted, planned, msgspec.convert(event["ran"], Ran))
        case "move":
            reason = doing.move(
                event["node"], event["instance"], event["location"], overflow=event["overflow"], by=event["by"]
            )
        case "open":
            reason = doing.open(event["node"])
        case "delete":
            reason = doing.delete(event["node"], event["instance"])
        case other:
            raise ValueError(f"Unknown value of do: {other!r}. Use introduce, move, open or delete.")
    logger.info("configured", do=event["do"], reason=reason)
    return {"reason": reason, "at": stamp(clock.now())}
