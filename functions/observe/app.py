"""Every minute: read Pexip's load and remember it."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.adapters.pexip import PexipError, PexipRefusedError
from headroom.domain.fleet.load import is_near_threshold, principal_loads
from headroom.observability import logger, metrics

LOOKS, PAUSE = 4, timedelta(seconds=15)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Keep one reading, or up to four while a location is near its threshold, and end before the next minute."""
    began = clock.now()
    if not parts().ledger.take_lease("observe", began + LOOKS * PAUSE - timedelta(seconds=5), began):
        metrics.add_metric("Readings", MetricUnit.Count, 0)
        logger.info("left alone", because="another observe is at work")
        return
    for look in range(LOOKS):
        if not read_once() or clock.now() + PAUSE > began + (LOOKS - 1) * PAUSE + timedelta(seconds=2):
            return
        logger.debug("looks again", look=look)
        clock.sleep(PAUSE.total_seconds())


def read_once() -> bool:
    """Keep one reading; say whether it is worth looking again soon."""
    try:
        reading = parts().pexip.connect().read(parts().settings.platform, clock.now())
    except PexipError as error:
        logger.error("could not read Pexip", reason=str(error))
        metrics.add_metric("ReadingsFailed", MetricUnit.Count, 1)
        parts().ledger.keep_failure(str(error), clock.now())
        if isinstance(error, PexipRefusedError):
            parts().pexip.forget()
        return False
    loads = principal_loads(reading)
    parts().ledger.keep_reading(reading)
    metrics.add_metric("Readings", MetricUnit.Count, 1)
    logger.info("observed", free={load.location: load.free for load in loads.values()}, problems=reading.problems)
    return is_near_threshold(reading, parts().settings.policy)
