"""How much is used and free in each location, counted from nodes that are on, now and in the last minutes."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headroom.domain.demand.lately import Demand, smoothed
from headroom.domain.demand.turned_away import Likely, Sample, likely
from headroom.domain.fleet.fleet import Node, NodeState

TRAIL = timedelta(minutes=16)
TRAIL_STEP = timedelta(seconds=45)
NEARLY_FULL = 2  # a location with at most this many more free HD connections than the fullest counts as full


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """HD connections of one location: `hd` on open nodes, `used` of them in use, `coming` on nodes that boot or re-open.

    `carried` are in use on closed nodes, and `reserve` would be free there if they were opened.
    """

    location: str
    hd: int
    used: int
    coming: int = 0
    carried: int = 0
    reserve: int = 0

    @property
    def free(self) -> int:
        """HD connections that can take a call now."""
        return self.hd - self.used

    @property
    def percent(self) -> float:
        """Media load in percent."""
        return 100 * self.used / self.hd if self.hd else 0.0


def overflow_loads(nodes: Iterable[Node], coming: Mapping[str, int], out: Container[str] = ()) -> dict[str, Load]:
    """Return the load of every overflow location; `coming` says what each node that is to serve soon counts for.

    Those that people have taken `out` offer nothing; what they still carry counts as carried.
    """
    by_location: dict[str, list[Node]] = {}
    for node in nodes:
        by_location.setdefault(node.location, []).append(node)
    return {
        location: Load(
            location=location,
            hd=sum(node.hd for node in here if node.state is NodeState.SERVING and node.name not in out),
            used=sum(node.used for node in here if node.state is NodeState.SERVING and node.name not in out),
            coming=sum(coming.get(node.name, 0) for node in here),
            carried=sum(
                node.used
                for node in here
                if node.state in {NodeState.CLOSED, NodeState.OPENING}
                or (node.state is NodeState.SERVING and node.name in out)
            ),
            reserve=sum(
                node.room
                for node in here
                if node.state is NodeState.CLOSED and node.name not in coming and node.name not in out
            ),
        )
        for location, here in sorted(by_location.items())
    }


def follow(
    trail: Sequence[Demand],
    principals: Mapping[str, Load],
    overflowed: Mapping[str, float],
    overflow_of: Mapping[str, str | None],
    now: datetime,
) -> tuple[Demand, ...]:
    """Return the trail with the present load of each principal location: its own, and its share of the overflow's.

    Pexip does not say which location a call on an overflow node came from. New ones are assigned to the locations with
    the fewest free connections, in proportion to their size. When calls end, each location loses its share.
    """
    before = {demand.location: demand for demand in trail}
    present: list[Demand] = []
    for overflow, total in overflowed.items():
        here = [load for name, load in principals.items() if overflow_of.get(name) == overflow]
        if not here:
            continue
        shares = {load.location: before[load.location].overflowed if load.location in before else 0.0 for load in here}
        known = sum(shares.values())
        if total < known:
            shares = {name: share * total / known for name, share in shares.items()}
        elif total > known:
            least = min(load.free for load in here)
            full = [load for load in here if load.free <= least + NEARLY_FULL]
            sizes = {load.location: load.hd for load in full if load.hd} or {load.location: 1 for load in full}
            for location, size in sizes.items():
                shares[location] += (total - known) * size / sum(sizes.values())
        present += [
            Demand(
                at=now,
                location=load.location,
                used=round(load.used + shares[load.location], 1),
                overflowed=round(shares[load.location], 1),
                lately=_lately(before.get(load.location), load.used + shares[load.location], now),
            )
            for load in here
        ]
    return (*_thinned(trail, now), *present)


def _thinned(trail: Sequence[Demand], now: datetime) -> Iterator[Demand]:
    """Yield entries that are not too old and at least `TRAIL_STEP` apart; near a threshold readings are more frequent."""
    last: datetime | None = None
    for demand in sorted(trail, key=lambda demand: (demand.at, demand.location)):
        if now - TRAIL <= demand.at < now and (last is None or demand.at == last or demand.at - last >= TRAIL_STEP):
            last = demand.at
            yield demand


def _lately(before: Demand | None, used: float, now: datetime) -> float:
    """Return the smoothed load, so that it is carried from plan to plan."""
    return round(smoothed(before.lately, used, now - before.at) if before else used, 2)


def turned_away(trail: Iterable[Demand], now: datetime) -> Iterator[Likely]:
    """Estimate how many calls were turned away lately, for each location whose present load the trail has."""
    loads: dict[str, list[Sample]] = {}
    for each in trail:
        load = Sample(at=each.at, location=each.location, used=each.used, full=each.full)
        loads.setdefault(each.location, []).append(load)
    yield from (likely(location, here) for location, here in loads.items() if here[-1].at == now)
