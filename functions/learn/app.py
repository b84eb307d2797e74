"""Every night: learn from the day's load what days like it are like."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.learning import Learner
from headroom.observability import logger
from headroom.settings import Settings

settings = Settings.from_env()
learner = Learner(ledger=Ledger(settings.table_name, settings.platform), zone=settings.time_zone)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Return how many days are known of each location."""
    known = learner.learn(clock.now())
    logger.info("learned", days=known)
    return known
