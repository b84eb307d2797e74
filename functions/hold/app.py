"""First step of `prewarm`: check what is asked for and promise it."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger import Ledger
from headroom.observability import logger
from headroom.promising import Promiser
from headroom.settings import Settings

settings = Settings.from_env()
promiser = Promiser(Ledger(settings.table_name, settings.platform), settings.policy)


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the hold and return it; raise BadRequestError before anything is touched."""
    promised = promiser.promise(event["request"], event["execution"])
    logger.info("promised", hold=promised["hold"], reason=promised["reason"])
    return promised
