"""The lab's clock file: how fast the whole stack runs, and what time it is there."""

import json
import time
from pathlib import Path

from headroom.clock import Pace


class LabClock:
    """Writes the file that `HEADROOM_CLOCK` names; every process of the stack reads it."""

    def __init__(self, path: Path, virtual: float, speed: float) -> None:
        self.path = path
        self.pace = Pace(real=time.time(), virtual=virtual, speed=speed)
        self._write()

    def seconds(self) -> float:
        """Return the lab's epoch second."""
        return self.pace.at(time.time())

    def jump(self, virtual: float, speed: float) -> None:
        """Go on at another time, at another speed."""
        self.pace = Pace(real=time.time(), virtual=virtual, speed=speed)
        self._write()

    def run(self, speed: float) -> None:
        """Go on from here at another speed."""
        self.jump(self.seconds(), speed)

    def _write(self) -> None:
        fresh = self.path.with_suffix(".new")
        pace = {"real": self.pace.real, "virtual": self.pace.virtual, "speed": self.pace.speed}
        fresh.write_text(json.dumps(pace))
        fresh.replace(self.path)
