"""Where more is needed: open closed nodes, start stopped ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from headroom.domain.fleet.fleet import Node, NodeState, needs_its_address
from headroom.domain.fleet.lifecycle import MOST_HUNG, Action, Wanted
from headroom.domain.fleet.load import Load
from headroom.domain.planning.needs import Need
from headroom.domain.planning.plans import Change
from headroom.domain.planning.situation import Situation

LONGER = 4  # times that a node is left alone after each start that hung


@dataclass(slots=True)
class _Shortage:
    """What a location still lacks while nodes are chosen: HD connections open soon and in all, and nodes held."""

    open_hd: int
    hd: int
    nodes: int

    @property
    def now(self) -> bool:
        """Whether a node must be open, not only on its way."""
        return self.open_hd > 0 or self.nodes > 0

    def opened(self, node: Node, room: int | None = None) -> None:
        """Count one more node as open, or as soon open; with `room` HD connections, if not all."""
        self.open_hd -= node.room if room is None else room
        self.nodes -= 1


def more(situation: Situation, need: Need) -> Iterator[Change]:
    """Open closed nodes as far as they are needed soon; start nodes for what will still be missing.

    A node that is started for a later need comes up closed. Calls then stay on the other nodes, and this node can be
    stopped soon if it was not needed.
    """
    here = situation.nodes[need.location]
    load = situation.overflows[need.location]
    coming = [node for node in here if situation.is_coming(node)]
    leaving = [node for node in here if situation.is_leaving(node)]
    free = load.free - sum(node.free for node in leaving)
    ready = sum(node.state is NodeState.SERVING for node in here) - len(leaving)
    ready += sum(not situation.is_reserve(node) for node in coming)
    opening = sum(node.room for node in coming if node.state is not NodeState.STARTING)
    short = _Shortage(open_hd=need.open_hd - free - opening, hd=need.hd - free - load.coming, nodes=need.nodes - ready)
    yield from _open_closed(situation, need, short)
    yield from _open_booting(situation, need, short)
    yield from _start(situation, need, short)


def _open_closed(situation: Situation, need: Need, short: _Shortage) -> Iterator[Change]:
    """Open closed nodes that are needed now; the others stay closed as a reserve that needs no boot."""
    load = situation.overflows[need.location]
    closed = [node for node in situation.nodes[need.location] if _can_open(situation, node)]
    for node in _fullest_that_suffice(closed, short.open_hd):
        if short.now or node.name in need.names:
            yield Change(node=node.name, action=_way_open(node), reason=_reason(need, load))
            short.opened(node)
        elif short.hd > 0 and situation.memory(node).wanted is Wanted.OFF:
            yield Change(node=node.name, action=Action.CLOSE, reason=f"{_reason(need, load)}; it stays as a reserve")
        short.hd -= node.room


def _way_open(node: Node) -> Action:
    """A node whose public address changed is opened by `start_node`, which corrects the address first."""
    return Action.START if needs_its_address(node.worker, node.instance) else Action.OPEN


def _open_booting(situation: Situation, need: Need, short: _Shortage) -> Iterator[Change]:
    """Let booting reserve nodes come up open, in the order in which they were launched."""
    booting = [
        node
        for node in situation.nodes[need.location]
        if node.state is NodeState.STARTING and situation.is_coming(node)
    ]
    for node in sorted(booting, key=lambda node: (node.instance.launched_at, node.name)):
        if not situation.is_reserve(node):
            short.open_hd -= situation.expected_room(node)  # short.nodes counts it already
        elif situation.may.open and (short.now or node.name in need.names):
            reason = _reason(need, situation.overflows[need.location])
            yield Change(node=node.name, action=Action.OPEN, reason=reason)
            short.opened(node, situation.expected_room(node))


def _start(situation: Situation, need: Need, short: _Shortage) -> Iterator[Change]:
    """Start the nodes that are held by name, and others as far as capacity or nodes are short."""
    reason = _reason(need, situation.overflows[need.location])
    candidates = [node for node in situation.nodes[need.location] if can_start(situation, node)]
    for node in sorted(candidates, key=lambda node: node.name):
        if node.name in need.names:
            yield Change(node=node.name, action=Action.START, reason=reason)
            short.opened(node)
            short.hd -= node.room
    others = [node for node in candidates if node.name not in need.names]
    for node in _sufficient(others, short.hd, short.nodes, situation):
        if short.now or not situation.may.take_away or not situation.policy.reserve:
            yield Change(node=node.name, action=Action.START, reason=reason)
        else:
            yield Change(
                node=node.name, action=Action.START_CLOSED, reason=f"{reason}; it comes up closed, as a reserve"
            )
        short.opened(node)


def _fullest_that_suffice(nodes: Sequence[Node], hd: int) -> list[Node]:
    """Sort nodes for opening: the fullest that still covers the shortage first; emptier ones are closer to being stopped."""
    ordered, left = [], sorted(nodes, key=lambda node: (node.room, node.name))
    while left:
        node = next((node for node in left if node.room >= hd), left[-1])
        left.remove(node)
        ordered.append(node)
        hd -= node.room
    return ordered


def _sufficient(candidates: Sequence[Node], hd: int, nodes: int, situation: Situation) -> list[Node]:
    """Choose the cheapest candidates that give `hd` HD connections and are at least `nodes` nodes.

    Nodes whose last start failed come last. Of the others, the node with the least spare capacity comes first, then
    the zone with the fewest nodes on: a zone without capacity refuses all of its nodes.
    """
    chosen: list[Node] = []
    left = list(candidates)
    in_zone = situation.on_by_zone.copy()
    while left and (hd > 0 or nodes > 0):
        node = min(left, key=lambda node: _preference(situation, node, hd, in_zone[node.instance.zone]))
        left.remove(node)
        chosen.append(node)
        in_zone[node.instance.zone] += 1
        hd, nodes = hd - node.room, nodes - 1
    return chosen


def _preference(situation: Situation, node: Node, hd: int, in_zone: int) -> tuple[datetime, int, int, int, str]:
    memory = situation.memory(node)
    failed_at = memory.failed_at if memory.is_doubtful else None
    never = datetime.min.replace(tzinfo=UTC)
    spare = max(0, node.room - hd) if hd > 0 else 0
    return (failed_at or never, spare, -node.room, in_zone, node.name)


def _reason(need: Need, load: Load) -> str:
    coming = f" and {load.coming} coming" if load.coming else ""
    return f"{need.reason}; {load.free} of {load.hd} HD connections free in {load.location}{coming}"


def can_start(situation: Situation, node: Node) -> bool:
    """Say whether a node is off and may be started: not while a workflow has it, nor too soon after a start that failed."""
    claimed = node.name in situation.claims or node.name in situation.out
    if node.state is not NodeState.STOPPED or claimed or node.closed_by_others or situation.is_unread(node):
        return False
    memory = situation.memory(node)
    if memory.hung >= MOST_HUNG:
        return situation.held.is_asked_for_since(node.name, memory.failed_at)
    pause = situation.policy.failure_cooldown * LONGER**memory.hung
    return memory.failed_at is None or situation.now - memory.failed_at >= pause


def _can_open(situation: Situation, node: Node) -> bool:
    """Say whether a node can be opened: it is closed, or it is being closed or stopped and can turn round."""
    if not situation.may.open or situation.is_unread(node):
        return False
    is_closed = node.state is NodeState.CLOSED and not situation.is_coming(node)
    return is_closed or situation.is_leaving(node)
