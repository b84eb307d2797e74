"""After a stop: say whether the instance is off."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.observability import logger
from headroom.settings import Settings
from headroom.working import Worksite

settings = Settings.from_env()
site = Worksite(
    ledger=Ledger(settings.table_name, settings.platform), ec2=Ec2(settings.tag_value), policy=settings.policy
)


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return whether it is stopped, and whether its changing public address has it wait closed."""
    return site.check_stop(event["node"], event["token"])
