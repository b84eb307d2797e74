"""In assist mode: ask Pexip to start one node, as its own Start button does."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.ledger import stamp
from headroom.adapters.parts import parts
from headroom.domain.fleet.lifecycle import Action
from headroom.observability import logger
from headroom.usecases.start_node import check_pause


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return when it was asked; Pexip answers before anything has started. Raise NotNowError while Headroom is paused."""
    ledger = parts().ledger
    check_pause(ledger, Action.START)
    ledger.renew(event["node"], event["token"], clock.now())
    ledger.remember(event["node"], event["token"], start_asked_at=clock.now())
    parts().pexip.connect().start_cloudnode(event["instance"])
    logger.info("asked Pexip to start", node=event["node"])
    return {"asked_at": stamp(clock.now())}
