"""What is known of the load: samples, past days, outlooks, booked meetings, calls turned away."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import batched
from typing import Any

import msgspec
from boto3.dynamodb.conditions import Key

from headroom.adapters.ledger.codec import (
    FORMAT,
    UNREADABLE,
    decimal,
    moment,
    or_none,
    pack,
    readable,
    stamp,
    time,
    unpack,
    words,
)
from headroom.adapters.ledger.table import Rows
from headroom.domain.demand.bookings import Series
from headroom.domain.demand.forecasting import Booking, Outlook, Profile
from headroom.domain.demand.told import Told
from headroom.domain.demand.turned_away import Sample, TurnedAway
from headroom.domain.fleet.finding import Finding
from headroom.domain.history import kept

BATCH = 100  # items that one BatchGetItem returns


class Load(Rows):
    """What is known of the load: samples, past days, outlooks, booked meetings, calls turned away."""

    _known_outlooks: tuple[datetime | None, list[Outlook]] = (None, [])  # once complete they never change

    def keep_samples(self, samples: Iterable[Sample]) -> None:
        """Keep load samples."""
        with self.table.batch_writer() as batch:
            for sample in samples:
                facts: dict[str, Any] = {
                    "v": FORMAT,
                    "used": decimal(sample.used),
                    "booked": decimal(sample.booked),
                    "hd": sample.hd,
                }
                facts |= {"full": True} if sample.full else {}
                facts |= {"said": decimal(sample.said)} if sample.said else {}
                facts |= {"told": msgspec.json.encode(sample.told).decode()} if sample.told else {}
                expires = self._expiry(sample.at, kept.HISTORY)
                key = {"pk": f"samples#{self.platform}#{sample.location}", "sk": stamp(sample.at)}
                batch.put_item(Item=key | facts | {"expires_at": expires})

    def samples(self, location: str, since: datetime, until: datetime) -> Iterator[Sample]:
        """Yield the load samples of a principal location over a stretch of time, the oldest first."""
        key = Key("pk").eq(f"samples#{self.platform}#{location}") & Key("sk").between(stamp(since), stamp(until))
        for item in self._pages(key, ScanIndexForward=True):
            if sample := or_none(item, lambda item: _sample(location, item)):
                yield sample

    def keep_turned_away(self, counted: TurnedAway) -> None:
        """Keep how many calls Pexip recorded as turned away."""
        facts = {"since": stamp(counted.since), "capacity": counted.capacity, "licences": counted.licences}
        expires = self._expiry(counted.until, kept.HISTORY)
        self._put(f"refused#{self.platform}", stamp(counted.until), facts | {"expires_at": expires})

    def turned_away(self, since: datetime, until: datetime) -> Iterator[TurnedAway]:
        """Yield how many calls Pexip recorded as turned away over a stretch of time, the oldest first."""
        key = Key("pk").eq(f"refused#{self.platform}") & Key("sk").between(stamp(since), stamp(until))
        for item in self._pages(key, ScanIndexForward=True):
            if counted := or_none(item, _turned_away):
                yield counted

    def turned_away_until(self) -> datetime | None:
        """Return until when calls turned away have been counted."""
        newest = self._query(f"refused#{self.platform}", 1)
        return or_none(newest[0], lambda item: moment(item["sk"])) if newest else None

    def keep_profile(self, profile: Profile) -> None:
        """Keep what was learned of a location."""
        self._put(f"profiles#{self.platform}", profile.location, {"body": pack(profile)})

    def profile(self, location: str) -> Profile | None:
        """Return what was learned of a location."""
        item = self._get(f"profiles#{self.platform}", location)
        return or_none(item, lambda item: unpack(item["body"], Profile))  # learned anew from the samples of past days

    def profiles(self) -> list[Profile]:
        """Return what was learned of every location."""
        return readable(self._query(f"profiles#{self.platform}"), lambda item: unpack(item["body"], Profile))[0]

    def outlooks(self, quarter: datetime) -> list[Outlook]:
        """Return the outlooks that were made for a quarter of an hour; empty until all of them are there."""
        if self._known_outlooks[0] == quarter:
            return self._known_outlooks[1]
        key = Key("pk").eq(f"outlooks#{self.platform}") & Key("sk").begins_with(f"{stamp(quarter)}#")
        items = list(self._pages(key, ScanIndexForward=True))
        if not any(item.get("complete") for item in items):
            return []
        cut = [item for item in items if "body" in item]
        self._known_outlooks = (quarter, readable(cut, lambda item: unpack(item["body"], Outlook))[0])
        return self._known_outlooks[1]

    def keep_outlooks(self, quarter: datetime, cut: Iterable[Outlook]) -> list[Outlook]:
        """Keep the outlooks of a quarter of an hour as long as its plans, and return those that are kept.

        Two callers may do this at once: the first write of each outlook is kept, and the mark that all are there comes last.
        """
        expires = {"expires_at": self._expiry(quarter, kept.PLANS)}
        made = list(cut)
        for each in made:
            key = f"{stamp(quarter)}#{each.location}"
            self._put_new(f"outlooks#{self.platform}", key, {"body": pack(each), **expires})
        if made:
            self._put_new(f"outlooks#{self.platform}", f"{stamp(quarter)}#", {"complete": True, **expires})
        return self.outlooks(quarter)

    def keep_bookings(self, bookings: Iterable[Booking], now: datetime) -> None:
        """Keep the booked meetings, in place of those kept before."""
        self._put(f"now#{self.platform}", "bookings", {"body": pack(tuple(bookings)), "at": stamp(now)})

    def bookings(self) -> tuple[tuple[Booking, ...], datetime | None]:
        """Return the booked meetings, and when they were read."""
        item = self._get(f"now#{self.platform}", "bookings")
        return or_none(item, _bookings) or ((), None)  # the next reading of the bookings writes them

    def keep_findings(self, findings: Iterable[Finding], now: datetime) -> None:
        """Keep what the doctor found, in place of what it found before."""
        self._put(f"now#{self.platform}", "findings", {"body": pack(tuple(findings)), "at": stamp(now)})

    def findings(self, since: datetime) -> tuple[Finding, ...]:
        """Return what the doctor has found since then; nothing of what is older."""
        found, at = or_none(self._get(f"now#{self.platform}", "findings"), _findings) or ((), None)
        return found if at and at >= since else ()

    def keep_series(self, changed: Iterable[Series], now: datetime) -> None:
        """Keep how large meetings were; a room made for one meeting is forgotten sooner than a recurrence."""
        with self.table.batch_writer() as batch:
            for series in changed:
                facts = {"v": FORMAT, "body": pack(series), "expires_at": self._expiry(now, kept.sizes_of(series.id))}
                batch.put_item(Item={"pk": f"series#{self.platform}", "sk": series.id, **facts})

    def series(self, ids: Iterable[str]) -> dict[str, Series]:
        """Return how large past instances of these series were."""
        found: dict[str, Series] = {}
        for chunk in batched(sorted({each for each in ids if each}), BATCH, strict=False):
            keys: Any = {"Keys": [{"pk": f"series#{self.platform}", "sk": each} for each in chunk]}
            wanted: Any = {self.table_name: keys}
            while wanted:
                answer = self.table.meta.client.batch_get_item(RequestItems=wanted)
                items = answer["Responses"].get(self.table_name, ())
                for series in readable(items, lambda item: unpack(item["body"], Series))[0]:
                    found[series.id] = series
                wanted = answer.get("UnprocessedKeys")
        return found


def _findings(item: dict[str, Any]) -> tuple[tuple[Finding, ...], datetime | None]:
    return unpack(item["body"], tuple[Finding, ...]), moment(item["at"])


def _bookings(item: dict[str, Any]) -> tuple[tuple[Booking, ...], datetime | None]:
    return unpack(item["body"], tuple[Booking, ...]), moment(item["at"])


def _sample(location: str, item: dict[str, Any]) -> Sample:
    return Sample(
        at=time(item["sk"]),
        location=location,
        used=float(item["used"]),
        booked=float(item.get("booked", 0)),
        hd=int(item.get("hd", 0)),
        full=bool(item.get("full")),
        told=_told(item),
        said=float(item.get("said", 0)),
    )


def _told(item: dict[str, Any]) -> Told | None:
    """Return what was said of a sample's minute; the sample counts without it, too."""
    try:
        told = msgspec.json.decode(words(item, "told"), type=Told) if "told" in item else None
    except UNREADABLE:
        return None
    return told if told is not None and told.is_possible else None


def _turned_away(item: dict[str, Any]) -> TurnedAway:
    return TurnedAway(
        since=time(item["since"]),
        until=time(item["sk"]),
        capacity=int(item["capacity"]),
        licences=int(item["licences"]),
    )
