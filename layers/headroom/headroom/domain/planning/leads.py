"""Lead times: how long a start takes in a location, as measured, and how long an opening takes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from statistics import quantiles

from headroom.domain.fleet.fleet import Node
from headroom.domain.fleet.lifecycle import Memory
from headroom.domain.policy import Policy

LATER = timedelta(minutes=8)  # a node needed again this soon after a boot is cheaper left on than started anew
OVERDUE = timedelta(minutes=2)  # a start that takes this much longer than the 95th percentile is no longer counted on
ENOUGH_BOOTS = 5  # measured boot times needed before they replace policy.boot_time


@dataclass
class Leads:
    """Lead times by overflow location; `names` are the nodes of each, `memories` what is remembered of every node."""

    names: Mapping[str, Sequence[str]]
    memories: Mapping[str, Memory]
    policy: Policy
    now: datetime
    _measured: dict[str, timedelta | None] = field(default_factory=dict)

    @cached_property
    def _all_boots(self) -> list[float]:
        return _seconds(self.memories.values())

    def measured_boot_time(self, location: str) -> timedelta | None:
        """Return the 95th percentile of the boot times measured here; None until enough were measured."""
        if location not in self._measured:
            here = (self.memories[name] for name in self.names.get(location, ()) if name in self.memories)
            measured = _seconds(here)
            if len(measured) < ENOUGH_BOOTS:
                measured = self._all_boots
            p95 = quantiles(measured, n=20, method="inclusive")[-1] if len(measured) >= ENOUGH_BOOTS else None
            self._measured[location] = None if p95 is None else min(timedelta(seconds=p95), self.policy.boot_limit)
        return self._measured[location]

    @property
    def is_measured(self) -> bool:
        """Whether enough boots were measured anywhere."""
        return len(self._all_boots) >= ENOUGH_BOOTS

    def boot_time(self, location: str) -> timedelta:
        """Return the measured boot time; policy.boot_time until enough boots were measured."""
        return self.measured_boot_time(location) or self.policy.boot_time

    def is_overdue(self, node: Node) -> bool:
        """Say whether a node boots longer than usual here. It may still come up, but another node takes its place."""
        usual = self.measured_boot_time(node.location)
        return usual is not None and self.now - node.instance.launched_at > usual + OVERDUE

    def to_boot(self, location: str) -> timedelta:
        """Return the time until a node that the next plan starts is serving."""
        return self.boot_time(location) + self.policy.tick

    @property
    def to_open(self) -> timedelta:
        """The time until a closed node that the next plan opens takes calls."""
        return self.policy.replication + self.policy.tick


def _seconds(memories: Iterable[Memory]) -> list[float]:
    return [seconds for memory in memories for seconds in memory.boots if seconds is not None]
