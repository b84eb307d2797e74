"""First step of `prewarm`: check the request and promise the capacity."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger.codec import built
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.prewarm import Promiser


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the hold and return it; for a bad request raise BadRequestError before any change."""
    promised = Promiser.of(parts()).promise(event["request"], event["execution"])
    logger.info("promised", hold=promised.hold, reason=promised.reason)
    return built(promised)
