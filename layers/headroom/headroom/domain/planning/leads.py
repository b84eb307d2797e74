"""Lead times: how long a start takes in a location, as measured, and how long an opening takes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import log, sqrt
from statistics import NormalDist, quantiles

from headroom.domain.fleet.fleet import Node, NodeState
from headroom.domain.fleet.lifecycle import Memory
from headroom.domain.policy import Policy

LATER = timedelta(minutes=8)  # a node needed again this soon after a boot is cheaper left on than started anew
ENOUGH_BOOTS = 5  # measured boot times needed before they replace policy.boot_time
COMES_UP, STARTS = 0.97, 20.0  # share of the starts that come up, and how many starts this assumption counts as
SPREAD, BOOTS = 0.35, 2.0  # of the logarithm of boot times, and how many boots this assumption counts as
NARROWEST = 0.1  # no site's boots are more alike than this
NEEDED = 0.03  # how often the last HD connections are needed that a forecast has ready


@dataclass
class Leads:
    """Lead times by overflow location; `names` are the nodes of each, `memories` what is remembered of every node."""

    names: Mapping[str, Sequence[str]]
    memories: Mapping[str, Memory]
    policy: Policy
    now: datetime
    _measured: dict[str, timedelta | None] = field(default_factory=dict)
    _distributions: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def measured_boot_time(self, location: str) -> timedelta | None:
        """Return the 95th percentile of the boot times measured here; None until enough were measured."""
        if location not in self._measured:
            measured = _served(self._boots_of(location))
            p95 = quantiles(measured, n=20, method="inclusive")[-1] if len(measured) >= ENOUGH_BOOTS else None
            self._measured[location] = None if p95 is None else min(timedelta(seconds=p95), self.policy.boot_limit)
        return self._measured[location]

    @property
    def is_measured(self) -> bool:
        """Whether enough boots were measured anywhere."""
        return len(_served(self._boots_of(""))) >= ENOUGH_BOOTS

    def boot_time(self, location: str) -> timedelta:
        """Return the measured boot time; policy.boot_time until enough boots were measured."""
        return self.measured_boot_time(location) or self.policy.boot_time

    def chance(self, node: Node) -> float:
        """Return how likely a booting node still comes up, beside how likely it was when it was started.

        Boot times are taken for log-normal, around those measured here; the longer one takes, the likelier it is one of the
        starts that never come up.
        """
        minutes = (self.now - node.instance.launched_at) / timedelta(minutes=1)
        if minutes <= 0:
            return 1.0
        middle, spread, comes_up = self._boots(node.location)
        later = 1.0 - NormalDist(middle, spread).cdf(log(minutes))  # the share of those that come up, but take longer
        return later / (comes_up * later + 1.0 - comes_up)

    def _boots(self, location: str) -> tuple[float, float, float]:
        """Return the mean and the spread of the logarithm of the minutes that boots take here, and the share that comes up."""
        if location not in self._distributions:
            boots = self._boots_of(location)
            minutes = [log(max(seconds, 1.0) / 60) for seconds in boots if seconds is not None]
            usual = log(self.policy.boot_time / timedelta(minutes=1))
            middle = (sum(minutes) + usual) / (len(minutes) + 1)
            squares = sum((each - middle) ** 2 for each in minutes) + BOOTS * SPREAD**2
            spread = max(NARROWEST, sqrt(squares / (len(minutes) + BOOTS)))
            comes_up = (len(minutes) + STARTS * COMES_UP) / (len(boots) + STARTS)
            self._distributions[location] = (middle, spread, comes_up)
        return self._distributions[location]

    def _boots_of(self, location: str) -> list[float | None]:
        """Return the measured boots of a location, None for one that failed; all there are where it has too few of its own."""
        names = self.names.get(location, ())
        here = [seconds for name in names if name in self.memories for seconds in self.memories[name].boots]
        enough = len(_served(here)) >= ENOUGH_BOOTS
        return here if enough else [seconds for memory in self.memories.values() for seconds in memory.boots]

    def expected_room(self, node: Node, sure: float) -> int:
        """Return the HD connections to count of a node that is coming.

        All of them until starting another in its place is cheaper: it is so once the chance that it is missing, times how often
        what it brings is needed, exceeds the risk that a forecast takes. Then by its chance, less with every minute.
        """
        if node.state is not NodeState.STARTING:
            return node.room
        chance = self.chance(node)
        return node.room if (1.0 - chance) * NEEDED <= 1.0 - sure else int(chance * node.room)

    def ahead(self, locations: Iterable[str]) -> timedelta:
        """Return how long before its time a promise in these locations begins: long enough for a second start."""
        return 2 * max((self.policy.boot_time, *map(self.boot_time, locations)))

    def to_boot(self, location: str) -> timedelta:
        """Return the time until a node that the next plan starts is serving."""
        return self.boot_time(location) + self.policy.tick

    @property
    def to_open(self) -> timedelta:
        """The time until a closed node that the next plan opens takes calls."""
        return self.policy.replication + self.policy.tick


def _served(boots: Iterable[float | None]) -> list[float]:
    return [seconds for seconds in boots if seconds is not None]
