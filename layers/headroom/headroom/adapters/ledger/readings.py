"""What Pexip said, and the leases of those who read it: one at a time."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import BotoCoreError, ClientError

from headroom import clock
from headroom.adapters.ledger.codec import or_none, pack, stamp, unpack
from headroom.adapters.ledger.table import Rows
from headroom.domain.fleet.fleet import Reading
from headroom.domain.fleet.shortened import shortened
from headroom.domain.history import kept
from headroom.domain.safety.permission import NOT_READ_YET, NotNowError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MOST = 100_000  # bytes of a reading: a plan's item has it once, and what follows from it once more
SHORTER = (100, 30, 10)  # characters to which texts are cut, one length after the other


class Readings(Rows):
    """What Pexip said, and the leases of those who read it: one at a time."""

    def keep_reading(self, reading: Reading) -> None:
        """Keep a reading; its arrival triggers `decide`. What would be too large for a plan's item has its texts cut."""
        body, at = pack(reading), stamp(reading.read_at)
        for most in SHORTER:
            if len(body) > MOST:
                body = pack(shortened(reading, most))
        self._put(f"now#{self.platform}", "reading", {"body": body, "at": at})
        self._put(
            f"snapshot#{self.platform}",
            at,
            {"body": body, "problem": "", "expires_at": self._expiry(reading.read_at, kept.PLANS)},
        )

    def keep_failure(self, problem: str, now: datetime) -> None:
        """Keep that Pexip could not be read. This triggers `decide`, too, whose plan then holds still."""
        self._put(
            f"snapshot#{self.platform}",
            stamp(now),
            {"problem": problem, "expires_at": self._expiry(now, kept.PLANS)},
        )

    def last_reading(self) -> Reading | None:
        """Return the newest good reading, None if there is none that can be read."""
        item = self._get(f"now#{self.platform}", "reading")
        return or_none(item, lambda item: unpack(item["body"], Reading))  # the next minute writes another

    def reading(self) -> Reading:
        """Return the newest good reading; raise NotNowError while there is none."""
        if reading := self.last_reading():
            return reading
        raise NotNowError(NOT_READ_YET)

    def last_problem(self) -> str:
        """Return why the newest reading failed, empty if it did not."""
        page = self.table.query(
            KeyConditionExpression=Key("pk").eq(f"snapshot#{self.platform}"),
            ScanIndexForward=False,
            Limit=1,
            ProjectionExpression="problem",
            ConsistentRead=True,
        )
        return next((str(item["problem"]) for item in page["Items"]), "")

    def lease(self, name: str) -> "Lease":
        """Return the right to do something alone, still to be taken."""
        return Lease(self.table_name, self.platform, self.table, name=name)


LASTS, RENEWED = 10.0, 3.0  # real seconds: what a caller that is killed costs the next one, and when it is renewed
CLOCKS = timedelta(minutes=4)  # by which clocks may differ: a lease that ends later than that was written in error


class Lease(Rows):
    """The right of one caller at a time to do something.

    It ends with its work, through which the caller renews it (`keep`); its time is for one that is killed.
    """

    def __init__(self, table_name: str, platform: str, table: "Table", *, name: str) -> None:
        super().__init__(table_name, platform, table)
        self.key = (f"now#{self.platform}", f"lease#{name}")
        self.until = ""
        self.taken_at = datetime.min.replace(tzinfo=UTC)

    def take(self) -> bool:
        """Take it, or renew it; say whether it is this caller's. One that lasts longer than any, or has no time, is none."""
        now, lasts = clock.now(), clock.network(LASTS)
        until, farthest = stamp(now + lasts), stamp(now + lasts + CLOCKS)
        over, mine = Attr("until").lte(stamp(now)), Attr("until").eq(self.until)
        is_free = ~Attr("until").attribute_type("S") | over | mine | Attr("until").gt(farthest)
        is_mine = self._put_new(*self.key, {"until": until}, or_if=is_free)
        self.until, self.taken_at = (until, now) if is_mine else ("", now)
        return is_mine

    def keep(self) -> bool:
        """Renew it in the midst of work, before what may take seconds; say whether it is still this caller's.

        One that was taken just now is left as it is: most work is done by then.
        """
        if not self.until:
            return False
        if clock.now() - self.taken_at < clock.network(RENEWED):
            return True
        try:
            return self.take()
        except (ClientError, BotoCoreError):
            return True  # for the rest of its time

    def give_back(self) -> None:
        """End it, if it is still this caller's; a failure costs the next caller no more than the rest of its time."""
        with suppress(ClientError, BotoCoreError):
            self._put_new(*self.key, {"until": stamp(clock.now())}, or_if=Attr("until").eq(self.until))
