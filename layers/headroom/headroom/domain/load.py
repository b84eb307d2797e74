"""How much is used and free in each location, counted from nodes that are open and running."""

from collections.abc import Iterable
from dataclasses import dataclass

from headroom.domain.fleet import Node, NodeState, Reading, Worker
from headroom.domain.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """HD connections of one location: `hd` in all, `used` of them in use, `coming` on nodes that boot or re-open."""

    location: str
    hd: int
    used: int
    coming: int = 0

    @property
    def free(self) -> int:
        """HD connections that can take a call now."""
        return self.hd - self.used

    @property
    def percent(self) -> float:
        """Media load."""
        return 100 * self.used / self.hd if self.hd else 0.0


def principal_loads(reading: Reading) -> dict[str, Load]:
    """Return the load of every location that overflows into another; one whose nodes say nothing is left out."""
    names = {location.name for location in reading.locations if location.overflow_location}
    loads = {name: _load_of(name, (worker for worker in reading.workers if worker.location == name)) for name in names}
    return {name: load for name, load in sorted(loads.items()) if load.hd}


def _load_of(location: str, workers: Iterable[Worker]) -> Load:
    told = [(worker.max_hd_calls or 0, worker.used_hd) for worker in workers if _counts(worker)]
    return Load(
        location=location,
        hd=sum(hd for hd, used in told if used is not None),
        used=sum(used for _, used in told if used is not None),
    )


def _counts(worker: Worker) -> bool:
    return worker.node_type == "CONFERENCING" and not worker.closed and not worker.alarm


def overflow_loads(nodes: Iterable[Node], coming: Iterable[Node]) -> dict[str, Load]:
    """Return the load of every overflow location; `coming` are the nodes that count as capacity soon."""
    nodes, coming = list(nodes), list(coming)
    loads = {}
    for location in sorted({node.location for node in nodes}):
        serving = [node for node in nodes if node.location == location and node.state is NodeState.SERVING]
        loads[location] = Load(
            location=location,
            hd=sum(node.hd for node in serving),
            used=sum(node.used for node in serving),
            coming=sum(node.room for node in coming if node.location == location),
        )
    return loads


def is_near_threshold(reading: Reading, policy: Policy) -> bool:
    """Say whether any principal location is at its threshold or approaching it: worth another look within the minute."""
    default = reading.settings.bursting_threshold if policy.threshold is None else policy.threshold
    return any(
        load.free <= policy.thresholds.get(load.location, default) + policy.hysteresis
        for load in principal_loads(reading).values()
    )
