"""Every night: look at the site for what no plan sees, and keep what is wrong."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.examine import Examiner


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Return what is wrong, by the check that found it."""
    found = {each.check: each.evidence for each in Examiner.of(parts()).examine(clock.now())}
    logger.info("examined", found=found)
    return found
