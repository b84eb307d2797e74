"""What a plan says in numbers, for graphs and alarms: one metric per question."""

import unicodedata
from collections import Counter

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.planning import Plan
from headroom.observability import metrics


def meter(plan: Plan) -> None:
    """Send a plan's numbers: totals with the function's own metrics; those of a location, a state or a source with its name."""
    kinds = Counter(issue.kind for issue in plan.issues)
    metrics.add_metric("NodesStuck", MetricUnit.Count, kinds[Trouble.STUCK] + kinds[Trouble.DOES_NOT_SERVE])
    metrics.add_metric("LocationsShort", MetricUnit.Count, kinds[Trouble.NOT_ENOUGH])
    metrics.add_metric("ControlRefused", MetricUnit.Count, kinds[Trouble.TWO_CONTROLLERS])
    metrics.add_metric("NodesHeld", MetricUnit.Count, sum(need.nodes + len(need.names) for need in plan.needs))
    for load in (*plan.principals, *plan.overflows):
        _send("Location", load.location, {"Free": load.free, "Load": load.used, "Capacity": load.hd})
    for state, count in Counter(node.state for node in plan.nodes).items():
        _send("State", state, {"Nodes": count})
    needed: Counter[str] = Counter()
    for need in plan.needs:
        needed[need.rule] += need.hd
    for source, hd in needed.items():
        if hd:
            _send("Source", source, {"Needed": hd})


def _send(dimension: str, value: str, numbers: dict[str, float]) -> None:
    """Send numbers with a dimension's value, which CloudWatch wants in ASCII: Malmö is Malmo there."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode().strip()
    several = EphemeralMetrics(service="headroom")
    several.add_dimension(dimension, plain or "?")
    for name, number in numbers.items():
        several.add_metric(name, MetricUnit.Count, number)
    several.flush_metrics()
