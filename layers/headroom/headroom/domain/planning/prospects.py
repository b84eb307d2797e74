"""How the load may continue: booked meetings, past days, and calls that are expected to end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headroom.domain.demand.forecasting import MINUTE, Booking, Foresight, Outlook, usual_peak
from headroom.domain.demand.habits import RECENT
from headroom.domain.demand.lately import Demand
from headroom.domain.fleet.fleet import Node
from headroom.domain.fleet.load import Load
from headroom.domain.planning.leads import LATER, Leads

NEARLY = timedelta(minutes=2)  # how far from five minutes ago a reading may lie to say what rose since


@dataclass
class Prospects:
    """The prospects of each principal location; `overflow_of` names its overflow location."""

    outlooks: Mapping[str, Outlook]
    bookings: Sequence[Booking]
    principals: Mapping[str, Load]
    overflows: Mapping[str, Load]
    overflow_of: Mapping[str, str | None]
    leads: Leads
    now: datetime
    weekday: int  # by the operator's calendar: Monday is 0
    homes: Mapping[str, int] = field(default_factory=dict)  # HD connections of each location when it was whole
    trails: Mapping[str, Sequence[Demand]] = field(default_factory=dict)  # the recent load of each location
    cut_off: frozenset[str] = (
        frozenset()
    )  # locations whose load fell with their nodes: it says nothing of who will come
    _foresights: dict[str, Foresight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Group the locations by their overflow location, and the bookings by their principal location."""
        self._sources: dict[str, list[str]] = {}
        for name in self.principals:
            self._sources.setdefault(self.overflow_of.get(name) or "", []).append(name)
        self._sizes = {name: max(load.hd, self.homes.get(name, 0)) or 1 for name, load in self.principals.items()}
        self._capacity = sum(self._sizes.values())
        self._booked: dict[str, list[Booking]] = {}
        for booking in sorted(self.bookings, key=lambda each: (each.begins, each.ends, each.hd)):
            self._booked.setdefault(booking.location, []).append(booking)

    def sources_of(self, overflow: str) -> list[str]:
        """Return the principal locations that overflow into this one and whose load is known."""
        return self._sources.get(overflow, [])

    def bookings_of(self, name: str) -> list[Booking]:
        """Return the meetings of a principal location, and its share of the meetings without a location."""
        part = self._sizes[name] / self._capacity
        anywhere = self._booked.get("", [])
        return [*self._booked.get(name, []), *(anywhere if part == 1 else (each.share(part) for each in anywhere))]

    def foresight(self, name: str) -> Foresight:
        """Return how the load of a principal location may continue; computed once per plan."""
        if name not in self._foresights:
            present = self.trails[name][-1]
            furthest = self.leads.to_boot(self.overflow_of[name] or "") + LATER
            outlook, bookings = self.outlooks.get(name), self.bookings_of(name)
            told = name not in self.cut_off
            self._foresights[name] = Foresight(
                outlook,
                present.used,
                bookings,
                self.now,
                furthest,
                lately=present.lately if told else None,
                recent=self._recent(name, outlook.attendance) if outlook and told else None,
            )
        return self._foresights[name]

    def _recent(self, name: str, attendance: float) -> float | None:
        """Return how much the load rose in the last minutes beyond what was booked.

        None if no reading is old enough, or nothing was free: a load that could not rise is no calm one.
        """
        *_, present = trail = self.trails[name]
        asked = present.at - RECENT * MINUTE
        before = min(trail, key=lambda demand: abs(demand.at - asked))
        if abs(before.at - asked) > NEARLY or any(demand.full for demand in trail if demand.at >= before.at):
            return None
        risen = present.used - before.used - attendance * (present.booked - before.booked)
        return risen * (RECENT * MINUTE / (present.at - before.at))

    def usual_peak(self, name: str, ahead: timedelta) -> float | None:
        """Return the most that the same weekdays of past weeks had in use within `ahead`; None if no past day is known."""
        return usual_peak(self.outlooks.get(name), self.bookings_of(name), self.now, ahead, self.weekday)

    def carried_of(self, name: str) -> float:
        """Return how many calls from this location are on closed nodes: when they end, no capacity becomes free."""
        overflow = self.overflow_of[name] or ""
        others = self.sources_of(overflow)
        overflowed = {other: self.trails[other][-1].overflowed for other in others if other in self.trails}
        total = sum(overflowed.values())
        share = overflowed.get(name, 0.0) / total if total else 1 / len(others)
        return self.overflows[overflow].carried * share

    def leavers_of(self, node: Node) -> float:
        """Return how many calls are expected to end on a node during the time that opening a closed node takes."""
        carried = {name: self._sizes[name] for name in self.sources_of(node.location)}
        total = sum(carried.values())
        leaving = sum(hd * self.foresight(name).leavers(self.leads.to_open) for name, hd in carried.items())
        return node.used * (leaving / total if total else 0)
