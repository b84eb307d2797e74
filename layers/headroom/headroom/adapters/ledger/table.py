"""Access to the one table by key: the base of every part of the ledger."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from botocore.config import Config
from botocore.exceptions import ClientError

from headroom.adapters.ledger.codec import FORMAT
from headroom.adapters.ledger.conflicts import ask_again
from headroom.adapters.ledger.errors import is_condition_failed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


class Rows:
    """The table, for one platform; `table` may be a connection that exists already."""

    def __init__(self, table_name: str, platform: str, table: "Table | None" = None) -> None:
        self.table_name = table_name
        self.platform = platform
        if table is not None:
            self.table = table

    @cached_property
    def table(self) -> "Table":
        """Made when first needed."""
        config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=2, read_timeout=5)
        made = boto3.resource("dynamodb", config=config)
        made.meta.client.meta.events.register("needs-retry.dynamodb", ask_again)  # type: ignore[arg-type]  # the stubs know no answer
        return made.Table(self.table_name)

    def _expiry(self, begin: datetime, kept: timedelta) -> int:
        return int((begin + kept).timestamp())

    def _put(self, pk: str, sk: str, attributes: dict[str, Any]) -> None:
        self.table.put_item(Item={"pk": pk, "sk": sk, "v": FORMAT, **attributes})

    def _put_new(self, pk: str, sk: str, attributes: dict[str, Any], or_if: Any = None) -> bool:
        """Put an item unless it is there already (or `or_if` holds for it); say whether it was put."""
        absent = Attr("pk").not_exists()
        try:
            self.table.put_item(
                Item={"pk": pk, "sk": sk, "v": FORMAT, **attributes},
                ConditionExpression=absent | or_if if or_if else absent,
            )
        except ClientError as error:
            if is_condition_failed(error):
                return False
            raise
        return True

    def _delete(self, pk: str, sk: str, only_if: ConditionBase) -> None:
        """Delete an item of which a condition holds, if there is one."""
        try:
            self.table.delete_item(Key={"pk": pk, "sk": sk}, ConditionExpression=only_if)
        except ClientError as error:
            if not is_condition_failed(error):
                raise

    def _put_request(self, pk: str, sk: str, attributes: dict[str, Any], **guard: Any) -> Any:
        request: dict[str, Any] = {
            "TableName": self.table_name,
            "Item": {"pk": pk, "sk": sk, "v": FORMAT, **attributes},
        }
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
