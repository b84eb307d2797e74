"""Promises of capacity, and what holds Headroom still."""

from datetime import datetime
from typing import Any

from headroom.adapters.ledger.codec import moment, pack, read, readable, stamp, unpack
from headroom.adapters.ledger.errors import UnreadableRecordError
from headroom.adapters.ledger.table import Rows
from headroom.domain.fleet.lifecycle import Hold, Pause, Pausing, Record, Unread
from headroom.domain.history import kept


class Holds(Rows):
    """Promises of capacity, and what holds Headroom still."""

    def promise(self, hold: Hold) -> bool:
        """Keep a hold; return False if it is there already."""
        promised = {"body": pack(hold), "expires_at": self._expiry(hold.until, kept.HOLDS)}
        return self._put_new(f"holds#{self.platform}", hold.id, promised)

    def hold(self, hold_id: str) -> Hold | None:
        """Return one hold."""
        item = self._get(f"holds#{self.platform}", hold_id)
        return read(item, lambda item: unpack(item["body"], Hold)) if item else None

    def release_hold(self, hold_id: str) -> None:
        """End a promise before its time; its nodes are no longer held."""
        self.table.delete_item(Key={"pk": f"holds#{self.platform}", "sk": hold_id})

    def holds(self, now: datetime) -> list[Hold]:
        """Return the holds that are not over, and that can be read."""
        return self.holds_and_unread(now)[0]

    def holds_and_unread(self, now: datetime) -> tuple[list[Hold], list[Unread]]:
        """Return the holds that are not over, and those that cannot be read."""
        held, unread = readable(self._query(f"holds#{self.platform}"), lambda item: unpack(item["body"], Hold))
        told = [Unread(what=Record.PROMISE, name=each.name, why=each.why) for each in unread]
        return [hold for hold in held if not hold.is_over(now)], told

    def pause(self, now: datetime) -> Pause | None:
        """Return the pause, None if there is none or it is over; one with a `reason` alone, or unreadable, pauses everything."""
        item = self._get(f"now#{self.platform}", "pause")
        if item is None:
            return None
        try:
            pause = read(item, _pause)
        except UnreadableRecordError as error:
            return Pause(reason=f"{error}. `headroom resume` deletes it")
        return None if pause.is_over(now) else pause

    def keep_pause(self, pause: Pause, now: datetime) -> None:
        """Pause: the next plan, and every step of a workflow, obeys."""
        facts = {"reason": pause.reason, "by": pause.by, "since": stamp(pause.since or now)}
        facts |= {"until": stamp(pause.until)} if pause.until else {}
        self._put(f"now#{self.platform}", "pause", facts | {"holding": str(pause.holding)})

    def end_pause(self) -> None:
        """End a pause."""
        self.table.delete_item(Key={"pk": f"now#{self.platform}", "sk": "pause"})


def _pause(item: dict[str, Any]) -> Pause:
    return Pause(
        reason=str(item.get("reason") or "no reason given"),
        by=str(item.get("by", "")),
        since=moment(item.get("since")),
        holding=Pausing(item.get("holding", Pausing.EVERYTHING)),
        until=moment(item.get("until")),
    )
