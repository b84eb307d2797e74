"""An instance changed its state, no matter who changed it: write its lifetime and the event."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.usecases.record import Recorder


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Take an «EC2 Instance State-change Notification»; instances without the pexip-cloud tag are ignored."""
    instance_id, state = event["detail"]["instance-id"], event["detail"]["state"]
    node = Recorder.of(parts()).state_changed(instance_id, state, datetime.fromisoformat(event["time"]))
    logger.info("recorded" if node else "not ours", instance=instance_id, state=state, node=node)
