"""Estimate the size of a booked meeting from its past instances.

Pexip says when a meeting is, never how large it will be. So each time one is in progress its participants are counted,
and the next meeting of the same series (its recurrence, or else its Virtual Meeting Room) is expected to be as large as
the last ones were. Headroom keeps nothing that identifies a meeting except Pexip's number of its series.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import mean

from headroom.domain.demand.forecasting import Booking

SIZES_KEPT = 8  # past instances
ALL_THERE = timedelta(minutes=10)  # after its start a meeting is as large as it has been seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A meeting as Pexip lists it.

    `series` names its recurrence or its room, empty if it has neither; `hd` is its size where Pexip knows it (One-Touch
    Join lists every room system); `present` counts the participants in it now, None if that was not asked.
    """

    begins: datetime
    ends: datetime
    series: str = ""
    hd: int | None = None
    present: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The sizes of past instances, the newest last; `most` is the largest size seen of the one that began at `begins`."""

    id: str
    sizes: tuple[int, ...] = ()
    begins: datetime | None = None
    most: int = 0

    def seen(self, begins: datetime, present: int) -> "Series":
        """Return the series with one more look at an instance of it; an instance that nobody came to counts as 0."""
        if begins == self.begins:
            return replace(self, most=max(self.most, present))
        if self.begins and begins < self.begins:
            return self  # a later one has begun in the same room: it is not known to which these participants belong
        sizes = self.sizes if self.begins is None else (*self.sizes, self.most)[-SIZES_KEPT:]
        return replace(self, sizes=sizes, begins=begins, most=present)

    def expected(self, meeting: Meeting, now: datetime, default: float) -> float:
        """Return the HD connections to expect of an instance."""
        past = (*self.sizes, self.most) if self.begins and self.begins < meeting.begins else self.sizes
        usual = mean(past[-SIZES_KEPT:]) if past else default
        if meeting.begins != self.begins:
            return usual
        return float(self.most) if now - meeting.begins >= ALL_THERE else max(usual, float(self.most))


def look(meetings: Iterable[Meeting], known: Mapping[str, Series]) -> dict[str, Series]:
    """Return the series whose sizes changed by what was seen of these meetings."""
    changed: dict[str, Series] = {}
    for meeting in sorted(meetings, key=lambda meeting: (meeting.begins, meeting.series, meeting.present or 0)):
        if meeting.series and meeting.present is not None:
            before = changed.get(meeting.series) or known.get(meeting.series) or Series(id=meeting.series)
            if (after := before.seen(meeting.begins, meeting.present)) != known.get(meeting.series):
                changed[meeting.series] = after
    return changed


def sized(
    meetings: Iterable[Meeting], known: Mapping[str, Series], *, default: float, now: datetime
) -> Iterator[Booking]:
    """Yield a booking a meeting, the earliest first; `default` is the size of a series without a past instance."""
    for meeting in sorted(meetings, key=lambda meeting: (meeting.begins, meeting.ends, meeting.series)):
        if meeting.hd is not None:
            hd = float(meeting.hd)
        else:
            series = known.get(meeting.series) or Series(id=meeting.series)
            hd = series.expected(meeting, now, default)
        if hd > 0:
            yield Booking(begins=meeting.begins, ends=meeting.ends, hd=round(hd, 1))


def gathered(bookings: Iterable[Booking]) -> tuple[Booking, ...]:
    """Merge the bookings of a location that begin and end together, as thousands of meetings share few times."""
    found: dict[tuple[datetime, datetime, str], list[Booking]] = {}
    for booking in bookings:
        found.setdefault((booking.begins, booking.ends, booking.location), []).append(booking)
    return tuple(
        replace(here[0], hd=round(sum(each.hd for each in here), 1), meetings=sum(each.meetings for each in here))
        for _, here in sorted(found.items())
    )
