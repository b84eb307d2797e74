"""The status at one moment: locations, nodes, promises and issues, each in an operator's words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil

from headroom.domain.fleet.fleet import ON, NodeState, Observation
from headroom.domain.fleet.lifecycle import Action, Commitments, Hold, Memory, Pause
from headroom.domain.fleet.limits import threshold
from headroom.domain.fleet.load import Load
from headroom.domain.planning.issues import Issue
from headroom.domain.planning.plans import NodeSummary, Plan
from headroom.domain.policy import OLD, Mode, Policy


class Level(StrEnum):
    """How near a location is to its threshold, in Pexip's words."""

    FINE = ""
    APPROACHING = "approaching threshold"
    REACHED = "bursting threshold reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A location: HD connections on its open nodes, and what is on its way; `threshold` is in free HD connections.

    `turned_away` estimates how many calls were turned away in the last quarter of an hour.
    """

    location: str
    overflows_into: str
    hd: int
    used: int
    free: int
    coming: int
    carried: int
    reserve: int
    threshold: int
    level: Level
    need: str  # why more capacity is needed, empty if it is not
    turned_away: float = 0.0

    @property
    def why(self) -> str:
        """What asks for more, and what it is too late for."""
        late = f"about {ceil(self.turned_away)} calls turned away lately (an estimate)" if self.turned_away else ""
        return "; ".join(filter(None, (late, self.need)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An overflow node: `since` is when it entered its state, `on_since` its power-on, `why` the reason for what is wanted.

    `stays` says why the newest plan neither closes nor stops it, if it is on; `proved_at` is when it last came up.
    """

    name: str
    instance: str
    location: str
    state: NodeState
    since: datetime | None
    why: str
    hd: int
    used: int
    on_since: datetime | None
    workflow: str
    holds: tuple[str, ...]
    stays: str = ""
    proved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything at once. `age` is how old the reading of Pexip is, in seconds."""

    platform: str
    at: datetime
    zone: str
    mode: Mode
    read_at: datetime
    age: int
    planned_at: datetime
    reason: str
    frozen: str
    pause: Pause | None
    places: tuple[Place, ...]
    nodes: tuple[Seen, ...]
    issues: tuple[Issue, ...]
    holds: tuple[Hold, ...]

    @property
    def is_old(self) -> bool:
        """Whether the reading of Pexip is so old that what is shown may be wrong."""
        return self.age > OLD.total_seconds()

    def nodes_by_state(self) -> dict[NodeState, int]:
        """Count the nodes of each state, in the order of their lives."""
        return {state: count for state in NodeState if (count := sum(node.state is state for node in self.nodes))}


def status_of(observation: Observation, policy: Policy, plan: Plan, commitments: Commitments, now: datetime) -> Status:
    """Put together what the newest plan saw and what has been promised and begun since."""
    stays = {each.node: each.reason for each in plan.left}
    return Status(
        platform=observation.reading.platform,
        at=now,
        zone=policy.zone,
        mode=plan.mode,
        read_at=plan.read_at,
        age=round((now - plan.read_at).total_seconds()),
        planned_at=plan.at,
        reason=plan.reason,
        frozen=plan.frozen,
        pause=commitments.pause,
        places=tuple(_places(observation, policy, plan)),
        nodes=tuple(_seen(node, commitments, stays.get(node.name, ""), now) for node in plan.nodes),
        issues=plan.issues,
        holds=tuple(sorted(commitments.holds, key=lambda hold: (hold.begins, hold.id))),
    )


def _places(observation: Observation, policy: Policy, plan: Plan) -> Iterator[Place]:
    reading = observation.reading
    into = {place.name: place.overflow_location or "" for place in reading.locations}
    asked = {need.location: need.reason for need in plan.needs if need.rule != "none"}
    lately = {each.location: round(each.calls, 1) for each in plan.turned_away()}
    for load in (*plan.principals, *plan.overflows):
        few = threshold(policy, reading, load.location)
        yield Place(
            location=load.location,
            overflows_into=into.get(load.location, ""),
            hd=load.hd,
            used=load.used,
            free=load.free,
            coming=load.coming,
            carried=load.carried,
            reserve=load.reserve,
            threshold=few,
            level=_level(load, few, policy.hysteresis),
            need=asked.get(load.location, ""),
            turned_away=lately.get(load.location, 0.0),
        )


def _level(load: Load, threshold: int, hysteresis: int) -> Level:
    if not load.hd or load.free > threshold + hysteresis:
        return Level.FINE
    return Level.REACHED if load.free <= threshold else Level.APPROACHING


def _seen(node: NodeSummary, commitments: Commitments, stays: str, now: datetime) -> Seen:
    memory, out = commitments.memory(node.name), commitments.taken_out().get(node.name)
    at_work = memory.claim if memory.is_at_work(now) else None
    lives = (life for life in commitments.all_lives if life.instance in {node.instance, ""})
    on_since = next((life.launched_at for life in lives if life.instance or life.node == node.name), None)
    return Seen(
        name=node.name,
        instance=node.instance,
        location=node.location,
        state=node.state,
        since=_since(node, memory, on_since),
        why=f"taken out by {out.by}: {out.reason}" if out else memory.reason,
        hd=node.hd,
        used=node.used,
        on_since=on_since if node.state in ON else None,
        workflow=_DOING[at_work.action] if at_work else "",
        holds=tuple(hold.reason for hold in commitments.holds if node.name in hold.nodes),
        stays=stays,
        proved_at=memory.up_at,
    )


_DOING = {
    Action.START: "is being started",
    Action.START_CLOSED: "is being started as a reserve",
    Action.OPEN: "is being opened",
    Action.CLOSE: "is being closed",
    Action.STOP: "is being proved empty and stopped",
}


def _since(node: NodeSummary, memory: Memory, on_since: datetime | None) -> datetime | None:
    """Return since when the node has been in its state, as far as the ledger knows."""
    match node.state:
        case NodeState.CLOSED:
            return memory.closed_at
        case NodeState.SERVING | NodeState.OPENING:
            return max((at for at in (memory.opened_at, on_since) if at), default=None)
        case NodeState.STOPPING:
            return memory.stop_asked_at
        case NodeState.STOPPED | NodeState.GONE:
            return memory.stopped_at
        case _:
            return on_since
