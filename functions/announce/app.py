"""On every new event in the ledger: put it on the event bus, for other programs."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.parts import parts
from headroom.observability import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Put the events on the bus; if it refuses one, the stream delivers all of them again."""
    keys = [record["dynamodb"]["Keys"] for record in event["Records"]]
    found = [parts().ledger.event(each["pk"]["S"], each["sk"]["S"]) for each in keys]
    put = parts().bus.put([event for event in found if event])
    logger.info("announced", events=put)
    return {"events": put}
