"""Plans in their chain, each with what it was made from, and what it wants of the nodes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from boto3.dynamodb.conditions import ConditionExpressionBuilder, Key
from botocore.exceptions import ClientError

from headroom.adapters.ledger.codec import (
    FORMAT,
    as_condition,
    moment,
    or_none,
    pack,
    read,
    readable,
    stamp,
    time,
    unpack,
    words,
)
from headroom.adapters.ledger.conflicts import refused_at
from headroom.adapters.ledger.errors import SupersededError, UnreadableRecordError
from headroom.adapters.ledger.load import Load
from headroom.domain.demand.forecasting import quarter_of
from headroom.domain.fleet.fleet import Source
from headroom.domain.history import kept
from headroom.domain.history.chain import Head, Kept, Link, after, digest_of
from headroom.domain.history.record import Decision, Planned
from headroom.domain.planning.plans import Change, Plan
from headroom.domain.policy import Mode
from headroom.domain.safety.claims import FIRST_LEASE, taking
from headroom.domain.safety.permission import NOT_PLANNED_YET, NotNowError

BEFORE = datetime.min.replace(tzinfo=UTC)
EC2_BEFORE = "EC2 cannot be read"  # version 0.1 marked a decision this way when EC2 could not be read
TRANSACTION = 100  # items that one DynamoDB transaction holds


def _without_outlooks(decision: Decision) -> Decision:
    seen = decision.observation
    foreseen = digest_of(msgspec.json.encode(seen.outlooks)) if seen.outlooks else ""
    return replace(decision, observation=replace(seen, outlooks=()), foreseen=foreseen)


class Plans(Load):
    """Plans in their chain, each with what it was made from, and what it wants of the nodes."""

    def last_plan(self) -> Planned | None:
        """Return the newest plan; of one that cannot be read, a plan that knows nothing, so that the chain goes on."""
        item = self._get(f"now#{self.platform}", "plan")
        if item is None:
            return None
        try:
            return read(item, _planned)
        except UnreadableRecordError as error:
            return _stands_in(item, error)

    def plan(self) -> Plan:
        """Return the newest plan; raise NotNowError while there is none."""
        if planned := self.last_plan():
            return planned.plan
        raise NotNowError(NOT_PLANNED_YET)

    def keep_plan(
        self, decision: Decision, last: Planned | None, changes: Sequence[tuple[Change, str]]
    ) -> list[tuple[Change, str]]:
        """Keep a plan, what it wants and its claims; return the changes whose claim was written, with their tokens.

        Raise SupersededError if another plan was made since the `last`. A node that someone claimed meanwhile is left
        out. More changes than a transaction holds are written in further ones; a crash between them leaves nodes as
        they are, for the next plan.
        """
        at, body = decision.plan.at, pack(_without_outlooks(decision))
        link = after(last.head if last else None, at, body)
        chained = {
            "number": link.number,
            "digest": link.digest,
            "previous": link.previous,
            "previous_at": stamp(link.previous_at) if link.previous_at else "",
        }
        more = {"expires_at": self._expiry(at, kept.PLANS), "reason": decision.plan.reason}
        planned: list[Any] = [
            self._put_request(f"plan#{self.platform}", stamp(at), {"body": body, **chained, **more}),
            self._put_request(
                f"now#{self.platform}",
                "plan",
                {"body": pack(decision.plan), "at": stamp(at), "number": link.number, "digest": link.digest},
                Condition="attribute_not_exists(#n) OR #n = :after",
                Names={"#n": "number"},
                Values={":after": self._number_after(last)},
            ),
        ]
        if last and last.digest and last.plan.at.date() != at.date():
            facts = {"number": last.number, "digest": last.digest, "at": stamp(last.plan.at)}
            planned.append(self._put_request(f"heads#{self.platform}", f"{last.plan.at:%Y-%m-%d}", facts))
        written: list[tuple[Change, str]] = []
        waiting = list(changes)
        while planned or waiting:
            chunk = waiting[: TRANSACTION - len(planned)]
            waiting = waiting[len(chunk) :]
            lost = self._transact(planned, chunk, decision)
            written += [pair for pair in chunk if pair not in lost]
            planned = []
        return written

    def _number_after(self, last: Planned | None) -> object:
        """Return the number that the newest plan still has if no other was made since the `last`, as it is written there."""
        if last is None or not last.unread:
            return last.number if last else 0
        item = self._get(f"now#{self.platform}", "plan") or {}
        if or_none(item, _planned):
            raise SupersededError("Another plan was made meanwhile")
        return item.get("number", last.number)

    def _transact(
        self, planned: list[Any], chunk: list[tuple[Change, str]], decision: Decision
    ) -> list[tuple[Change, str]]:
        """Write one chunk of changes; leave out those whose claim is refused, or in another's hands, and return them."""
        lost: list[tuple[Change, str]] = []
        while True:
            left = [pair for pair in chunk if pair not in lost]
            requests = planned + [self._want_request(change, token, decision) for change, token in left]
            if not requests:
                return lost
            try:
                self.table.meta.client.transact_write_items(TransactItems=requests)
            except ClientError as error:
                refused = refused_at(error)
                if not refused:
                    raise
                if refused[0] < len(planned):
                    raise SupersededError("Another plan was made meanwhile") from error
                lost += [left[index - len(planned)] for index in refused]
            else:
                return lost

    def _want_request(self, change: Change, token: str, decision: Decision) -> Any:
        """One node's new wanted state; with a claim, unless a workflow is at work on it and will turn round by itself."""
        memory = decision.commitments.memory(change.node)
        now = decision.plan.at
        taken = taking(memory, change.action, now)
        sets: dict[str, Any] = {
            "v": FORMAT,
            "node": change.node,
            "wanted": str(change.action.wanted),
            "version": memory.version + 1,
            "wanted_at": stamp(now),
            "reason": change.reason,
        }
        if taken.claims:
            sets |= {
                "claim_token": token,
                "claim_action": str(change.action),
                "claim_until": stamp(now + FIRST_LEASE),
            }
        condition = ConditionExpressionBuilder().build_expression(as_condition(taken.condition))
        return {
            "Update": {
                "TableName": self.table_name,
                "Key": {"pk": f"nodes#{self.platform}", "sk": change.node},
                "UpdateExpression": "SET "
                + ", ".join(f"#{name} = :{name}" for name in sets)
                + (" REMOVE #rests_until" if taken.claims else ""),
                "ExpressionAttributeNames": {
                    **{f"#{name}": name for name in ([*sets, "rests_until"] if taken.claims else sets)},
                    **condition.attribute_name_placeholders,
                },
                "ExpressionAttributeValues": {
                    **{f":{name}": value for name, value in sets.items()},
                    **condition.attribute_value_placeholders,
                },
                "ConditionExpression": condition.condition_expression,
            }
        }

    def decisions(self, since: datetime, until: datetime) -> Iterator[Decision]:
        """Yield what every plan of a stretch of time was made from, the oldest first."""
        between = Key("sk").between(stamp(since), stamp(until))
        for item in self._pages(Key("pk").eq(f"plan#{self.platform}") & between, ScanIndexForward=True):
            if decision := or_none(item, _decision):
                yield self._complete(decision)

    def _complete(self, decision: Decision) -> Decision:
        """Put the outlooks back that are kept beside the plans."""
        outlooks = tuple(self.outlooks(quarter_of(decision.plan.at))) if decision.foreseen else ()
        seen = decision.observation
        silent = Source.EC2 if seen.unreachable.startswith(EC2_BEFORE) else seen.silent
        return replace(decision, observation=replace(seen, outlooks=outlooks, silent=silent))

    def decision_at(self, time: datetime) -> Decision | None:
        """Return the decision in force at a time; None if it has expired, or was never made."""
        until = Key("pk").eq(f"plan#{self.platform}") & Key("sk").lte(stamp(time))
        for item in self._pages(until, ScanIndexForward=False, Limit=1):
            return self._complete(read(item, _decision))
        return None

    def chain(self) -> Iterator[Kept | str]:
        """Yield every plan in the chain that is still there, the oldest first; for one that cannot be read, which and why."""
        for item in self._pages(Key("pk").eq(f"plan#{self.platform}"), ScanIndexForward=True):
            try:
                yield read(item, _kept)
            except UnreadableRecordError as error:
                yield f"{error.name}: {error.why}"

    def foreseen(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, bool]]:
        """Yield when each plan with a forecast was made, and whether its kept forecast is unchanged."""
        digests: dict[datetime, str] = {}
        between = Key("pk").eq(f"plan#{self.platform}") & Key("sk").between(stamp(since), stamp(until))
        for item in self._pages(between, ScanIndexForward=True):
            decision = or_none(item, _decision)
            if decision is None or not decision.foreseen:
                continue
            quarter = quarter_of(decision.plan.at)
            if quarter not in digests:
                digests[quarter] = digest_of(msgspec.json.encode(tuple(self.outlooks(quarter))))
            yield decision.plan.at, digests[quarter] == decision.foreseen

    def heads(self) -> dict[date, Head]:
        """Return the last plan of each day, for all days."""
        return dict(readable(self._query(f"heads#{self.platform}"), _head)[0])


def _decision(item: dict[str, Any]) -> Decision:
    return unpack(item["body"], Decision)


def _kept(item: dict[str, Any]) -> Kept:
    link = Link(
        number=_whole(item.get("number", 0)),
        at=time(item["sk"]),
        content=digest_of(bytes(item["body"])),
        previous=words(item, "previous"),
        previous_at=moment(item.get("previous_at")),
    )
    return Kept(link=link, digest=words(item, "digest"))


def _head(item: dict[str, Any]) -> tuple[date, Head]:
    head = Head(number=_whole(item["number"]), digest=words(item, "digest"), at=time(item["at"]))
    return date.fromisoformat(item["sk"]), head


def _planned(item: dict[str, Any]) -> Planned:
    return Planned(number=_whole(item["number"]), plan=unpack(item["body"], Plan), digest=str(item.get("digest", "")))


def _whole(number: Any) -> int:
    if int(number) != number:
        raise ValueError(f"{number} is no whole number")
    return int(number)


def _stands_in(item: dict[str, Any], error: UnreadableRecordError) -> Planned:
    """Return what stands in for a newest plan that cannot be read: it has its place in the chain, and knows nothing."""
    nothing = Plan(
        at=or_none(item, lambda item: moment(item["at"])) or BEFORE,
        read_at=BEFORE,
        mode=Mode.OBSERVE,
        changes=(),
        needs=(),
        issues=(),
        frozen="",
        reason=f"It cannot be read: {error.why}",
        nodes=(),
        principals=(),
        overflows=(),
    )
    return Planned(
        number=or_none(item, lambda item: _whole(item["number"])) or 0,
        plan=nothing,
        digest=str(item.get("digest", "")),
        unread=error.why,
    )
