"""What can be counted on in each principal location, its home, and what was lost of it lately.

A home is where calls go first: the always-on Conferencing Nodes of a principal location. What cannot be seen offers
nothing, and whoever was cut off dials again at once: on what is left of the home, or on the overflow nodes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headroom.domain.demand.lately import Demand
from headroom.domain.fleet.fleet import Node, NodeState, Reading, Worker, is_in_step
from headroom.domain.fleet.home import Home
from headroom.domain.fleet.limits import threshold
from headroom.domain.fleet.load import Load
from headroom.domain.policy import Policy

JUST_BEFORE = timedelta(minutes=5)  # the load at a loss is the highest within this time before it
SILENT = timedelta(minutes=3)  # how far behind its peers a node's last contact may be
SETTLING = timedelta(seconds=90)  # a node that has just left step is taken to learn of a change


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncounted:
    """An always-on node that offers nothing, and why."""

    worker: Worker
    why: str


class Homes:
    """The homes of a reading: `loads` by principal location, and `uncounted`, the always-on nodes that offer nothing."""

    def __init__(self, reading: Reading, nodes: Sequence[Node] = (), before: Iterable[Home] = ()) -> None:
        self._before = {home.location: home for home in before}
        overflow_nodes = {node.name for node in nodes}
        self._at: dict[str, list[Worker]] = {
            place.name: []
            for place in sorted(reading.locations, key=lambda place: place.name)
            if place.overflow_location
        }
        self.uncounted: list[Uncounted] = []
        self._left: dict[str, int] = {}  # always-on nodes that can be counted on
        self.loads: dict[str, Load] = {}
        for worker in reading.workers:
            if worker.location in self._at and worker.node_type == "CONFERENCING" and worker.name not in overflow_nodes:
                self._at[worker.location].append(worker)
        # An overflow location that overflows itself: its own nodes are the first to take its calls
        serving: dict[str, list[Node]] = {}
        for node in nodes:
            if node.location in self._at and node.state is NodeState.SERVING:
                serving.setdefault(node.location, []).append(node)
        for location, here in self._at.items():
            own = serving.get(location, [])
            unheard = set(_unheard(here, reading))
            counted = []
            for worker in here:
                if why := why_uncounted(worker, reading.read_at, is_heard=worker.name not in unheard):
                    self.uncounted.append(Uncounted(worker=worker, why=why))
                else:
                    counted.append(worker)
            self._left[location] = len(counted)
            load = Load(
                location=location,
                hd=sum(worker.max_hd_calls or 0 for worker in counted) + sum(node.hd for node in own),
                used=sum(worker.used_hd or 0 for worker in counted) + sum(node.used for node in own),
            )
            if load.hd or self._is_home(location):
                self.loads[location] = load

    def _is_home(self, location: str) -> bool:
        """Say whether a location has always-on nodes, or had some lately; one that never had any asks for nothing."""
        before = self._before.get(location)
        return bool(self._at[location]) or (before is not None and before.nodes > 0)

    def remembered(self, trails: Mapping[str, Sequence[Demand]], now: datetime) -> Iterator[Home]:
        """Yield the homes for the next plan. `trails` are the loads up to now, by location."""
        for location, load in self.loads.items():
            lately = [demand.used for demand in trails.get(location, ()) if now - demand.at <= JUST_BEFORE]
            present = Home(
                location=location,
                nodes=self._left[location],
                left=self._left[location],
                hd=load.hd,
                carried=max(lately, default=float(load.used)),
            )
            uncounted = [each.worker for each in self.uncounted if each.worker.location == location]
            kept = _next(self._before.get(location) or _first(present, uncounted, now), present, now)
            if self._at[location] or kept.awaits(now):  # else its nodes were taken out of Pexip for good
                yield kept


def _first(present: Home, uncounted: Sequence[Worker], now: datetime) -> Home:
    """Return a home that no plan has seen before. What its lost nodes say of themselves is their last word."""
    if not uncounted:
        return present
    return replace(
        present,
        nodes=present.nodes + len(uncounted),
        hd=present.hd + sum(worker.max_hd_calls or 0 for worker in uncounted),
        carried=present.carried + sum(worker.used_hd or 0 for worker in uncounted),
        lost_at=now,
        missed_at=now,
    )


def _next(home: Home, present: Home, now: datetime) -> Home:
    """Return a home as the next plan sees it; one that is whole, or has been without a node for long, is taken as it is.

    Nodes are counted, as what a node says it can take may vary a little.
    """
    as_it_is = replace(present, lost_at=home.lost_at, missed_at=home.missed_at)
    if present.left >= home.nodes:
        return as_it_is
    if present.left < home.left or home.lost_at is None:
        carried = max(home.carried, present.carried) if home.awaits(now) else present.carried
        return replace(home, left=present.left, carried=carried, lost_at=now, missed_at=now)
    if home.awaits(now) or not present.left:
        return replace(home, left=present.left, missed_at=now)
    return as_it_is


def why_uncounted(worker: Worker, now: datetime, *, is_heard: bool = True) -> str:
    """Say why an always-on node offers nothing, in words that follow its name; empty if what it says can be counted on."""
    settles = worker.out_of_step_since is not None and now - worker.out_of_step_since < SETTLING
    reasons = {
        f"is in maintenance mode ({worker.maintenance_mode_reason or 'no reason given'})": worker.closed,
        f"cannot be reached by Pexip ({worker.alarm})": bool(worker.alarm),
        f"is being upgraded ({worker.upgrade_status})": worker.upgrading,
        f"is out of step with the Management Node ({worker.sync_status})": not is_in_step(worker.sync_status)
        and not settles,
        "has not been heard of for longer than its peers": not is_heard,
        "does not say how many HD connections it can take": not worker.max_hd_calls,
        "does not say how many HD connections are in use": worker.used_hd is None,
    }
    return next((why for why, applies in reasons.items() if applies), "")


def _unheard(workers: Sequence[Worker], reading: Reading) -> Iterator[str]:
    """Yield the nodes whose status is older than that of their peers.

    `contacted_at` is when the Management Node last heard of a node, or tried to. `updated_at` may be no more than the last
    change of a node's configuration (versions differ): it counts only where most of the peers' are of the last minutes.
    """
    now = reading.read_at + timedelta(seconds=reading.clock_off or 0.0)
    contacts = [worker.contacted_at for worker in workers if worker.contacted_at]
    updates = [worker.updated_at for worker in workers if worker.updated_at]
    recent = sum(now - at <= SILENT for at in updates)
    for worker in workers:
        behind = worker.contacted_at is not None and max(contacts) - worker.contacted_at > SILENT
        old = worker.updated_at is not None and now - worker.updated_at > SILENT
        is_usual = 2 * recent > len(updates) - 1 and recent > 0  # of its peers
        if behind or (old and is_usual):
            yield worker.name


def with_since_when_out_of_step(reading: Reading, before: Reading | None) -> Reading:
    """Note on each node that is out of step since when readings have shown that, if the one before had seen the node."""
    known = {worker.name: worker for worker in before.workers} if before else {}
    return replace(
        reading,
        workers=tuple(
            replace(worker, out_of_step_since=_out_of_step_since(known[worker.name], reading.read_at))
            if not is_in_step(worker.sync_status) and worker.name in known
            else worker
            for worker in reading.workers
        ),
    )


def _out_of_step_since(before: Worker, now: datetime) -> datetime | None:
    return now if is_in_step(before.sync_status) else before.out_of_step_since


def is_near_threshold(reading: Reading, policy: Policy) -> bool:
    """Say whether any principal location is at its threshold or approaching it: worth another look within the minute."""
    return any(
        load.free <= threshold(policy, reading, load.location) + policy.hysteresis
        for load in Homes(reading).loads.values()
    )
