"""What Pexip said, and the leases of those who read it: one at a time."""

from datetime import datetime

from boto3.dynamodb.conditions import Attr, Key

from headroom.adapters.ledger.codec import pack, stamp, unpack
from headroom.adapters.ledger.table import Rows
from headroom.domain.fleet.fleet import Reading
from headroom.domain.history import kept
from headroom.domain.safety.permission import NOT_READ_YET, NotNowError


class Readings(Rows):
    """What Pexip said, and the leases of those who read it: one at a time."""

    def keep_reading(self, reading: Reading) -> None:
        """Keep a reading; its arrival triggers `decide`."""
        body, at = pack(reading), stamp(reading.read_at)
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
        """Return the newest good reading."""
        item = self._get(f"now#{self.platform}", "reading")
        return unpack(item["body"], Reading) if item else None

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

    def take_lease(self, name: str, until: datetime, now: datetime) -> bool:
        """Take a lease, so that one caller runs at a time; return False if somebody else holds it."""
        over = Attr("until").lte(stamp(now))
        return self._put_new(f"now#{self.platform}", f"lease#{name}", {"until": stamp(until)}, or_if=over)
