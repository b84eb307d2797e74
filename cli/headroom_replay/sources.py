"""What can be replayed: counted arrivals, a list of meetings, or the load history that Headroom itself has kept."""

import csv
import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from headroom.domain.demand.forecasting import DAYS_KEPT, Booking
from headroom.domain.demand.turned_away import Sample
from headroom_replay.load import MEAN_CALL, TraceError, last_days, lognormal, read_trace
from headroom_replay.work import JOINS, MINUTE, PRINCIPAL, Platform, Work, of_counts, of_meetings, samples_of
from headroom_replay.world import Call

COUNTS, MEETINGS, HISTORY = {"timestamp", "arrivals"}, {"begins", "ends", "size"}, {"at", "used", "booked", "hd"}
KINDS = "timestamp,arrivals (counts), begins,ends,size[,booked] (meetings) or at,location,used,booked,hd (a history)"
BACKLOG = timedelta(minutes=5)  # during a longer gap between two samples the load is unknown, not constant


def maker_of(path: Path, platform: Platform, *, meetings: bool, days: int | None, zone: str) -> Callable[..., Work]:
    """Return what draws a work of a file for a `seed`; raise TraceError if the file is of no kind that is known."""
    columns = set(_columns(path))
    if columns >= COUNTS:
        make = of_meetings if meetings else of_counts
        return partial(make, read_trace(path), platform, days=days, zone=zone)
    if meetings:
        raise TraceError(f"--meetings derives meetings from counted arrivals, but {path} holds something else.")
    if columns >= MEETINGS:
        return partial(of_list, path, platform, days=days, zone=zone)
    if columns >= HISTORY:
        return partial(of_history, path, platform, days=days, zone=zone)
    raise TraceError(f"{path} has the columns {', '.join(sorted(columns)) or 'none'}; these can be replayed: {KINDS}.")


def _columns(path: Path) -> Sequence[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file), [])
    except FileNotFoundError:
        raise TraceError(f"There is no file {path}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path} is not a CSV file: {error}.") from error


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        yield from csv.DictReader(file)


def _time(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


# A list of meetings


def of_list(path: Path, platform: Platform, *, seed: int, days: int | None, zone: str) -> Work:
    """Return the last days of a list of meetings: `size` people came to each; `booked` may say how many were expected."""
    here, drawn = ZoneInfo(zone), list(_meetings(path, zone, seed))
    chosen = set(last_days((begins.astimezone(here).date() for begins, _, _ in drawn), days, path))
    calls: list[Call] = []
    bookings: list[Booking] = []
    earlier: dict[date, tuple[list[Call], list[Booking]]] = {}
    for begins, people, booking in drawn:
        day = begins.astimezone(here).date()
        into = (calls, bookings) if day in chosen else earlier.setdefault(day, ([], []))
        if day in chosen or day < min(chosen):
            into[0].extend(people)
            into[1].extend([booking] if booking else [])
    past = [earlier[day] for day in sorted(earlier)][-DAYS_KEPT:]
    if not calls:
        raise TraceError(f"No meeting in {path} has participants on its last {len(chosen)} days.")
    return Work(
        name=path.stem,
        zone=zone,
        platform=platform,
        calls=tuple(sorted(calls, key=lambda call: call.at)),
        bookings=tuple(bookings),
        history=tuple(
            sample
            for people, known in past
            for sample in samples_of(sorted(people, key=lambda call: call.at), known, zone=zone)
        ),
    )


def _meetings(path: Path, zone: str, seed: int) -> Iterator[tuple[datetime, list[Call], Booking | None]]:
    dice = random.Random(f"list {seed}")
    for number, row in enumerate(_rows(path), 2):
        try:
            begins, ends = (_time(row[name], ZoneInfo(zone)) for name in ("begins", "ends"))
            size, booked = int(row["size"]), float(row.get("booked") or 0)
        except (TypeError, ValueError) as error:
            raise TraceError(f"Line {number} of {path} is not a meeting: {error}.") from error
        if ends <= begins or size < 0:
            raise TraceError(
                f"Line {number} of {path} is not a meeting: it ends before it begins, or its size is negative."
            )
        people = [_person(dice, begins, ends, f"meeting {number}") for _ in range(size)]
        yield begins, people, Booking(begins=begins, ends=ends, hd=booked) if booked else None


def _person(dice: random.Random, begins: datetime, ends: datetime, name: str) -> Call:
    joins = begins.timestamp() + MINUTE * dice.triangular(*JOINS)
    leaves = max(joins + MINUTE, ends.timestamp() + dice.gauss(-60, 90))
    return Call(at=joins, conference=name, location=PRINCIPAL, seconds=leaves - joins)


# A history that Headroom has kept


def read_history(path: Path) -> list[Sample]:
    """Read what `headroom export` wrote, one principal location's load by the minute; raise TraceError if it is not that."""
    samples: list[Sample] = []
    locations: set[str] = set()
    for number, row in enumerate(_rows(path), 2):
        locations.add(row.get("location", ""))
        try:
            at, used, booked = _time(row["at"], ZoneInfo("UTC")), float(row["used"]), float(row["booked"])
            sample = Sample(at=at.astimezone(UTC), location=PRINCIPAL, used=used, booked=booked, hd=int(row["hd"]))
        except (TypeError, ValueError) as error:
            raise TraceError(f"Line {number} of {path} is not a load sample: {error}.") from error
        samples.append(sample)
    if len(locations) > 1:
        raise TraceError(f"{path} holds several locations ({', '.join(sorted(locations))}): export one.")
    return sorted(samples, key=lambda sample: sample.at)


def of_history(path: Path, platform: Platform, *, seed: int, days: int | None, zone: str) -> Work:
    """Return the last days of what `headroom export` wrote."""
    return of_samples(read_history(path), platform, name=path.stem, seed=seed, days=days, zone=zone)


def of_samples(
    samples: Sequence[Sample], platform: Platform, *, name: str, seed: int, days: int | None, zone: str
) -> Work:
    """Return the last days of a recorded load (see `last_days`): as many calls are drawn to be in progress as there were.

    The always-on capacity is the recorded one. Bookings are in the history as sums only, so none are announced.
    """
    here = ZoneInfo(zone)
    busy = {sample.at.astimezone(here).date() for sample in samples if sample.used}
    chosen = last_days(busy, days, name)
    if not chosen:
        raise TraceError(f"{name} has no calls.")
    calls = calls_of(samples, seed)
    return Work(
        name=name,
        zone=zone,
        platform=replace(platform, always_on=max(sample.hd for sample in samples) or platform.always_on),
        calls=tuple(call for call in calls if datetime.fromtimestamp(call.at, here).date() >= chosen[0]),
        bookings=(),
        history=tuple(
            replace(sample, location=PRINCIPAL) for sample in samples if sample.at.astimezone(here).date() < chosen[0]
        ),
    )


def calls_of(samples: Sequence[Sample], seed: int) -> list[Call]:
    """Draw calls so that each sample's number of calls is in progress: some begin, or those nearest their end are ended."""
    dice = random.Random(f"history {seed}")
    open_calls: list[tuple[float, int, Call]] = []
    calls: list[Call] = []
    before = datetime.min.replace(tzinfo=UTC)
    for sample in samples:
        now, wanted = sample.at.timestamp(), round(sample.used)
        step = min(sample.at - before, BACKLOG).total_seconds()
        before = sample.at
        while open_calls and (open_calls[0][0] <= now or len(open_calls) > wanted):
            ends, _, call = heapq.heappop(open_calls)
            call.seconds = min(ends, now) - call.at
        while len(open_calls) < wanted:
            at = now - dice.uniform(0, step)
            call = Call(at=at, conference=f"call {len(calls)}", location=PRINCIPAL, seconds=lognormal(dice, MEAN_CALL))
            calls.append(call)
            heapq.heappush(open_calls, (max(at + call.seconds, now + 1), len(calls), call))
    return sorted(calls, key=lambda call: call.at)
