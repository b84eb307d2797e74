"""Pexip's own bursting rule, as its guide describes it: the controller that Headroom is compared with."""

from collections.abc import Callable
from dataclasses import dataclass

from headroom_replay.world import Node, World


@dataclass(slots=True)
class Bursting:
    """Start one node at a time at the threshold; stop what is idle after its minimum lifetime."""

    world: World
    start: Callable[[Node], None]
    stop: Callable[[Node], None]
    looked_at: float = float("-inf")

    def step(self) -> None:
        """Look once, if it is time to."""
        world, switches = self.world, self.world.switches
        if not world.settings["bursting_enabled"] or world.now - self.looked_at < switches.bursting_every:
            return
        self.looked_at = world.now
        asked: set[str] = set()
        for location in world.locations.values():
            name = location.overflow1
            if name and name not in asked and self._is_short(location.name, name):
                asked.add(name)
                self._start_next(name, location.name)
        self._stop_idle()

    def _bursting(self, overflow: str) -> list[Node]:
        return [node for node in self.world.pool(overflow) if node.overflow]

    def _is_short(self, principal: str, overflow: str) -> bool:
        """Say whether a node is needed. By the guide, an overflow location at its threshold needs the next node."""
        threshold = self.world.settings["bursting_threshold"]
        on = [node for node in self._bursting(overflow) if node.on]
        pending = [node for node in on if not node.ready(self.world.now)]
        if pending and self.world.switches.bursting_waits_for_pending:
            return False
        principal_short = self.world.free(principal) <= threshold
        if not on:
            return bool(principal_short)
        overflow_short = self.world.free(overflow) <= threshold
        if self.world.switches.bursting_overflow_rule == "either":
            return bool(overflow_short or principal_short)
        return bool(overflow_short)

    def _start_next(self, overflow: str, principal: str) -> None:
        for node in self._bursting(overflow):
            if not node.on:
                self.world.tell(node, "start", "pending", f"Bursting threshold reached in {principal}", "threshold")
                self.start(node)
                return

    def _stop_idle(self) -> None:
        lifetime = 60 * self.world.settings["bursting_min_lifetime"]
        for node in self.world.nodes.values():
            idle = node.overflow and node.launched_at is not None and node.ready(self.world.now) and not node.calls
            if idle and self.world.now - (node.launched_at or 0) >= lifetime:
                self.world.tell(node, "stop", "stopping", "Extra capacity is no longer needed", "idle")
                self.stop(node)
