"""Every five minutes: count the calls that Pexip recorded as turned away, for want of capacity or of licences."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.adapters.pexip import PexipError, PexipRefusedError
from headroom.observability import logger, metrics

LAG = timedelta(minutes=15)  # until then a call that ended is taken to be in Pexip's history
FIRST, FARTHEST = LAG + timedelta(minutes=5), timedelta(days=1)  # Pexip keeps about 10,000 conferences


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Count from where the last count ended, so that an hour without Pexip is made good."""
    now = clock.now()
    since, until = max(parts().ledger.refused_until() or now - FIRST, now - FARTHEST), now - LAG
    words = {"capacity": parts().settings.capacity_reasons, "licences": parts().settings.licence_reasons}
    try:
        refused = parts().pexip.connect().refused(since, until, **words)
    except PexipError as error:
        logger.error("could not count refused calls", reason=str(error))
        metrics.add_metric("RefusedUncounted", MetricUnit.Count, 1)
        if isinstance(error, PexipRefusedError):
            parts().pexip.forget()
        return {}
    parts().ledger.keep_refused(refused)
    metrics.add_metric("CallsTurnedAway", MetricUnit.Count, refused.capacity)
    metrics.add_metric("CallsOutOfLicence", MetricUnit.Count, refused.licences)
    return {"capacity": refused.capacity, "licences": refused.licences}
