"""What a site shows: the facts that the checks judge. None is what could not be looked at; `unknown` says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from headroom.domain.fleet.fleet import Instance, Reading
from headroom.domain.fleet.tags import TAG
from headroom.domain.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An EC2 instance that is, or may have been meant to be, a Conferencing Node of this platform."""

    instance: Instance
    tags: Mapping[str, str]
    key_name: str = ""
    stop_protected: bool | None = None
    volume_keys: tuple[str, ...] = ()  # the customer keys that its encrypted volumes need

    @property
    def label(self) -> str:
        """What people call it: its Name tag, else its id."""
        return self.tags.get("Name") or self.instance.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """A principal location by Pexip's own count (`cloud_monitored_location`)."""

    name: str
    free_hd_calls: int | None
    max_hd_calls: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A capacity reservation of EC2's: how many instances of a type in a zone, and how many of them are not used."""

    type: str
    zone: str
    total: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was seen, at one moment.

    `address` is what the Management Node's address showed: a sentence, and whether it answers and is trusted.
    """

    now: datetime
    tag_value: str
    host: str = ""
    policy: Policy = field(default_factory=Policy)
    address: tuple[str, bool, bool] | None = None
    reading: Reading | None = None
    monitored: tuple[Monitored, ...] | None = None
    versions: Mapping[str, str] | None = None  # of Management Node and Conferencing Nodes, by name
    licences: Mapping[str, tuple[int, int]] | None = None  # used and there, by kind
    machines: tuple[Machine, ...] | None = None
    region: str | None = None
    vcpus: Mapping[str, int] | None = None  # by instance type
    vcpu_quota: float | None = None
    reservations: tuple[Reservation, ...] | None = None
    idle: Mapping[str, float] | None = None  # kB a minute that each overflow node sends which is on and empty
    peaks: Mapping[str, float] | None = None  # the most HD connections in use on any past day, by principal location
    alarms: Sequence[str] | None = None  # what Pexip calls those that are raised now
    parameters: Mapping[str, str] | None = None  # of the stack, None before it is deployed
    answers: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)  # rows as Pexip gave them, by list
    unknown: Mapping[str, str] = field(default_factory=dict)  # why a fact is None, by its name

    @property
    def seen(self) -> Reading:
        """The reading, for a check that needs it; raise LookupError where there is none."""
        if self.reading is None:
            raise LookupError("Pexip was not read")
        return self.reading

    @property
    def stack(self) -> Mapping[str, str]:
        """The stack's parameters; none before it is deployed."""
        return self.parameters or {}

    @property
    def tagged(self) -> tuple[Instance, ...]:
        """The instances that carry this platform's tag, as Headroom finds them."""
        return tuple(each.instance for each in self.machines or () if each.tags.get(TAG) == self.tag_value)

    @property
    def overflow_locations(self) -> set[str]:
        """The primary overflow locations."""
        return (
            {place.overflow_location for place in self.reading.locations if place.overflow_location}
            if self.reading
            else set()
        )
