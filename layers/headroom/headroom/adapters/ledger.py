"""The ledger in DynamoDB: readings, plans, what is wanted of each node, claims, holds, lifetimes and events.

One table, every question answered by key (P is the platform, all times UTC):

    now#P                  reading | plan | bookings | pause | turns | told | lease#NAME    the newest of each
    snapshot#P             TIME                                     every reading; its INSERT has `decide` plan
    plan#P                 TIME                                     observation, commitments, policy and plan, in a chain
    heads#P                DAY                                      the last plan of each day in that chain, for ever
    nodes#P                NODE                                     wanted state and version, claim, what is remembered
    holds#P                ID                                       promises of capacity
    lifetimes#P#NODE       LAUNCHED                                 power-on to power-off
    events#P#DAY           TIME#ID      (index by_node: P#NODE)     what happened, why, who
    samples#P#LOCATION     TIME                                     load of a location, and what was booked there
    profiles#P             LOCATION                                 its past days, learned every night
    outlooks#P             QUARTER#LOCATION                         what past days did around that quarter of an hour
    refused#P              TIME                                     calls that Pexip recorded as turned away until then
    series#P               ID                                       how large past instances of a meeting were
"""

import hashlib
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, reduce
from itertools import batched, islice
from operator import and_, or_
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from botocore.config import Config
from botocore.exceptions import ClientError

from headroom.domain.demand.bookings import Series
from headroom.domain.demand.forecasting import Booking, Outlook, Profile, outlook, quarter_of
from headroom.domain.demand.turned_away import Refused, Sample
from headroom.domain.fleet.fleet import Observation, Reading
from headroom.domain.fleet.lifecycle import Action, Claim, Commitments, Hold, Memory, Pause, Pausing, Wanted
from headroom.domain.history.chain import KEPT as RECORDS_KEPT
from headroom.domain.history.chain import Head, Kept, Link, after, digest_of
from headroom.domain.people.telling import Happened, Memo
from headroom.domain.planning.planning import Change, Plan
from headroom.domain.policy import Policy
from headroom.domain.safety.claims import (
    FIRST_LEASE,
    LEASE,
    Compare,
    Comparison,
    Condition,
    Fact,
    is_free,
    is_held_by,
    is_resting,
    is_the_last_word,
    is_unchanged,
    is_unclaimed,
)
from headroom.domain.safety.pace import OURS, due_after, turn_at

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

HISTORY_KEPT = timedelta(days=400)  # samples, lifetimes, events
ROOM_KEPT = timedelta(days=60)  # how large the meetings of one room were
NO_CLAIM = dict.fromkeys(("claim_token", "claim_action", "claim_until", "rests_until"))
BATCH = 100  # items that one BatchGetItem returns
TRANSACTION = 100  # items that one DynamoDB transaction holds


class SupersededError(Exception):
    """Another plan was made meanwhile; this one is dropped and nothing is lost."""


class ClaimLostError(Exception):
    """Another workflow has the claim on this node, or this one's lease ended: stop here, change nothing more."""


class PlanChangedError(Exception):
    """The claim is ours, but the newest plan wants the node otherwise: turn round."""


class UnknownNodeError(Exception):
    """Pexip's newest reading has no overflow node of this name; check its spelling on the status page."""


def stamp(moment: datetime) -> str:
    """Write a time so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text: str | None) -> datetime | None:
    """Read a time that `stamp` wrote."""
    return datetime.fromisoformat(text) if text else None


def pack(value: object) -> bytes:
    """Encode and compress a value of ours."""
    return zlib.compress(msgspec.json.encode(value), level=9)


def unpack[T](body: Any, kind: type[T]) -> T:
    """Read what `pack` wrote."""
    return msgspec.json.decode(zlib.decompress(bytes(body)), type=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that one plan was made from, and the plan: enough to make it again, bit for bit."""

    version: str
    observation: Observation
    commitments: Commitments
    policy: Policy
    plan: Plan
    foreseen: str = (
        ""  # digest of the observation's outlooks, which are kept once a quarter of an hour, beside the plans
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The newest plan, and where it stands in the chain that the next one must follow."""

    number: int
    plan: Plan
    digest: str = ""

    @property
    def head(self) -> Head:
        """What the next plan names as the one before it."""
        return Head(number=self.number, digest=self.digest, at=self.plan.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened: to what, why, and who did it."""

    at: datetime
    kind: str
    reason: str
    by: str
    node: str = ""
    topic: str = ""  # which kind of issue, of an issue
    about: str = ""  # and what it is of, where that is no node
    id: str = ""  # its key in the ledger, of one that was read


def _without_outlooks(record: Record) -> Record:
    seen = record.observation
    foreseen = digest_of(msgspec.json.encode(seen.outlooks)) if seen.outlooks else ""
    return replace(record, observation=replace(seen, outlooks=()), foreseen=foreseen)


def token_for(change: Change, version: int, now: datetime) -> str:
    """Name a claim, and the execution that will hold it, within Step Functions' rules for names."""
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in change.node)
    whole = hashlib.sha256(change.node.encode()).hexdigest()[:8]  # long names may begin alike
    return f"{change.action}-{name[:24]}-{whole}-{now:%Y%m%dT%H%M%S}-{version}"


def is_refusal(error: ClientError) -> bool:
    """Say whether DynamoDB refused a condition, rather than failed."""
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"


class Ledger:
    """The table, for one platform; who has a connection to it already may hand it in."""

    def __init__(self, table_name: str, platform: str, table: "Table | None" = None) -> None:
        self.table_name = table_name
        self.platform = platform
        self._around: tuple[datetime, tuple[Outlook, ...]] | None = None  # the outlooks that were read last
        if table is not None:
            self.table = table

    @cached_property
    def table(self) -> "Table":
        """Made when first needed."""
        config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=2, read_timeout=5)
        return boto3.resource("dynamodb", config=config).Table(self.table_name)

    # Readings

    def keep_reading(self, reading: Reading) -> None:
        """Keep a reading; its arrival has `decide` plan."""
        body, at = pack(reading), stamp(reading.read_at)
        self._put(f"now#{self.platform}", "reading", {"body": body, "at": at})
        self._put(
            f"snapshot#{self.platform}",
            at,
            {"body": body, "problem": "", "expires_at": self._expiry(reading.read_at, RECORDS_KEPT)},
        )

    def keep_failure(self, problem: str, now: datetime) -> None:
        """Keep that Pexip could not be read; that, too, has `decide` plan, holding still."""
        self._put(
            f"snapshot#{self.platform}",
            stamp(now),
            {"problem": problem, "expires_at": self._expiry(now, RECORDS_KEPT)},
        )

    def last_reading(self) -> Reading | None:
        """Return the newest good reading."""
        item = self._get(f"now#{self.platform}", "reading")
        return unpack(item["body"], Reading) if item else None

    def last_problem(self) -> str:
        """Return why the newest reading failed, empty if it did not."""
        page = self.table.query(
            KeyConditionExpression=Key("pk").eq(f"snapshot#{self.platform}"),
            ScanIndexForward=False,
            Limit=1,
            ProjectionExpression="problem",
        )
        return next((str(item["problem"]) for item in page["Items"]), "")

    def take_lease(self, name: str, until: datetime, now: datetime) -> bool:
        """Take a lease that nobody else holds, so that one runs at a time."""
        over = Attr("until").lte(stamp(now))
        return self._put_new(f"now#{self.platform}", f"lease#{name}", {"until": stamp(until)}, or_if=over)

    # Plans, and what is wanted

    def last_plan(self) -> Planned | None:
        """Return the newest plan."""
        item = self._get(f"now#{self.platform}", "plan")
        if item is None:
            return None
        return Planned(number=int(item["number"]), plan=unpack(item["body"], Plan), digest=str(item.get("digest", "")))

    def commitments(self, now: datetime) -> Commitments:
        """Return what has been promised and begun."""
        return Commitments(
            holds=tuple(self.holds(now)),
            memories=tuple(_memory(item) for item in self._query(f"nodes#{self.platform}")),
            pause=self.pause(),
        )

    def pause(self) -> Pause | None:
        """Return what holds Headroom still, None if nothing does; `{"reason": …}` alone holds everything."""
        item = self._get(f"now#{self.platform}", "pause")
        if item is None:
            return None
        return Pause(
            reason=str(item.get("reason") or "no reason given"),
            by=str(item.get("by", "")),
            since=moment(item.get("since")),
            holding=Pausing(item.get("holding", Pausing.EVERYTHING)),
        )

    def hold_still(self, pause: Pause, now: datetime) -> None:
        """Pause: the next plan, and every step of a workflow, obeys."""
        facts = {"reason": pause.reason, "by": pause.by, "since": stamp(pause.since or now)}
        self._put(f"now#{self.platform}", "pause", facts | {"holding": str(pause.holding)})

    def go_on(self) -> None:
        """End a pause."""
        self.table.delete_item(Key={"pk": f"now#{self.platform}", "sk": "pause"})

    def keep_plan(
        self, record: Record, last: Planned | None, changes: Sequence[tuple[Change, str]]
    ) -> list[tuple[Change, str]]:
        """Keep a plan, what it wants and its claims; return the changes whose claim was written, with their tokens.

        Raise SupersededError if another plan was made since the `last`. A node that someone claimed meanwhile is left
        out. More changes than a transaction holds are written in further ones; a crash between them leaves nodes as
        they are, for the next plan.
        """
        at, body = record.plan.at, pack(_without_outlooks(record))
        link = after(last.head if last else None, at, body)
        chained = {
            "number": link.number,
            "digest": link.digest,
            "previous": link.previous,
            "previous_at": stamp(link.previous_at) if link.previous_at else "",
        }
        kept = {"expires_at": self._expiry(at, RECORDS_KEPT), "reason": record.plan.reason}
        planned: list[Any] = [
            self._put_request(f"plan#{self.platform}", stamp(at), {"body": body, **chained, **kept}),
            self._put_request(
                f"now#{self.platform}",
                "plan",
                {"body": pack(record.plan), "at": stamp(at), "number": link.number, "digest": link.digest},
                Condition="attribute_not_exists(pk) OR #n = :after",
                Names={"#n": "number"},
                Values={":after": last.number if last else 0},
            ),
        ]
        if last and last.plan.at.date() != at.date():
            facts = {"number": last.number, "digest": last.digest, "at": stamp(last.plan.at)}
            planned.append(self._put_request(f"heads#{self.platform}", f"{last.plan.at:%Y-%m-%d}", facts))
        written: list[tuple[Change, str]] = []
        waiting = list(changes)
        while planned or waiting:
            chunk = waiting[: TRANSACTION - len(planned)]
            waiting = waiting[len(chunk) :]
            lost = self._transact(planned, chunk, record)
            written += [pair for pair in chunk if pair not in lost]
            planned = []
        return written

    def _transact(
        self, planned: list[Any], chunk: list[tuple[Change, str]], record: Record
    ) -> list[tuple[Change, str]]:
        """Write one chunk, without the changes whose claim is refused, which it returns."""
        lost: list[tuple[Change, str]] = []
        while True:
            left = [pair for pair in chunk if pair not in lost]
            requests = planned + [self._want_request(change, token, record) for change, token in left]
            if not requests:
                return lost
            try:
                self.table.meta.client.transact_write_items(TransactItems=requests)
            except ClientError as error:
                reasons = error.response.get("CancellationReasons", [])
                refused = [
                    index for index, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"
                ]
                if not refused:
                    raise
                if refused[0] < len(planned):
                    raise SupersededError("Another plan was made meanwhile") from error
                lost += [left[index - len(planned)] for index in refused]
            else:
                return lost

    def _want_request(self, change: Change, token: str, record: Record) -> Any:
        """One node's new wanted state; with a claim, unless a workflow is at work on it and will turn round by itself."""
        memory = record.commitments.memory(change.node)
        now = record.plan.at
        relieved = memory.is_relieved_by(change.action, now)
        claimed = memory.is_at_work(now) and not relieved
        sets = {
            "node": change.node,
            "wanted": str(change.action.wanted),
            "version": memory.version + 1,
            "wanted_at": stamp(now),
            "reason": change.reason,
        }
        if not claimed:
            sets |= {
                "claim_token": token,
                "claim_action": str(change.action),
                "claim_until": stamp(now + FIRST_LEASE),
            }
        under = is_unchanged(memory.version)
        if memory.claim and relieved:
            under += is_resting(memory.claim.token, now)
        elif not claimed:
            under += is_free(now)
        condition = ConditionExpressionBuilder().build_expression(_attr(under))
        return {
            "Update": {
                "TableName": self.table_name,
                "Key": {"pk": f"nodes#{self.platform}", "sk": change.node},
                "UpdateExpression": "SET "
                + ", ".join(f"#{name} = :{name}" for name in sets)
                + ("" if claimed else " REMOVE #rests_until"),
                "ExpressionAttributeNames": {
                    **{f"#{name}": name for name in (sets if claimed else [*sets, "rests_until"])},
                    **condition.attribute_name_placeholders,
                },
                "ExpressionAttributeValues": {
                    **{f":{name}": value for name, value in sets.items()},
                    **condition.attribute_value_placeholders,
                },
                "ConditionExpression": condition.condition_expression,
            }
        }

    def records(self, since: datetime, until: datetime) -> Iterator[Record]:
        """Yield what every plan of a stretch of time was made from, the oldest first."""
        between = Key("sk").between(stamp(since), stamp(until))
        for item in self._pages(Key("pk").eq(f"plan#{self.platform}") & between, ScanIndexForward=True):
            record = unpack(item["body"], Record)
            yield self._complete(record)

    def _complete(self, record: Record) -> Record:
        """Put the outlooks back that are kept beside the plans."""
        outlooks = tuple(self.outlooks(quarter_of(record.plan.at))) if record.foreseen else ()
        return replace(record, observation=replace(record.observation, outlooks=outlooks))

    def record_at(self, time: datetime) -> Record | None:
        """Return what the plan in force at a time was made from, None if there is none that old any more."""
        until = Key("pk").eq(f"plan#{self.platform}") & Key("sk").lte(stamp(time))
        for item in self._pages(until, ScanIndexForward=False, Limit=1):
            return self._complete(unpack(item["body"], Record))
        return None

    def chain(self) -> Iterator[Kept]:
        """Yield every plan in the chain that is still there, the oldest first."""
        for item in self._pages(Key("pk").eq(f"plan#{self.platform}"), ScanIndexForward=True):
            link = Link(
                number=int(item.get("number", 0)),
                at=datetime.fromisoformat(item["sk"]),
                content=digest_of(bytes(item["body"])),
                previous=str(item.get("previous", "")),
                previous_at=moment(item.get("previous_at")),
            )
            yield Kept(link=link, digest=str(item.get("digest", "")))

    def foreseen(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, bool]]:
        """Yield every plan that had a forecast, and whether that is still the one it was made with."""
        digests: dict[datetime, str] = {}
        between = Key("pk").eq(f"plan#{self.platform}") & Key("sk").between(stamp(since), stamp(until))
        for item in self._pages(between, ScanIndexForward=True):
            record = unpack(item["body"], Record)
            quarter = quarter_of(record.plan.at)
            if record.foreseen and quarter not in digests:
                digests[quarter] = digest_of(msgspec.json.encode(tuple(self.outlooks(quarter))))
            if record.foreseen:
                yield record.plan.at, digests[quarter] == record.foreseen

    def heads(self) -> dict[date, Head]:
        """Return the last plan of each day that there ever was."""
        return {
            date.fromisoformat(item["sk"]): Head(
                number=int(item["number"]), digest=str(item["digest"]), at=datetime.fromisoformat(item["at"])
            )
            for item in self._query(f"heads#{self.platform}")
        }

    # What is known of the load

    def keep_samples(self, samples: Iterable[Sample]) -> None:
        """Keep load samples."""
        with self.table.batch_writer() as batch:
            for sample in samples:
                facts = {"used": _decimal(sample.used), "booked": _decimal(sample.booked), "hd": sample.hd}
                facts |= {"full": True} if sample.full else {}
                expires = self._expiry(sample.at, HISTORY_KEPT)
                key = {"pk": f"samples#{self.platform}#{sample.location}", "sk": stamp(sample.at)}
                batch.put_item(Item=key | facts | {"expires_at": expires})

    def samples(self, location: str, since: datetime, until: datetime) -> Iterator[Sample]:
        """Yield the load samples of a principal location over a stretch of time, the oldest first."""
        key = Key("pk").eq(f"samples#{self.platform}#{location}") & Key("sk").between(stamp(since), stamp(until))
        for item in self._pages(key, ScanIndexForward=True):
            yield Sample(
                at=datetime.fromisoformat(item["sk"]),
                location=location,
                used=float(item["used"]),
                booked=float(item.get("booked", 0)),
                hd=int(item.get("hd", 0)),
                full=bool(item.get("full")),
            )

    def keep_refused(self, refused: Refused) -> None:
        """Keep how many calls Pexip recorded as turned away."""
        facts = {"since": stamp(refused.since), "capacity": refused.capacity, "licences": refused.licences}
        expires = self._expiry(refused.until, HISTORY_KEPT)
        self._put(f"refused#{self.platform}", stamp(refused.until), facts | {"expires_at": expires})

    def refused(self, since: datetime, until: datetime) -> Iterator[Refused]:
        """Yield how many calls Pexip recorded as turned away over a stretch of time, the oldest first."""
        key = Key("pk").eq(f"refused#{self.platform}") & Key("sk").between(stamp(since), stamp(until))
        for item in self._pages(key, ScanIndexForward=True):
            yield Refused(
                since=datetime.fromisoformat(item["since"]),
                until=datetime.fromisoformat(item["sk"]),
                capacity=int(item["capacity"]),
                licences=int(item["licences"]),
            )

    def refused_until(self) -> datetime | None:
        """Return until when they have been counted."""
        newest = self._query(f"refused#{self.platform}", 1)
        return moment(newest[0]["sk"]) if newest else None

    def keep_profile(self, profile: Profile) -> None:
        """Keep what was learned of a location."""
        self._put(f"profiles#{self.platform}", profile.location, {"body": pack(profile)})

    def profile(self, location: str) -> Profile | None:
        """Return what was learned of a location."""
        item = self._get(f"profiles#{self.platform}", location)
        return unpack(item["body"], Profile) if item else None

    def outlooks(self, quarter: datetime) -> list[Outlook]:
        """Return the outlooks that were cut for a quarter of an hour, nothing while not all of them are."""
        key = Key("pk").eq(f"outlooks#{self.platform}") & Key("sk").begins_with(f"{stamp(quarter)}#")
        items = list(self._pages(key, ScanIndexForward=True))
        complete = any(item.get("complete") for item in items)
        return [unpack(item["body"], Outlook) for item in items if "body" in item] if complete else []

    def cut_outlooks(self, quarter: datetime) -> list[Outlook]:
        """Cut an outlook out of every profile for a quarter of an hour, once, and keep it as long as its plans.

        Two may do so at once: whoever is first decides what an outlook is, and the mark comes last.
        """
        profiles = self._query(f"profiles#{self.platform}")
        expires = {"expires_at": self._expiry(quarter, RECORDS_KEPT)}
        for item in profiles:
            made = outlook(unpack(item["body"], Profile), quarter)
            key = f"{stamp(quarter)}#{made.location}"
            self._put_new(f"outlooks#{self.platform}", key, {"body": pack(made), **expires})
        if profiles:
            self._put_new(f"outlooks#{self.platform}", f"{stamp(quarter)}#", {"complete": True, **expires})
        return self.outlooks(quarter)

    def outlooks_around(self, now: datetime) -> tuple[Outlook, ...]:
        """Return what past days did around now; read once a quarter of an hour, and cut if nobody has."""
        quarter = quarter_of(now)
        if self._around is None or self._around[0] != quarter or not self._around[1]:
            self._around = (quarter, tuple(self.outlooks(quarter) or self.cut_outlooks(quarter)))
        return self._around[1]

    def keep_bookings(self, bookings: Iterable[Booking], now: datetime) -> None:
        """Keep the meetings known beforehand, in place of those known before."""
        self._put(f"now#{self.platform}", "bookings", {"body": pack(tuple(bookings)), "at": stamp(now)})

    def bookings(self) -> tuple[tuple[Booking, ...], datetime | None]:
        """Return the meetings known beforehand, and since when."""
        item = self._get(f"now#{self.platform}", "bookings")
        return (unpack(item["body"], tuple[Booking, ...]), moment(item["at"])) if item else ((), None)

    def keep_series(self, changed: Iterable[Series], now: datetime) -> None:
        """Keep how large meetings were; a room made for one meeting is forgotten sooner than a recurrence."""
        with self.table.batch_writer() as batch:
            for series in changed:
                kept = HISTORY_KEPT if series.id.startswith("recurring") else ROOM_KEPT
                facts = {"body": pack(series), "expires_at": self._expiry(now, kept)}
                batch.put_item(Item={"pk": f"series#{self.platform}", "sk": series.id, **facts})

    def series(self, ids: Iterable[str]) -> dict[str, Series]:
        """Return how large past instances of these series were."""
        found: dict[str, Series] = {}
        for chunk in batched(sorted({each for each in ids if each}), BATCH, strict=False):
            keys: Any = {"Keys": [{"pk": f"series#{self.platform}", "sk": each} for each in chunk]}
            wanted: Any = {self.table_name: keys}
            while wanted:
                answer = self.table.meta.client.batch_get_item(RequestItems=wanted)
                for item in answer["Responses"].get(self.table_name, ()):
                    series = unpack(item["body"], Series)
                    found[series.id] = series
                wanted = answer.get("UnprocessedKeys")
        return found

    # One node

    def memory(self, node: str) -> Memory:
        """Return what is remembered of a node."""
        item = self._get(f"nodes#{self.platform}", node)
        return _memory(item) if item else Memory(node=node)

    def claim(self, node: str, token: str, action: Action, reason: str, now: datetime) -> Memory:
        """Take the claim that a plan wrote for this token, or a free one; raise ClaimLostError if another has it."""
        memory = self.memory(node)
        held = memory.claim
        if held and held.token == token:
            return self.renew(node, token, now)
        if held and held.until > now:
            raise ClaimLostError(f"{held.token} is at work on {node}; wait until it has ended.")
        self._update(
            node,
            {
                "node": node,
                "wanted": str(action.wanted),
                "version": memory.version + 1,
                "wanted_at": stamp(now),
                "reason": reason,
                "claim_token": token,
                "claim_action": str(action),
                "claim_until": stamp(now + LEASE),
            },
            is_free(now),
        )
        return self.memory(node)

    def renew(self, node: str, token: str, now: datetime) -> Memory:
        """Keep the claim for another while and return what is wanted now; raise ClaimLostError if it is another's."""
        at_work = {"claim_until": stamp(now + LEASE), "rests_until": None}
        item = self._update(node, at_work, is_held_by(token))
        return _memory(item)

    def remember(self, node: str, token: str, **facts: datetime | int | str | list[int | None] | None) -> Memory:
        """Note facts of a node while the claim is ours; None forgets."""
        values = {name: stamp(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()}
        return _memory(self._update(node, values, is_held_by(token)))

    def rest(self, node: str, token: str, until: datetime) -> None:
        """Say that the workflow only waits until then, so that another may relieve it; its next step ends that."""
        self.remember(node, token, rests_until=until)

    def note(self, node: str, **facts: datetime | int | None) -> None:
        """Note facts that need no claim: they are what everyone can see."""
        values = {name: stamp(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()}
        self._update(node, {"node": node, **values}, None)

    def note_if_free(self, node: str, **facts: datetime | None) -> None:
        """The same, unless a workflow is at work there, which knows better."""
        values = {name: stamp(fact) if fact else None for name, fact in facts.items()}
        with suppress(ClaimLostError):
            self._update(node, {"node": node, **values}, is_unclaimed())

    def take_back(self, node: str, token: str, now: datetime) -> None:
        """Free a node whose workflow ended without a word, unless it has spoken after all."""
        with suppress(ClaimLostError):
            self._update(node, NO_CLAIM, (*is_held_by(token), *is_free(now)))

    def release(self, node: str, token: str) -> None:
        """Give the claim up, if it is still ours."""
        with suppress(ClaimLostError):
            self._update(node, NO_CLAIM, is_held_by(token))

    def last_word(self, node: str, token: str, version: int, now: datetime) -> None:
        """The conditional write before StopInstances: raise unless claim, token and version still stand.

        It renews the lease: while the stop is on its way to EC2 nobody else may open the node.
        """
        spoken = {"stop_asked_at": stamp(now), "claim_until": stamp(now + LEASE), "rests_until": None}
        try:
            self._update(node, spoken, is_the_last_word(token, version, now))
        except ClaimLostError:
            claim = self.memory(node).claim
            if claim and claim.token == token and claim.until > now:
                raise PlanChangedError(f"The newest plan wants {node} otherwise") from None
            raise

    # Turns

    def turn(self, now: datetime) -> datetime:
        """Take a turn to ask EC2 to start or stop an instance, and return when it is.

        Whoever takes turns at the same moment gets different ones: the table adds them up.
        """
        while True:
            if due := self._add_a_turn(now):
                return turn_at(due, now)
            if self._first_turn(now):
                return now

    def turn_within(self, patience: timedelta, now: datetime) -> datetime | None:
        """The same, but take no turn and return None where it would be later than that."""
        while True:
            if due := self._add_a_turn(now, last=now + patience + OURS.burst):
                return turn_at(due, now)
            if self._first_turn(now):
                return now
            if (busy := self._turns_due()) and turn_at(busy, now) > now + patience:
                return None

    def _add_a_turn(self, now: datetime, last: datetime | None = None) -> datetime | None:
        """Take the next turn while others wait for theirs; return when it was due, None if nobody waits, or too many."""
        condition = Attr("due").gte(_millis(now))
        try:
            item = self.table.update_item(
                Key=self._turns,
                UpdateExpression="SET #due = #due + :one",
                ExpressionAttributeNames={"#due": "due"},
                ExpressionAttributeValues={":one": _millis(OURS.interval)},
                ConditionExpression=condition & Attr("due").lte(_millis(last)) if last else condition,
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except ClientError as error:
            if is_refusal(error):
                return None
            raise
        return datetime.fromtimestamp(int(str(item["due"])) / 1000, UTC) - OURS.interval

    def _first_turn(self, now: datetime) -> bool:
        """Take a turn at once, if nobody waits."""
        due = {"due": _millis(due_after(None, now))}
        return self._put_new(self._turns["pk"], self._turns["sk"], due, or_if=Attr("due").lt(_millis(now)))

    def _turns_due(self) -> datetime | None:
        item = self._get(self._turns["pk"], self._turns["sk"])
        return datetime.fromtimestamp(int(item["due"]) / 1000, UTC) if item else None

    @property
    def _turns(self) -> dict[str, str]:
        return {"pk": f"now#{self.platform}", "sk": "turns"}

    # Promises

    def promise(self, hold: Hold) -> bool:
        """Keep a hold; say False if it is there already."""
        kept = {"body": pack(hold), "expires_at": self._expiry(hold.until, timedelta(days=1))}
        return self._put_new(f"holds#{self.platform}", hold.id, kept)

    def hold(self, hold_id: str) -> Hold | None:
        """Return one hold."""
        item = self._get(f"holds#{self.platform}", hold_id)
        return unpack(item["body"], Hold) if item else None

    def release_hold(self, hold_id: str) -> None:
        """End a promise before its time; what it held is no longer kept for it."""
        self.table.delete_item(Key={"pk": f"holds#{self.platform}", "sk": hold_id})

    def holds(self, now: datetime) -> list[Hold]:
        """Return the holds that are not over."""
        held = [unpack(item["body"], Hold) for item in self._query(f"holds#{self.platform}")]
        return [hold for hold in held if hold.until > now]

    # History

    def tell(self, event: Event) -> None:
        """Keep an event."""
        at = stamp(event.at)
        self._put(
            f"events#{self.platform}#{at[:10]}",
            f"{at}#{uuid.uuid4().hex[:8]}",
            {
                "kind": event.kind,
                "reason": event.reason,
                "by": event.by,
                "expires_at": self._expiry(event.at, HISTORY_KEPT),
            }
            | ({"topic": event.topic} if event.topic else {})
            | ({"about": event.about} if event.about else {})
            | ({"node": event.node, "node_key": f"{self.platform}#{event.node}"} if event.node else {}),
        )

    def event(self, pk: str, sk: str) -> Event | None:
        """Return one event by its key, as the table's stream names it."""
        item = self._get(pk, sk)
        return _event(item) if item else None

    def events(self, day: str, newest: int | None = None) -> list[Event]:
        """Return a day's events (`2026-03-02`), newest first, all or the newest few."""
        return [_event(item) for item in self._query(f"events#{self.platform}#{day}", newest)]

    def history(self, last: date, days: int, *, node: str = "", kind: str = "") -> Iterator[Event]:
        """Yield the events of so many days, the newest first; of one node, of kinds that begin so."""
        for number in range(days):
            for event in self.events(f"{last - timedelta(days=number):%Y-%m-%d}"):
                if node in {"", event.node} and event.kind.startswith(kind):
                    yield event

    def happened(self, since: datetime, now: datetime) -> Iterator[Happened]:
        """Yield every event after a time, the oldest first."""
        day = since.date()
        while day <= now.date():
            key = Key("pk").eq(f"events#{self.platform}#{day:%Y-%m-%d}") & Key("sk").gt(stamp(since))
            for item in self._pages(key, ScanIndexForward=True):
                event = _event(item)
                yield Happened(
                    id=item["sk"],
                    at=event.at,
                    kind=event.kind,
                    reason=event.reason,
                    node=event.node,
                    topic=event.topic,
                    about=event.about,
                )
            day += timedelta(days=1)

    def memo(self) -> Memo:
        """Return what people were told of, and what they are still to be told."""
        item = self._get(f"now#{self.platform}", "told")
        return unpack(item["body"], Memo) if item else Memo()

    def keep_memo(self, memo: Memo) -> None:
        """Remember it for the next look."""
        self._put(f"now#{self.platform}", "told", {"body": pack(memo)})

    def events_of(self, node: str, newest: int) -> list[Event]:
        """Return a node's newest events, the newest first."""
        page = self.table.query(
            IndexName="by_node",
            KeyConditionExpression=Key("node_key").eq(f"{self.platform}#{node}"),
            ScanIndexForward=False,
            Limit=newest,
        )
        return [_event(item) for item in page["Items"]]

    def lifetime_began(self, node: str, launched_at: datetime, by: str, reason: str) -> bool:
        """Open a lifetime, once; say False if it was known."""
        kept = {"started_by": by, "start_reason": reason, "expires_at": self._expiry(launched_at, HISTORY_KEPT)}
        return self._put_new(f"lifetimes#{self.platform}#{node}", stamp(launched_at), kept)

    def lifetime_note(self, node: str, launched_at: datetime, **facts: str | int | datetime) -> None:
        """Add to a lifetime what has become known of it."""
        values = {name: stamp(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()}
        self.table.update_item(
            Key={"pk": f"lifetimes#{self.platform}#{node}", "sk": stamp(launched_at)},
            UpdateExpression="SET " + ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )

    def lifetimes(self, node: str) -> list[dict[str, Any]]:
        """Return a node's lifetimes, newest first."""
        return [
            {name: int(value) if hasattr(value, "as_tuple") else value for name, value in item.items() if name != "pk"}
            for item in self._query(f"lifetimes#{self.platform}#{node}")
        ]

    # DynamoDB

    def _expiry(self, begin: datetime, kept: timedelta) -> int:
        return int((begin + kept).timestamp())

    def _put(self, pk: str, sk: str, attributes: dict[str, Any]) -> None:
        self.table.put_item(Item={"pk": pk, "sk": sk, **attributes})

    def _put_new(self, pk: str, sk: str, attributes: dict[str, Any], or_if: Any = None) -> bool:
        """Put an item unless it is there already (or `or_if` holds for it); say whether it was put."""
        absent = Attr("pk").not_exists()
        try:
            self.table.put_item(
                Item={"pk": pk, "sk": sk, **attributes}, ConditionExpression=absent | or_if if or_if else absent
            )
        except ClientError as error:
            if is_refusal(error):
                return False
            raise
        return True

    def _put_request(self, pk: str, sk: str, attributes: dict[str, Any], **guard: Any) -> Any:
        request: dict[str, Any] = {"TableName": self.table_name, "Item": {"pk": pk, "sk": sk, **attributes}}
        if guard:
            request |= {
                "ConditionExpression": guard["Condition"],
                "ExpressionAttributeNames": guard["Names"],
                "ExpressionAttributeValues": guard["Values"],
            }
        return {"Put": request}

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        return self.table.get_item(Key={"pk": pk, "sk": sk}, ConsistentRead=True).get("Item")

    def _query(self, pk: str, newest: int | None = None) -> list[dict[str, Any]]:
        pages = self._pages(Key("pk").eq(pk), ScanIndexForward=False, **({"Limit": newest} if newest else {}))
        return list(islice(pages, newest))

    def _pages(self, key: Any, **more: Any) -> Iterator[dict[str, Any]]:
        while True:
            page = self.table.query(KeyConditionExpression=key, ConsistentRead=True, **more)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            more["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _update(self, node: str, values: dict[str, Any], condition: Condition | None) -> dict[str, Any]:
        sets = {name: value for name, value in values.items() if value is not None}
        removes = [name for name, value in values.items() if value is None]
        expression = ("SET " + ", ".join(f"#{name} = :{name}" for name in sets) if sets else "") + (
            " REMOVE " + ", ".join(f"#{name}" for name in removes) if removes else ""
        )
        more: dict[str, Any] = {"ConditionExpression": _attr(condition)} if condition else {}
        if sets:
            more["ExpressionAttributeValues"] = {f":{name}": value for name, value in sets.items()}
        try:
            return self.table.update_item(
                Key={"pk": f"nodes#{self.platform}", "sk": node},
                UpdateExpression=expression.strip(),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ReturnValues="ALL_NEW",
                **more,
            )["Attributes"]
        except ClientError as error:
            if is_refusal(error):
                raise ClaimLostError(f"The claim on {node} is not ours any more, or its plan has changed") from error
            raise


def _attr(condition: Condition) -> ConditionBase:
    """Write a condition of the domain in DynamoDB's terms."""
    return reduce(and_, (reduce(or_, map(_comparison, line)) for line in condition))


def _comparison(one: Comparison) -> ConditionBase:
    field = Attr(one.field)
    match one.compare:
        case Compare.ABSENT:
            return field.not_exists()
        case Compare.IS:
            return field.eq(_written(one.value))
        case Compare.AT_MOST:
            return field.lte(_written(one.value))
        case Compare.AFTER:
            return field.gt(_written(one.value))


def _written(fact: Fact | None) -> str | int | None:
    if isinstance(fact, datetime):
        return stamp(fact)
    return str(fact) if isinstance(fact, str) else fact  # boto3 takes no enumeration for a string


def _millis(time: datetime | timedelta) -> int:
    """Write a time, or a stretch of it, as a number that DynamoDB can add to."""
    seconds = time.timestamp() if isinstance(time, datetime) else time.total_seconds()
    return round(1000 * seconds)


def _decimal(number: float) -> Decimal:
    return Decimal(str(round(number, 1)))


def _memory(item: dict[str, Any]) -> Memory:
    until = moment(item.get("claim_until"))
    return Memory(
        node=item["sk"],
        wanted=Wanted(item["wanted"]) if item.get("wanted") else None,
        version=int(item.get("version", 0)),
        reason=item.get("reason", ""),
        claim=(
            Claim(token=item["claim_token"], action=Action(item["claim_action"]), until=until)
            if until and item.get("claim_token")
            else None
        ),
        rests_until=moment(item.get("rests_until")),
        wanted_at=moment(item.get("wanted_at")),
        closed_at=moment(item.get("closed_at")),
        opened_at=moment(item.get("opened_at")),
        failed_at=moment(item.get("failed_at")),
        given_up_at=moment(item.get("given_up_at")),
        start_asked_at=moment(item.get("start_asked_at")),
        stop_asked_at=moment(item.get("stop_asked_at")),
        stopped_at=moment(item.get("stopped_at")),
        refused_since=moment(item.get("refused_since")),
        refused_why=item.get("refused_why") or "",
        lifetime=moment(item.get("lifetime")),
        meddled_at=moment(item.get("meddled_at")),
        hd=int(item["hd"]) if item.get("hd") else None,
        boots=tuple(None if boot is None else float(boot) for boot in item.get("boots", ())),
    )


def _event(item: dict[str, Any]) -> Event:
    at = datetime.fromisoformat(item["sk"].partition("#")[0])
    return Event(
        at=at,
        kind=item["kind"],
        reason=item["reason"],
        by=item["by"],
        node=item.get("node", ""),
        topic=item.get("topic", ""),
        about=item.get("about", ""),
        id=item["sk"],
    )
