"""Every night: add the past day's load to each location's profile."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.learn import Learner


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Return how many days are known for each location."""
    known = Learner.of(parts()).learn(clock.now())
    logger.info("learned", days=known)
    return known
