"""Every five minutes: read the booked meetings, and count the participants of those in progress."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.observability import logger, metrics
from headroom.usecases.read_bookings import BookingsReader


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Return how many meetings were read."""
    return {"meetings": BookingsReader.of(parts()).read(clock.now())}
