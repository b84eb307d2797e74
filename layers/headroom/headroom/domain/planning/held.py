"""The nodes that promises hold now: by name, or as a number per overflow location."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from headroom.domain.fleet.fleet import Node
from headroom.domain.fleet.lifecycle import SCHEDULE, Hold


@dataclass
class Held:
    """The holds that cover this moment, in the order of their names; `nodes` are those of each overflow location."""

    holds: Sequence[Hold]
    nodes: Mapping[str, Sequence[Node]]

    def names(self, location: str) -> tuple[str, ...]:
        """Return the nodes of a location that are held by name."""
        named = {name for hold in self.holds for name in hold.nodes}
        return tuple(node.name for node in self.nodes[location] if node.name in named)

    def count(self, location: str) -> tuple[int, Hold | None]:
        """Return the largest number of nodes that a hold asks for in a location, never more than it has, and that hold."""
        asking = [(hold.counts[location], hold) for hold in self.holds if location in hold.counts]
        count, hold = max(asking, key=lambda ask: (ask[0], ask[1].id), default=(0, None))
        return min(count, len(self.nodes[location])), hold

    def reason(self, name: str) -> str:
        """Return why a node is held by name."""
        return next(hold.reason for hold in self.holds if name in hold.nodes)

    def is_asked_for_since(self, name: str, since: datetime | None) -> bool:
        """Say whether a person has asked for a node by name since then; the schedule asks every day."""
        return any(
            name in hold.nodes and hold.by != SCHEDULE and (since is None or hold.begins >= since)
            for hold in self.holds
        )
