"""The last act of `retire_node`: ask the safety rules, write the last word, and stop the instance."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.observability import logger
from headroom.settings import Settings
from headroom.stopping import Stopper

settings = Settings.from_env()
stopper = Stopper(
    ledger=Ledger(settings.table_name, settings.platform), ec2=Ec2(settings.tag_value), policy=settings.policy
)


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Stop the node's instance, or raise StopRefusedError with the rule that forbids it."""
    answer = stopper.stop(event["node"], event["token"], event["checks"])
    logger.info("asked EC2 to stop", node=event["node"], reason=answer.reason)
    return {"reason": answer.reason}
