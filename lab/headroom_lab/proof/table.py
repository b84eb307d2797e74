"""The ledger's table in memory: as much of a DynamoDB table as the ledger uses, a thousand times as quick.

Tests do the same to it and to a real table, and compare the results.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from boto3.dynamodb.conditions import ConditionBase
from botocore.exceptions import ClientError

type Item = dict[str, Any]

TOKEN = re.compile(r"\s*(attribute_not_exists|attribute_exists|AND|OR|<=|>=|<>|=|<|>|\(|\)|[#:]?\w+)")
MOST = 400 * 1024  # bytes of an item
KEYS = {"pk": 2048, "sk": 1024, "node_key": 2048}  # the most bytes of each: the table's own, and the index's
TYPES: dict[str, tuple[type, ...]] = {"S": (str,), "N": (int, float, Decimal)}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def size(value: object) -> int:
    """Return about how many bytes DynamoDB counts for a value: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html."""
    match value:
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case dict():
            return 3 + sum(size(name) + size(each) for name, each in value.items())
        case list():
            return 3 + sum(map(size, value))
        case _:
            return 10


def refused(code: str, message: str, **more: Any) -> ClientError:
    """Make the error that the SDK raises."""
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(response, "DynamoDB")


def holds(condition: ConditionBase | None, item: Item) -> bool:
    """Say whether a condition that boto3 built holds for an item."""
    if condition is None:
        return True
    built = condition.get_expression()
    operator, values = built["operator"], built["values"]
    match operator:
        case "AND":
            return all(holds(value, item) for value in values)
        case "OR":
            return any(holds(value, item) for value in values)
        case "NOT":
            return not holds(values[0], item)
    name = values[0].name
    if operator in {"attribute_exists", "attribute_not_exists"}:
        return (name in item) == (operator == "attribute_exists")
    return name in item and _meets(operator, item[name], values[1:])


def _meets(operator: str, there: Any, values: Sequence[Any]) -> bool:
    """Say whether a value that is there meets a comparison; DynamoDB orders no text beside a number."""
    if operator == "attribute_type":
        return isinstance(there, TYPES[values[0]])
    if isinstance(there, str) is not isinstance(values[0], str) or isinstance(there, list):
        return False
    if operator == "begins_with":
        return bool(there.startswith(values[0]))
    return bool(values[0] <= there <= values[1]) if operator == "BETWEEN" else COMPARE[operator](there, values[0])


@dataclass(slots=True)
class Expression:
    """A condition as text, read from left to right; AND binds closer than OR."""

    words: list[str]
    names: dict[str, str]
    values: Item
    item: Item

    def either(self) -> bool:
        """Read alternatives."""
        found = self.both()
        while self.words and self.words[0] == "OR":
            self.words.pop(0)
            found = self.both() or found
        return found

    def both(self) -> bool:
        """Read what must all hold."""
        found = self.one()
        while self.words and self.words[0] == "AND":
            self.words.pop(0)
            found = self.one() and found
        return found

    def one(self) -> bool:
        """Read one comparison, or what is in parentheses."""
        word = self.words.pop(0)
        if word == "(":
            found = self.either()
            self.words.pop(0)
            return found
        if word.startswith("attribute_"):
            name = self._name(self.words[1])
            del self.words[:3]
            return (name in self.item) == (word == "attribute_exists")
        compare, value = self.words.pop(0), self.values[self.words.pop(0)]
        name = self._name(word)
        return name in self.item and COMPARE[compare](self.item[name], value)

    def _name(self, word: str) -> str:
        return self.names.get(word, word)


def holds_text(request: Item, item: Item) -> bool:
    """Say whether a request's condition, as text, holds for an item."""
    words = TOKEN.findall(request.get("ConditionExpression", ""))
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    return not words or Expression(words, names, values, item).either()


@dataclass
class MemoryTable:
    """One table; `touched` is called before each request and may raise what DynamoDB would, `wrote` with each partition key.

    Units: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html.
    """

    touched: Callable[[str], None] = lambda _: None
    wrote: Callable[[str, str], None] = lambda _, __: None
    billed: Callable[[str, float], None] = lambda _, __: None  # told of write and read units
    items: dict[str, dict[str, Item]] = field(default_factory=dict)
    inserted: Callable[[str, str], None] = lambda _, __: None  # what the table's stream tells

    def __post_init__(self) -> None:
        """Offer the client's requests, too."""
        client = SimpleNamespace(transact_write_items=self.transact, batch_get_item=self.batch_get)
        self.meta = SimpleNamespace(client=client)

    def _there(self, key: Item) -> Item:
        return self.items.get(key["pk"], {}).get(key["sk"], {})

    def _store(self, item: Item) -> None:
        if any(not item[name] or len(item[name].encode()) > most for name, most in KEYS.items() if name in item):
            raise refused("ValidationException", "One or more parameter values are not valid: the size of a key")
        if size(item) > MOST:
            raise refused("ValidationException", "Item size has exceeded the maximum allowed size")
        part = self.items.setdefault(item["pk"], {})
        is_new = item["sk"] not in part
        part[item["sk"]] = dict(item)
        if "node_key" in item:
            self.billed("write_units", _kilobytes(item))  # of the index
        if is_new:
            self.inserted(item["pk"], item["sk"])

    def put_item(self, *, Item: Item, ConditionExpression: ConditionBase | None = None) -> Item:
        """Put an item."""
        self.touched("PutItem")
        self.wrote("PutItem", Item["pk"])
        self.billed("write_units", max(_kilobytes(Item), _kilobytes(self._there(Item))))
        if not holds(ConditionExpression, self._there(Item)):
            raise refused("ConditionalCheckFailedException", "The conditional request failed")
        self._store(Item)
        return {}

    def get_item(self, *, Key: Item, ConsistentRead: bool = False, **_: Any) -> Item:
        """Get an item."""
        self.touched("GetItem")
        found = self._there(Key)
        self.billed("read_units", _read_units([found], consistent=ConsistentRead))
        return {"Item": dict(found)} if found else {}

    def delete_item(self, *, Key: Item, ConditionExpression: ConditionBase | None = None) -> Item:
        """Delete an item."""
        self.touched("DeleteItem")
        self.wrote("DeleteItem", Key["pk"])
        self.billed("write_units", _kilobytes(self._there(Key)))
        if not holds(ConditionExpression, self._there(Key)):
            raise refused("ConditionalCheckFailedException", "The conditional request failed")
        self.items.get(Key["pk"], {}).pop(Key["sk"], None)
        return {}

    def query(self, *, KeyConditionExpression: ConditionBase, **more: Any) -> Item:
        """Return the items of one partition, in the order of their sort keys, as one page."""
        self.touched("Query")
        parts = [self.items.get(pk, {}) for pk in _partitions(KeyConditionExpression)] or list(self.items.values())
        found = [item for part in parts for item in part.values() if holds(KeyConditionExpression, item)]
        found.sort(key=lambda item: str(item["sk"]), reverse=not more.get("ScanIndexForward", True))
        found = found[: more.get("Limit")]
        self.billed("read_units", _read_units(found, consistent=more.get("ConsistentRead", False)))
        return {"Items": [dict(item) for item in found]}

    def update_item(self, *, Key: Item, **request: Any) -> Item:
        """Set and remove attributes."""
        self.touched("UpdateItem")
        self.wrote("UpdateItem", Key["pk"])
        there = self._there(Key)
        if not holds(request.get("ConditionExpression"), there):
            raise refused("ConditionalCheckFailedException", "The conditional request failed")
        self._store(_updated({**Key, **there}, request))
        self.billed("write_units", max(_kilobytes(there), _kilobytes(self._there(Key))))
        return {"Attributes": dict(self._there(Key))}

    @contextmanager
    def batch_writer(self) -> Iterator[SimpleNamespace]:
        """Put items one by one."""

        def put(*, Item: Item) -> None:
            self.wrote("BatchWriteItem", Item["pk"])
            self.billed("write_units", _kilobytes(Item))
            self._store(Item)

        self.touched("BatchWriteItem")
        yield SimpleNamespace(put_item=put)

    def transact(self, *, TransactItems: list[Item]) -> Item:
        """Write all or nothing."""
        self.touched("TransactWriteItems")
        requests = [next(iter(each.items())) for each in TransactItems]
        keys = [request["Key"] if kind == "Update" else request["Item"] for kind, request in requests]
        for (kind, _), key in zip(requests, keys, strict=True):
            self.wrote(f"{kind}Item", key["pk"])
        if len({(key["pk"], key["sk"]) for key in keys}) < len(keys):
            raise refused("ValidationException", "Transaction request cannot include multiple operations on one item")
        failed = [not holds_text(request, self._there(key)) for key, (_, request) in zip(keys, requests, strict=True)]
        if any(failed):
            reasons = [{"Code": "ConditionalCheckFailed" if each else "None"} for each in failed]
            raise refused("TransactionCanceledException", "Transaction cancelled", CancellationReasons=reasons)
        for key, (kind, request) in zip(keys, requests, strict=True):
            self._store(_updated({**key, **self._there(key)}, request) if kind == "Update" else request["Item"])
            self.billed("write_units", 2 * _kilobytes(self._there(key)))
        return {}

    def batch_get(self, *, RequestItems: Item) -> Item:
        """Get many items."""
        self.touched("BatchGetItem")
        found = {
            name: [dict(item) for key in asked["Keys"] if (item := self._there(key))]
            for name, asked in RequestItems.items()
        }
        for items in found.values():
            for item in items:
                self.billed("read_units", _read_units([item], consistent=False))
        return {"Responses": found}


def _kilobytes(item: Item) -> int:
    """Return the units of writing an item: a kilobyte each, one at the least."""
    return max(1, -(-size(item) // 1024))


def _read_units(items: list[Item], *, consistent: bool) -> float:
    """Return the units of reading items at once: four kilobytes each, half of that where the answer may lag."""
    return max(1, -(-sum(map(size, items)) // 4096)) / (1 if consistent else 2)


def _partitions(condition: ConditionBase) -> Iterator[str]:
    """Yield the partition key that a key condition names."""
    built = condition.get_expression()
    if built["operator"] == "AND":
        yield from _partitions(built["values"][0])
    elif built["values"][0].name == "pk":
        yield built["values"][1]


def _updated(item: Item, request: Item) -> Item:
    """Apply `SET #a = :a, #b = if_not_exists(#b, :b), #n = #n + :n REMOVE #c`."""
    names, values = request["ExpressionAttributeNames"], request.get("ExpressionAttributeValues", {})
    sets, _, removes = request["UpdateExpression"].partition("REMOVE")
    for target, unless, plus, value in re.findall(r"(#\w+) = (if_not_exists\(#\w+, )?(#\w+ \+ )?(:\w+)", sets):
        name = names[target]
        if not (unless and name in item):
            item[name] = item[name] + values[value] if plus else values[value]
    for name in re.findall(r"#\w+", removes):
        item.pop(names[name], None)
    return item
