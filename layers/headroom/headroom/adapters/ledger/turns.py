"""Turns to ask EC2 to start or stop an instance."""

from datetime import UTC, datetime, timedelta

from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from headroom.adapters.ledger.codec import millis
from headroom.adapters.ledger.errors import is_condition_failed
from headroom.adapters.ledger.table import Rows
from headroom.domain.safety.pace import FARTHEST, RATE, due_after, turn_at


class Turns(Rows):
    """Turns to ask EC2 to start or stop an instance."""

    def turn(self, now: datetime) -> datetime:
        """Take a turn to ask EC2 to start or stop an instance, and return when it is.

        Concurrent callers get different turns: one atomic increment each.
        """
        while True:
            if due := self._add_a_turn(now, last=now + FARTHEST):
                return turn_at(due, now)
            if self._first_turn(now):
                return now

    def turn_within(self, patience: timedelta, now: datetime) -> datetime | None:
        """Take a turn as above; but if it would be more than `patience` from now, take none and return None."""
        while True:
            if due := self._add_a_turn(now, last=now + patience + RATE.burst):
                return turn_at(due, now)
            if self._first_turn(now):
                return now
            if (busy := self._turns_due()) and turn_at(busy, now) > now + patience:
                return None

    def _add_a_turn(self, now: datetime, last: datetime) -> datetime | None:
        """Take the next turn behind others; return its due time, None if nobody waits, or if it would be after `last`."""
        try:
            item = self.table.update_item(
                Key=self._turns,
                UpdateExpression="SET #due = #due + :one",
                ExpressionAttributeNames={"#due": "due"},
                ExpressionAttributeValues={":one": millis(RATE.interval)},
                ConditionExpression=Attr("due").attribute_type("N") & Attr("due").between(millis(now), millis(last)),
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except ClientError as error:
            if is_condition_failed(error):
                return None
            raise
        return datetime.fromtimestamp(int(str(item["due"])) / 1000, UTC) - RATE.interval

    def _first_turn(self, now: datetime) -> bool:
        """Take a turn at once, if nobody waits, or if the turns are further ahead than any could be."""
        due = {"due": millis(due_after(None, now))}
        if self._put_new(
            self._turns["pk"],
            self._turns["sk"],
            due,
            or_if=Attr("due").attribute_type("N") & Attr("due").lt(millis(now)),
        ):
            return True
        odd = ~Attr("due").attribute_type("N") | Attr("due").gt(millis(now + FARTHEST))
        if self._put_new(self._turns["pk"], self._turns["sk"], due, or_if=odd):
            from headroom.observability import logger  # noqa: PLC0415 - it reads the environment, and the command does without it

            logger.warning("the turns for EC2 were further ahead than any could be, or no time, and begin anew")
            return True
        return False

    def _turns_due(self) -> datetime | None:
        item = self._get(self._turns["pk"], self._turns["sk"])
        return datetime.fromtimestamp(int(item["due"]) / 1000, UTC) if item else None

    @property
    def _turns(self) -> dict[str, str]:
        return {"pk": f"now#{self.platform}", "sk": "turns"}
