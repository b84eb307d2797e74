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
    workers: dict[str, list[Worker]] = {
        location.name: []
        for location in sorted(reading.locations, key=lambda place: place.name)
        if location.overflow_location
    }
    for worker in reading.workers:
        if worker.location in workers:
            workers[worker.location].append(worker)
    loads = {name: _load_of(name, here) for name, here in workers.items()}
    return {name: load for name, load in loads.items() if load.hd}


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
    serving: dict[str, list[Node]] = {}
    soon: dict[str, int] = {}
    for node in nodes:
        serving.setdefault(node.location, []).extend([node] if node.state is NodeState.SERVING else [])
    for node in coming:
        soon[node.location] = soon.get(node.location, 0) + node.room
    return {
        location: Load(
            location=location,
            hd=sum(node.hd for node in here),
            used=sum(node.used for node in here),
            coming=soon.get(location, 0),
        )
        for location, here in sorted(serving.items())
    }


def is_near_threshold(reading: Reading, policy: Policy) -> bool:
    """Say whether any principal location is at its threshold or approaching it: worth another look within the minute."""
    default = reading.settings.bursting_threshold if policy.threshold is None else policy.threshold
    return any(
        load.free <= policy.thresholds.get(load.location, default) + policy.hysteresis
        for load in principal_loads(reading).values()
    )
