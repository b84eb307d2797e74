"""What the overflow nodes' instances send, as EC2's NetworkOut shows it.

AWS: with basic monitoring a figure every five minutes, the sum of the period, stamped with its beginning (docs: «List
the available CloudWatch metrics for your instances»). Every call here is the quietest there is: one with audio alone.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from headroom_replay.world import World

PERIOD = 300  # seconds
IDLE, A_CALL = 100_000.0, 600_000.0  # bytes a minute


def sent_in_a_minute(calls: int) -> float:
    """Return how many bytes a minute a node with this many calls sends."""
    return IDLE + A_CALL * calls


@dataclass(slots=True)
class Meter:
    """Counts what each running instance sends, and publishes a period's sum when it is over, if it saw all of it."""

    cloudwatch: Any
    began: float | None = None
    at: float = 0
    sent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def count(self, world: World) -> None:
        """Add what was sent since the last count."""
        if self.began is None:
            self.began = self.at = world.now
        seconds = world.now - self.at
        for node in world.nodes.values():
            if node.overflow and node.on:
                self.sent[node.instance] += seconds / 60 * sent_in_a_minute(len(node.calls))
        if world.now // PERIOD > self.at // PERIOD:
            self._publish(self.at // PERIOD * PERIOD)
        self.at = world.now

    def _publish(self, period: float) -> None:
        sent, self.sent = self.sent, defaultdict(float)
        if sent and self.began is not None and period >= self.began:
            self.cloudwatch.put_metric_data(
                Namespace="AWS/EC2",
                MetricData=[
                    {
                        "MetricName": "NetworkOut",
                        "Dimensions": [{"Name": "InstanceId", "Value": instance}],
                        "Timestamp": datetime.fromtimestamp(period, UTC),
                        "Value": total,
                        "Unit": "Bytes",
                    }
                    for instance, total in sent.items()
                ],
            )
