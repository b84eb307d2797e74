"""What can be given for a promise: nodes that can serve, within MaxNodes and beside other promises, and how soon."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from headroom.domain.fleet.fleet import ON, NodeState
from headroom.domain.fleet.lifecycle import MOST_HUNG, SCHEDULE, Commitments, Hold, Memory, many
from headroom.domain.planning.leads import Leads
from headroom.domain.planning.plans import NodeSummary
from headroom.domain.policy import Policy

FOR_NOW = {  # states that end, so that they do not matter for a promise that begins later
    NodeState.LATE: "is on but does not serve",
    NodeState.UPGRADING: "is being upgraded by Pexip",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """The nodes as the last plan saw them, what is remembered of them, other promises, and MaxNodes (0: no limit)."""

    nodes: Sequence[NodeSummary]
    memories: Sequence[Memory] = ()
    holds: Sequence[Hold] = ()
    max_nodes: int = 0
    unread: frozenset[str] = frozenset()  # the nodes whose memory cannot be read
    out: Mapping[str, Hold] = field(default_factory=dict)  # the nodes that people have taken out

    @classmethod
    def of(cls, nodes: Sequence[NodeSummary], commitments: Commitments, policy: Policy) -> Self:
        """Return what there is, of what has been promised and begun."""
        return cls(
            nodes=nodes,
            memories=commitments.memories,
            holds=commitments.promises,
            out=commitments.taken_out(),
            max_nodes=policy.max_nodes,
            unread=commitments.unread_nodes,
        )

    def hung(self) -> dict[str, str]:
        """Return the nodes that hung at their last starts: only a person who names one has it started."""
        return {
            memory.node: f"hung at its last {memory.hung} starts"
            for memory in self.memories
            if memory.hung >= MOST_HUNG
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What of a promise can be given, and why it is less than was asked for; `why` is empty if it is all."""

    hold: Hold
    why: str = ""


def given(hold: Hold, supply: Supply, now: datetime) -> Given:
    """Return the promise with what can be given of it: fewer nodes by number, and only the named nodes that can serve."""
    unfit = dict(_unfit(hold, supply, now))
    why = [f"{name} {reason}" for name, reason in unfit.items() if name in hold.nodes]
    fit = [node for node in supply.nodes if node.name not in unfit]
    counts = {}
    for place, asked in hold.counts.items():
        counts[place] = min(asked, sum(node.location == place for node in fit))
        if counts[place] < asked:
            here = {node.name for node in supply.nodes if node.location == place}
            reasons = "; ".join(f"{name} {reason}" for name, reason in unfit.items() if name in here)
            why.append(
                f"{counts[place]} of {len(here)} nodes in {place} can serve" + (f" ({reasons})" if reasons else "")
            )
    kept = replace(hold, nodes=tuple(name for name in hold.nodes if name not in unfit), counts=counts)
    return _within_the_cap(kept, why, unfit.keys(), supply, now)


def _within_the_cap(hold: Hold, why: list[str], unfit: Collection[str], supply: Supply, now: datetime) -> Given:
    """Take nodes away, from the location that is asked for the most, until MaxNodes suffices."""
    others = [other for other in supply.holds if other.id != hold.id and _overlap(other, hold)]
    stuck = sorted(node.name for node in supply.nodes if node.state in ON and node.name in unfit)
    location_of = {node.name: node.location for node in supply.nodes}
    busy = _busy_elsewhere([*others, hold], supply.nodes, location_of) if hold.covers(now) else 0
    room = supply.max_nodes - len(stuck) - busy
    counts, before = dict(hold.counts), _needed([*others, hold], location_of)
    while (
        supply.max_nodes
        and _needed([*others, replace(hold, counts=counts)], location_of) > room
        and any(counts.values())
    ):
        most = max(counts, key=lambda place: (counts[place], place))
        counts[most] -= 1
    if supply.max_nodes and before > room:
        beside = [f"{', '.join(stuck)} cannot serve"] if stuck else []
        beside += [f"{many(busy)} {'is' if busy == 1 else 'are'} on elsewhere"] if busy else []
        beside += [f"the promise of {other.what} ({other.reason}) comes first" for other in others]
        why = [*why, f"MaxNodes is {supply.max_nodes}" + (f", and {'; '.join(beside)}" if beside else "")]
        if _needed([*others, replace(hold, counts=counts)], location_of) > room:  # it names more than may be on
            return Given(hold=replace(hold, nodes=(), counts={}), why="; ".join(why))
    left = {place: count for place, count in counts.items() if count}
    return Given(hold=replace(hold, counts=left), why="; ".join(why))


def _unfit(hold: Hold, supply: Supply, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield the nodes that cannot serve for a promise, and why."""
    hung = supply.hung()
    for node in supply.nodes:
        is_tried = node.name in hold.nodes and hold.by != SCHEDULE
        if node.name in supply.out:
            by = supply.out[node.name]
            yield node.name, f"was taken out by {by.by} ({by.reason}): `headroom reinstate {node.name}` puts it back"
        elif node.closed_by_others:
            yield node.name, "is in maintenance mode, but not by Headroom"
        elif node.name in supply.unread and not is_tried:
            yield node.name, "is left as it is, as its record cannot be read"
        elif node.name in hung and not is_tried:
            yield node.name, hung[node.name]
        elif node.state in FOR_NOW and hold.covers(now):
            yield node.name, FOR_NOW[node.state]


def _needed(holds: Sequence[Hold], location_of: Mapping[str, str]) -> int:
    """Return how many nodes promises ask for together: those by number may be those by name, and those of one another."""
    names = {name for hold in holds for name in hold.nodes}
    places = {place for hold in holds for place in hold.counts} | {location_of.get(name, "") for name in names}
    return sum(
        max(
            max((hold.counts.get(place, 0) for hold in holds), default=0),
            sum(location_of.get(name, "") == place for name in names),
        )
        for place in places
    )


def _busy_elsewhere(holds: Sequence[Hold], nodes: Sequence[NodeSummary], location_of: Mapping[str, str]) -> int:
    """Return how many nodes are on, fit and beyond what is promised, in locations of which nothing is promised."""
    promised = {place for hold in holds for place in hold.counts} | {
        location_of.get(name, "") for hold in holds for name in hold.nodes
    }
    return sum(node.state in ON and not node.closed_by_others and node.location not in promised for node in nodes)


def doubtful(hold: Hold, supply: Supply) -> list[str]:
    """Return the nodes that a promise cannot do without although they did not come up at their last start."""
    names = {memory.node for memory in supply.memories if memory.is_doubtful}
    counted = [name for name in hold.nodes if name in names]
    for place, count in hold.counts.items():
        here = sorted(node.name for node in supply.nodes if node.location == place and node.name not in hold.nodes)
        good = sum(name not in names for name in here)
        counted += [name for name in here if name in names][: max(0, count - good)]
    return counted


def _overlap(one: Hold, other: Hold) -> bool:
    return one.begins < other.until and other.begins < one.until


def soonest(hold: Hold, nodes: Sequence[NodeSummary], leads: Leads) -> timedelta:
    """Return how long it takes until all that is promised serves, if nothing fails: what serves already is quickest."""
    takes = {node.name: _takes(node, leads) for node in nodes}
    waits = [takes[name] for name in hold.nodes if name in takes]
    for place, count in hold.counts.items():
        here = sorted(takes[node.name] for node in nodes if node.location == place)
        waits += here[:count]
    return max(waits, default=timedelta())


def _takes(node: NodeSummary, leads: Leads) -> timedelta:
    match node.state:
        case NodeState.SERVING:
            return timedelta()
        case NodeState.CLOSED | NodeState.OPENING:
            return leads.to_open
        case _:
            return leads.to_boot(node.location)
