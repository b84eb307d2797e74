"""An instance changed its state, whoever did it: write its lifetime and the event."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.observability import logger
from headroom.recording import Recorder
from headroom.settings import Settings

settings = Settings.from_env()
recorder = Recorder(ledger=Ledger(settings.table_name, settings.platform), ec2=Ec2(settings.tag_value))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Take an «EC2 Instance State-change Notification»; instances without our tag are somebody else's."""
    instance_id, state = event["detail"]["instance-id"], event["detail"]["state"]
    node = recorder.state_changed(instance_id, state, datetime.fromisoformat(event["time"]))
    logger.info("recorded" if node else "not ours", instance=instance_id, state=state, node=node)
