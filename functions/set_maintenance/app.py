"""Close a node (maintenance mode on), open it again, or correct its static NAT address."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.set_open import SetOpen


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Close, open or correct one node. Headroom opens only nodes that it closed; a repetition changes nothing."""
    node, token, doing = event["node"], event["token"], SetOpen.of(parts())
    match event["do"]:
        case "close":
            done = doing.close(node, token, event["reason"])
        case "open":
            done = doing.open(node, token, event["reason"])
        case "as wanted":
            done = doing.as_wanted(node, token)
        case "correct address":
            done = doing.correct_address(node, token, event["address"])
        case other:
            raise ValueError(f"Unknown value of do: {other!r}. Use close, open, as wanted or correct address.")
    logger.info("set", node=node, do=event["do"], reason=done.reason)
    return built(done)
