"""Every five minutes: read the meetings that are booked, and count who is in those that are in progress."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.adapters.pexip import PexipError, PexipRefusedError
from headroom.domain.demand.bookings import look, sized
from headroom.observability import logger, metrics

AHEAD = timedelta(hours=3)  # so that after an hour without Pexip it is still known what is booked


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Keep what is booked for the next hours; what was known stays if Pexip cannot be read."""
    now = clock.now()
    try:
        meetings, problems = parts().pexip.connect().meetings(now, AHEAD)
    except PexipError as error:
        logger.error("could not read bookings", reason=str(error))
        metrics.add_metric("BookingsFailed", MetricUnit.Count, 1)
        if isinstance(error, PexipRefusedError):
            parts().pexip.forget()
        return {"meetings": 0}
    known = parts().ledger.series(meeting.series for meeting in meetings)
    changed = look(meetings, known)
    parts().ledger.keep_series(changed.values(), now)
    parts().ledger.keep_bookings(
        sized(meetings, known | changed, default=parts().settings.expected_meeting, now=now), now
    )
    metrics.add_metric("Meetings", MetricUnit.Count, len(meetings))
    logger.info("read bookings", meetings=len(meetings), problems=problems)
    return {"meetings": len(meetings)}
