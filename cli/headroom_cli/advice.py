"""How many overflow nodes a forecast peak needs, by the weights that Pexip's guides give to kinds of calls."""

from dataclasses import dataclass
from math import ceil

SD, AUDIO, FULL_HD = 1 / 2, 1 / 12, 2  # HD connections a call
GUIDE = (0.10, 0.20)  # of the always-on capacity: the threshold that Pexip's guide advises


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Calls in progress at the busiest moment, by kind; each conference reserves a backplane."""

    hd: int = 0
    full_hd: int = 0
    sd: int = 0
    audio: int = 0
    conferences: int = 0

    @property
    def connections(self) -> int:
        """HD connections that they need."""
        return ceil(self.hd + FULL_HD * self.full_hd + SD * self.sd + AUDIO * self.audio + self.conferences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a peak needs: HD connections, overflow nodes, and the thresholds of the guide."""

    connections: int
    always_on: int
    nodes: int
    node_hd: int
    thresholds: tuple[int, int]

    @property
    def sentence(self) -> str:
        """The same for a person."""
        low, high = self.thresholds
        needs = f"The peak needs {self.connections} HD connections, {self.always_on} are always on: "
        nodes = f"{self.nodes} overflow nodes of {self.node_hd}" if self.nodes else "no overflow node"
        return (
            f"{needs}{nodes}, and one to spare for a start that fails. Pexip's guide advises a threshold of {low} to {high}; "
            "`headroom tune` says which suits your own load."
        )


def nodes_for(peak: Peak, *, always_on: int, node_hd: int) -> Advice:
    """Return what a peak needs beyond the always-on capacity."""
    low, high = (max(1, round(share * always_on)) for share in GUIDE)
    nodes = ceil(max(0, peak.connections - always_on) / node_hd)
    return Advice(
        connections=peak.connections, always_on=always_on, nodes=nodes, node_hd=node_hd, thresholds=(low, high)
    )
