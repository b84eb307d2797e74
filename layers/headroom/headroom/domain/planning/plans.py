"""What a plan says: what to change now and why, what it leaves as it is and why, and what it saw."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from headroom.domain.demand.lately import Demand
from headroom.domain.demand.turned_away import Likely, Sample
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.fleet.home import Home
from headroom.domain.fleet.lifecycle import Action
from headroom.domain.fleet.load import Load, turned_away
from headroom.domain.planning.issues import Issue
from headroom.domain.planning.needs import Need
from headroom.domain.policy import FRESH, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to do to one node, and the reason in an operator's words."""

    node: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A node that is on and that the plan does not change, and why it is neither closed nor stopped."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSummary:
    """A node as the plan saw it."""

    name: str
    instance: str
    location: str
    state: NodeState
    hd: int
    used: int
    closed_by_others: bool = False  # on or off; `state` says so only of a node that is on


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to change now, and why. `frozen` says why nothing may be changed, empty otherwise; `reason` is the summary."""

    at: datetime
    read_at: datetime
    mode: Mode
    changes: tuple[Change, ...]
    needs: tuple[Need, ...]
    issues: tuple[Issue, ...]
    frozen: str
    reason: str
    nodes: tuple[NodeSummary, ...]
    principals: tuple[Load, ...]
    overflows: tuple[Load, ...]
    trail: tuple[Demand, ...] = ()  # the recent load: the next observation's `trail`
    homes: tuple[Home, ...] = ()  # what the principal locations have and had: the next observation's `homes`
    left: tuple[Left, ...] = ()  # of every node that is on and not changed

    def turned_away(self) -> Iterator[Likely]:
        """Estimate how many calls were turned away lately from each principal location; an old reading says nothing."""
        if self.at - self.read_at <= FRESH:
            yield from turned_away(self.trail, self.at)

    def samples(self) -> Iterator[Sample]:
        """Yield the load of each principal location as this plan saw it: what `learn` learns from."""
        told = {forecast.location: forecast.told for need in self.needs for forecast in need.forecasts}
        for demand in self.trail:
            if demand.at == self.at:
                hd = next((load.hd for load in self.principals if load.location == demand.location), 0)
                yield Sample(
                    at=self.read_at,
                    location=demand.location,
                    used=demand.used,
                    booked=demand.booked,
                    hd=hd,
                    full=demand.full,
                    said=demand.said,
                    told=told.get(demand.location),
                )
