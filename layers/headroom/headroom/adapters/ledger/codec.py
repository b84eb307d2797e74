"""How values are written in the table, and read again."""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any

import msgspec
from boto3.dynamodb.conditions import Attr, ConditionBase

from headroom.adapters.ledger.errors import UnreadableRecordError
from headroom.domain.safety.claims import Compare, Comparison, Condition, Fact
from headroom.domain.texts import line

FORMAT = 1  # of every record; it grows when an earlier version would misread what is written
FIRST_YEAR, LAST_YEAR = 2000, 2200
WHY = 200  # characters of why a record cannot be read
UNREADABLE = (
    zlib.error,
    msgspec.MsgspecError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
ZONELESS = re.compile(rb'"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?"')  # a time, or a text that somebody typed
RENAMED = {b'"meddled_at":': b'"switched_by_others_at":'}  # fields of what is packed: as they were, and as they are


def stamp(moment: datetime) -> str:
    """Write a time so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def wait_until(moment: datetime) -> str:
    """Write the time that a workflow waits for. Step Functions cuts it to the second, and may not wait too short."""
    return stamp(moment + timedelta(microseconds=-moment.microsecond % 1_000_000))


def time(text: str) -> datetime:
    """Read a time that `stamp` wrote; raise ValueError for one that no clock shows, on which arithmetic would fail."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"{text} is no time of ours")
    return found


def moment(text: str | None) -> datetime | None:
    """Read a time that `stamp` wrote, or that is not there."""
    return time(text) if text else None


def words(item: dict[str, Any], name: str) -> str:
    """Read a text, empty if it is not there; raise TypeError for anything else."""
    found = item.get(name)
    if found is None or isinstance(found, str):
        return found or ""
    raise TypeError(f"{name} is no text")


def pack(value: object) -> bytes:
    """Encode and compress a value of ours."""
    return zlib.compress(msgspec.json.encode(value), level=9)


def unpack[T](body: Any, kind: type[T]) -> T:
    """Read what `pack` wrote, here or in an earlier version; raise ValueError where a time has no zone, as none of ours has."""
    text = zlib.decompress(bytes(body))
    for then, now in RENAMED.items():
        text = text.replace(then, now)  # a key: inside a string its quotes would be escaped
    found = msgspec.json.decode(text, type=kind)
    if ZONELESS.search(text) and any(each.tzinfo is None for each in _times(found)):
        raise ValueError("a time in it has no zone")
    return found


def _times(value: object) -> Iterator[datetime]:
    """Yield every time in a value of ours."""
    if isinstance(value, datetime):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _times(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _times(each)
    elif isinstance(value, dict):
        yield from _times([*value, *value.values()])


def read[T](item: dict[str, Any], how: Callable[[dict[str, Any]], T]) -> T:
    """Read a record of the table; raise UnreadableRecordError for one that this version cannot read."""
    try:
        if int(item.get("v", FORMAT)) > FORMAT:
            raise ValueError(f"a newer version of Headroom wrote it (format {item['v']})")
        return how(item)
    except UNREADABLE as error:
        why = line(str(error), WHY) or type(error).__name__
        raise UnreadableRecordError(str(item.get("pk")), str(item.get("sk")), why) from error


def or_none[T](item: dict[str, Any] | None, how: Callable[[dict[str, Any]], T | None]) -> T | None:
    """Read a record; return None where there is none, and for one that cannot be read and is written anew by itself."""
    try:
        return read(item, how) if item else None
    except UnreadableRecordError:
        return None


def readable[T](
    items: Iterable[dict[str, Any]], how: Callable[[dict[str, Any]], T]
) -> tuple[list[T], list[UnreadableRecordError]]:
    """Read records; set those aside that cannot be read."""
    found: list[T] = []
    unread: list[UnreadableRecordError] = []
    for item in items:
        try:
            found.append(read(item, how))
        except UnreadableRecordError as error:
            unread.append(error)
    return found, unread


def built(result: object) -> dict[str, Any]:
    """Write what a step of a workflow returns as Lambda takes it."""
    made: dict[str, Any] = msgspec.to_builtins(result)
    return made


def millis(time: datetime | timedelta) -> int:
    """Write a time, or a stretch of it, as a number that DynamoDB can add to."""
    seconds = time.timestamp() if isinstance(time, datetime) else time.total_seconds()
    return round(1000 * seconds)


def decimal(number: float) -> Decimal:
    """Write a number as DynamoDB takes it, to one place."""
    return Decimal(str(round(number, 1)))


def as_condition(condition: Condition) -> ConditionBase:
    """Write a condition of the domain in DynamoDB's terms."""
    return reduce(and_, (reduce(or_, map(_compared, line)) for line in condition))


def _compared(one: Comparison) -> ConditionBase:
    field = Attr(one.field)
    match one.compare:
        case Compare.ABSENT:
            return field.not_exists()
        case Compare.IS:
            return field.eq(written(one.value))
        case Compare.AT_MOST:
            return field.lte(written(one.value))
        case Compare.AFTER:
            return field.gt(written(one.value))


def written(fact: Fact | None) -> str | int | None:
    """Write one fact of a condition."""
    if isinstance(fact, datetime):
        return stamp(fact)
    return str(fact) if isinstance(fact, str) else fact  # boto3 takes no enumeration for a string
