"""How many overflow nodes a forecast peak needs: by what a site's nodes really offer, or by the figures of Pexip's guide."""

from dataclasses import dataclass
from math import ceil
from typing import Self

from headroom.domain.fleet.fleet import Reading

SD, AUDIO, FULL_HD = 1 / 2, 1 / 12, 2  # HD connections a call
GUIDE = (0.10, 0.20)  # of the always-on capacity: the threshold that Pexip's guide advises
GUIDES_NODE, GUIDES_HOME = 15, 80  # HD connections of a c4.2xlarge, and of its example's always-on nodes
MEDIA_NODES = 3  # of one location that one conference may use
BY_THE_GUIDE = (
    "These are the guide's figures for a c4.2xlarge (15 HD, 34 SD or 175 audio calls), an instance of a generation before. "
    "Today's types of its size are c6i.2xlarge and c7i.2xlarge: measure one node of yours, or name a stack with --stack."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Calls in progress at the busiest moment, by kind; each conference reserves a backplane. `largest` has so many HD calls."""

    hd: int = 0
    full_hd: int = 0
    sd: int = 0
    audio: int = 0
    conferences: int = 0
    largest: int = 0

    @property
    def connections(self) -> int:
        """HD connections that they need."""
        return ceil(self.hd + FULL_HD * self.full_hd + SD * self.sd + AUDIO * self.audio + self.conferences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is there: HD connections that are always on, and those of one overflow node; `measured` by Pexip, or the guide's."""

    always_on: int = GUIDES_HOME
    node_hd: int = GUIDES_NODE
    measured: bool = False

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """Read it off a platform: the smallest overflow node counts, as any of them may be the one that is needed."""
        overflow = {place.overflow_location for place in reading.locations}
        homes = {place.name for place in reading.locations if place.overflow_location}
        known = [each.max_hd_calls for each in reading.workers if each.location in overflow and each.max_hd_calls]
        always_on = sum(each.max_hd_calls or 0 for each in reading.workers if each.location in homes)
        return cls(always_on=always_on, node_hd=min(known, default=GUIDES_NODE), measured=bool(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a peak needs: HD connections, overflow nodes, the guide's thresholds, and what an hour of all nodes costs."""

    connections: int
    always_on: int
    nodes: int
    node_hd: int
    thresholds: tuple[int, int]
    cost_an_hour: float | None
    warnings: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The same for a person."""
        low, high = self.thresholds
        needs = f"The peak needs {self.connections} HD connections, {self.always_on} are always on: "
        nodes = f"{self.nodes} overflow nodes of {self.node_hd}" if self.nodes else "no overflow node"
        cost = (
            ""
            if self.cost_an_hour is None
            else f" All of them cost ${self.cost_an_hour:,.2f} an hour, while they are on."
        )
        return (
            f"{needs}{nodes}, and one to spare for a start that fails.{cost} Pexip's guide advises a threshold of {low} to "
            f"{high}; `headroom tune` says which suits your own load."
        ) + "".join(f"\n{warning}" for warning in self.warnings)


def nodes_for(peak: Peak, site: Site, *, price: float | None = None) -> Advice:
    """Return what a peak needs beyond the always-on capacity; `price` is what a node costs an hour."""
    low, high = (max(1, round(share * site.always_on)) for share in GUIDE)
    nodes = ceil(max(0, peak.connections - site.always_on) / site.node_hd)
    most = MEDIA_NODES * (site.node_hd - 1)  # each reserves a connection for the backplane to the others
    warnings = [] if site.measured else [BY_THE_GUIDE]
    if peak.largest > most:
        warnings.append(
            f"A conference uses {MEDIA_NODES} media nodes of a location at most: overflow nodes of {site.node_hd} take {most} "
            f"of the {peak.largest} calls of the largest one. Larger nodes, or a second location, take more."
        )
    return Advice(
        connections=peak.connections,
        always_on=site.always_on,
        nodes=nodes,
        node_hd=site.node_hd,
        thresholds=(low, high),
        cost_an_hour=None if price is None else round(price * nodes, 2),
        warnings=tuple(warnings),
    )
