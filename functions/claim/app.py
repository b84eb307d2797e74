"""First step of every workflow: take the claim on a node, or say why not."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.domain.lifecycle import Action
from headroom.observability import logger
from headroom.settings import Settings
from headroom.working import Worksite

settings = Settings.from_env()
site = Worksite(
    ledger=Ledger(settings.table_name, settings.platform), ec2=Ec2(settings.tag_value), policy=settings.policy
)


@logger.inject_lambda_context(correlation_id_path="token")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return what the workflow must know of the node; an execution begun by hand takes a free claim itself."""
    begun = site.claim(event["node"], event["token"], Action(event["action"]), event.get("reason") or "started by hand")
    logger.info("claimed", node=event["node"], action=event["action"])
    return begun
