"""Events, lifetimes, and what people were told of them."""

import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from headroom.adapters.ledger.codec import moment, or_none, pack, readable, stamp, time, unpack, words
from headroom.adapters.ledger.conflicts import is_refused_by_condition
from headroom.adapters.ledger.errors import is_condition_failed
from headroom.adapters.ledger.table import Rows
from headroom.domain.fleet.lifecycle import Life, Record, Unread
from headroom.domain.history import kept
from headroom.domain.history.events import Event, Kind
from headroom.domain.history.lifetimes import SUPPOSED, Lifetime
from headroom.domain.people.telling import Memo
from headroom.domain.texts import REASON, line


class History(Rows):
    """Events, lifetimes, and what people were told of them."""

    def write(self, event: Event) -> None:
        """Keep an event."""
        at = stamp(event.at)
        self._put(
            f"events#{self.platform}#{at[:10]}",
            f"{at}#{uuid.uuid4().hex[:8]}",
            {
                "kind": event.kind,
                "reason": line(event.reason),
                "by": line(event.by, REASON),
                "expires_at": self._expiry(event.at, kept.HISTORY),
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
        return readable(self._query(f"events#{self.platform}#{day}", newest), _event)[0]

    def history(self, last: date, days: int, *, node: str = "", kind: str = "") -> Iterator[Event]:
        """Yield the events of the last `days` days, the newest first; only of `node`, and of kinds that begin with `kind`."""
        for number in range(days):
            for event in self.events(f"{last - timedelta(days=number):%Y-%m-%d}"):
                if node in {"", event.node} and event.kind.startswith(kind):
                    yield event

    def happened(self, since: datetime, now: datetime) -> Iterator[Event]:
        """Yield every event after a time, the oldest first."""
        day = since.date()
        while day <= now.date():
            key = Key("pk").eq(f"events#{self.platform}#{day:%Y-%m-%d}") & Key("sk").gt(stamp(since))
            yield from readable(self._pages(key, ScanIndexForward=True), _event)[0]
            day += timedelta(days=1)

    def memo(self) -> Memo:
        """Return what people were told of, and what they are still to be told."""
        item = self._get(f"now#{self.platform}", "told")
        return or_none(item, lambda item: unpack(item["body"], Memo)) or Memo()

    def keep_memo(self, memo: Memo) -> None:
        """Keep the memo for the next run of `notify`."""
        self._put(f"now#{self.platform}", "told", {"body": pack(memo)})

    def events_of(self, node: str, newest: int) -> list[Event]:
        """Return a node's newest events, the newest first."""
        page = self.table.query(
            IndexName="by_node",
            KeyConditionExpression=Key("node_key").eq(f"{self.platform}#{node}"),
            ScanIndexForward=False,
            Limit=newest,
        )
        return readable(page["Items"], _event)[0]

    def lifetime_began(self, life: Life, by: str, reason: str) -> None:
        """Open a lifetime; one that is known already keeps what it says, but for an end that was only supposed."""
        if not self._opens(life, by, reason):
            self._put(f"on#{self.platform}", life.instance, _as_open(life))
            self._goes_on(life)  # last, as whoever dies before it leaves a lifetime that a plan ends again

    def lifetime_was(self, life: Life, by: str, reason: str) -> None:
        """Open a lifetime of which only its end is told; one that is known already stays as it is."""
        self._opens(life, by, reason)

    def _opens(self, life: Life, by: str, reason: str) -> bool:
        """Open a lifetime unless it is known already; say whether it was not. All of it is written, or nothing.

        Half of it would be opened once more, under the name that the node has by then, and never end under this one.
        """
        begun = {
            "instance": life.instance,
            "started_by": by,
            "start_reason": reason,
            "expires_at": self._expiry(life.launched_at, kept.HISTORY),
        }
        row = self._put_request(f"lifetimes#{self.platform}#{life.node}", stamp(life.launched_at), begun)
        row["Put"]["ConditionExpression"] = "attribute_not_exists(pk)"
        is_on = self._put_request(f"on#{self.platform}", life.instance, _as_open(life))
        try:
            self.table.meta.client.transact_write_items(TransactItems=[row, is_on])
        except ClientError as error:
            if is_refused_by_condition(error, at=0):
                return False
            raise
        return True

    def _goes_on(self, life: Life) -> None:
        """Take back an end that a plan had supposed: its instance was out of sight, as without its tag, and is on."""
        ends = ("stopped_at", "stopped_by")
        try:
            self.table.update_item(
                Key={"pk": f"lifetimes#{self.platform}#{life.node}", "sk": stamp(life.launched_at)},
                UpdateExpression="REMOVE " + ", ".join(f"#{name}" for name in ends),
                ExpressionAttributeNames={f"#{name}": name for name in ends},
                ConditionExpression=Attr("stopped_by").eq(SUPPOSED),
            )
        except ClientError as error:
            if not is_condition_failed(error):
                raise

    def lifetime_ended(self, life: Life, **facts: str | datetime) -> None:
        """End a lifetime, in one request; the first end that is told stays, in place of one that was only supposed."""
        values = {name: stamp(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()}
        told = facts.get("stopped_by") != SUPPOSED
        is_open = Attr("stopped_at").not_exists()
        try:
            self.table.update_item(
                Key={"pk": f"lifetimes#{self.platform}#{life.node}", "sk": stamp(life.launched_at)},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
                ConditionExpression=is_open | Attr("stopped_by").eq(SUPPOSED) if told else is_open,
            )
        except ClientError as error:
            if not is_condition_failed(error):
                raise
        if life.instance:
            self._delete(f"on#{self.platform}", life.instance, only_if=Attr("launched_at").eq(stamp(life.launched_at)))

    def life(self, instance: str) -> Life | None:
        """Return the open lifetime of an instance."""
        return or_none(self._get(f"on#{self.platform}", instance), _life)

    def lives(self) -> list[Life]:
        """Return all open lifetimes that can be read."""
        return self.lives_and_unread()[0]

    def lives_and_unread(self) -> tuple[list[Life], list[Unread]]:
        """Return all open lifetimes, and those that cannot be read."""
        found, unread = readable(self._query(f"on#{self.platform}"), _life)
        return found, [Unread(what=Record.LIFETIME, name=each.name, why=each.why) for each in unread]

    def lifetime_note(self, node: str, launched_at: datetime, **facts: str | int | datetime) -> None:
        """Add facts to a lifetime; a fact that is there already is not changed."""
        values = {name: stamp(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()}
        self.table.update_item(
            Key={"pk": f"lifetimes#{self.platform}#{node}", "sk": stamp(launched_at)},
            UpdateExpression="SET " + ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )

    def lifetimes(self, node: str) -> list[Lifetime]:
        """Return a node's lifetimes, newest first."""
        return readable(self._query(f"lifetimes#{self.platform}#{node}"), lambda item: _lifetime(node, item))[0]


def _as_open(life: Life) -> dict[str, Any]:
    return {"node": life.node, "launched_at": stamp(life.launched_at)}


def _event(item: dict[str, Any]) -> Event:
    at = time(item["sk"].partition("#")[0])
    return Event(
        at=at,
        kind=Kind.read(words(item, "kind")),
        reason=words(item, "reason"),
        by=words(item, "by"),
        node=words(item, "node"),
        topic=words(item, "topic"),
        about=words(item, "about"),
        id=item["sk"],
    )


def _life(item: dict[str, Any]) -> Life:
    return Life(instance=item["sk"], node=words(item, "node"), launched_at=time(item["launched_at"]))


def _lifetime(node: str, item: dict[str, Any]) -> Lifetime:
    return Lifetime(
        node=node,
        instance=words(item, "instance"),
        launched_at=time(item["sk"]),
        started_by=words(item, "started_by"),
        start_reason=words(item, "start_reason"),
        serving_at=moment(item.get("serving_at")),
        boot_seconds=int(item["boot_seconds"]) if "boot_seconds" in item else None,
        hd=int(item["hd"]) if item.get("hd") else None,
        stopped_at=moment(item.get("stopped_at")),
        stopped_by=words(item, "stopped_by"),
        stop_reason=words(item, "stop_reason"),
    )
