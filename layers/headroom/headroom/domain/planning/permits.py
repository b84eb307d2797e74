"""What a plan may do now, by mode, Pexip's settings, a pause, other controllers, and the age of the reading."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from headroom.domain.fleet.fleet import Observation, Source, other_stacks
from headroom.domain.fleet.lifecycle import Commitments
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety.permission import conflict, others_close, others_switch, promises_unread, unsure


@dataclass
class Permits:
    """What a plan may do at one moment."""

    observation: Observation
    commitments: Commitments
    policy: Policy
    now: datetime

    @cached_property
    def stale(self) -> bool:
        """Whether the newest reading is too old to judge the load by."""
        age = self.now - self.observation.reading.read_at
        return bool(self.observation.unreachable) or abs(age) > self.policy.freshness

    @cached_property
    def blind(self) -> bool:
        """Whether Pexip has not been read for so long that its load may be another by now; EC2 is read."""
        age = self.now - self.observation.reading.read_at
        return age > self.policy.freshness and self.observation.silent is Source.PEXIP

    @cached_property
    def conflict(self) -> str:
        """Why the mode contradicts Pexip's own settings; empty if it does not, or if Pexip does not tell them."""
        if "bursting_enabled" in self.observation.reading.untold:
            return ""
        return conflict(self.policy.mode, self.observation.reading.settings)

    @cached_property
    def frozen(self) -> str:
        """Why nothing may be changed now; empty if changes are allowed."""
        pause = self.commitments.pause
        if pause and not pause.still_starts:
            return f"Paused: {pause.reason}"
        upgrading = "Pexip is being upgraded: nothing is changed until the upgrade ends."
        return self.conflict or (upgrading if self.observation.reading.upgrading else "")

    @cached_property
    def switched_by_others(self) -> tuple[str, ...]:
        """The nodes that somebody else starts and stops: a second controller, where Headroom is to be the only one."""
        return self.commitments.switched_by_others(self.now) if self.policy.mode is Mode.CONTROL else ()

    @cached_property
    def other_stacks(self) -> tuple[str, ...]:
        """Other stacks of Headroom that close nodes of this platform, where this one is to be the only controller."""
        return other_stacks(self.observation.reading) if self.policy.mode is Mode.CONTROL else ()

    @cached_property
    def open(self) -> bool:
        """Whether nodes may be opened. Never on a stale reading, nor in assist mode, where that is left to Pexip."""
        return not self.stale and self.policy.mode is not Mode.ASSIST

    @cached_property
    def take_away(self) -> bool:
        """Whether a plan may close or stop nodes, or start one that comes up closed: never beside another controller."""
        return not self.why_not_taken_away

    @cached_property
    def why_not_taken_away(self) -> str:
        """Why nothing may be closed or stopped; empty if that is allowed."""
        if self.frozen:
            return self.frozen
        if self.policy.mode is Mode.ASSIST:
            return "In assist mode Pexip closes and stops nodes, not Headroom"
        if self.stale:
            return f"The newest reading of Pexip is too old ({self.observation.unreachable or 'no new reading'})"
        if self.commitments.pause:
            return f"Nothing is closed or stopped while Headroom is paused: {self.commitments.pause.reason}"
        if why := unsure(self.observation.reading) or promises_unread(self.commitments):
            return why
        return others_close(self.other_stacks) or others_switch(self.switched_by_others)
