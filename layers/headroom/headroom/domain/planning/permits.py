"""What a plan may do as things are: the mode, Pexip's settings, a pause, other controllers, and how old the news is."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from headroom.domain.fleet.fleet import Observation
from headroom.domain.fleet.lifecycle import Commitments
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety.permission import conflict, others_switch


@dataclass
class Permits:
    """Asked of one moment."""

    observation: Observation
    commitments: Commitments
    policy: Policy
    now: datetime

    @cached_property
    def stale(self) -> bool:
        """The newest reading is too old to judge load by."""
        age = self.now - self.observation.reading.read_at
        return bool(self.observation.unreachable) or abs(age) > self.policy.freshness

    @cached_property
    def conflict(self) -> str:
        """Why the mode does not go with Pexip's own settings, if it does not."""
        return conflict(self.policy.mode, self.observation.reading.settings)

    @cached_property
    def frozen(self) -> str:
        """Why nothing at all may change now, if so."""
        pause = self.commitments.pause
        if pause and not pause.still_starts:
            return f"Paused: {pause.reason}"
        upgrading = "Pexip is being upgraded: everything stays as it is until it is done."
        return self.conflict or (upgrading if self.observation.reading.upgrading else "")

    @cached_property
    def switched_by_others(self) -> tuple[str, ...]:
        """The nodes that somebody else starts and stops: a second controller, where Headroom is to be the only one."""
        return self.commitments.switched_by_others(self.now) if self.policy.mode is Mode.CONTROL else ()

    @cached_property
    def open(self) -> bool:
        """Opening, and with it closing and stopping; not on a stale reading, nor in assist mode, where they are Pexip's."""
        return not self.stale and self.policy.mode is not Mode.ASSIST

    @cached_property
    def take_away(self) -> bool:
        """Closing and stopping, and starting a node that comes up closed: never beside another controller."""
        return not self.why_not_taken_away

    @cached_property
    def why_not_taken_away(self) -> str:
        """Why nothing may be closed or stopped, if so."""
        if self.frozen:
            return self.frozen
        if self.policy.mode is Mode.ASSIST:
            return "In assist mode closing and stopping are Pexip's"
        if self.stale:
            return f"The newest reading of Pexip is too old ({self.observation.unreachable or 'no reading came'})"
        if self.commitments.pause:
            return f"Nothing is closed or stopped while Headroom is paused: {self.commitments.pause.reason}"
        return others_switch(self.switched_by_others)
