"""Close a node (maintenance mode on), open it again, or correct its static NAT address."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.set_open import Gatekeeper


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Headroom opens only what it closed itself; asking twice changes nothing."""
    gatekeeper = Gatekeeper.of(parts())
    gatekeeper = Gatekeeper.of(parts())
    match event["do"]:
        case "close":
            done = gatekeeper.close(event["node"], event["token"], event["reason"])
        case "open":
            done = gatekeeper.open(event["node"], event["token"], event["reason"])
        case "as wanted":
            done = gatekeeper.as_wanted(event["node"], event["token"])
        case "correct address":
            done = gatekeeper.correct_address(event["node"], event["token"], event["address"])
        case other:
            raise ValueError(f"Cannot do {other!r}: it is close, open, as wanted or correct address.")
    logger.info("set", node=event["node"], do=event["do"], reason=done["reason"])
    return done
