"""The table in memory does as DynamoDB does, as far as the ledger goes: the same requests to both, the same answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, ConditionExpressionBuilder, Key
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from headroom.adapters.ledger.codec import as_condition
from headroom.domain.safety import claims
from headroom_lab.proof.table import MemoryTable
from tests.integration.conftest import make_table
from tests.support.builders import NOW

FIELDS = ("version", "claim_token", "claim_until", "wanted", "rests_until")
VALUES = {
    "version": st.integers(1, 3),
    "claim_token": st.sampled_from(["stop-1", "start-2"]),
    "claim_until": st.sampled_from(["2026-03-02T07:59:00.000000Z", "2026-03-02T08:00:00.000000Z", "2026-03-02T09:00Z"]),
    "wanted": st.sampled_from(["off", "open"]),
    "rests_until": st.sampled_from(["2026-03-02T07:00Z", "2026-03-02T09:00Z"]),
}
ITEMS = st.fixed_dictionaries({}, optional=VALUES)
CONDITIONS = st.sampled_from(
    [
        claims.is_free(NOW),
        claims.is_claimed_by("stop-1"),
        claims.is_unclaimed(),
        claims.is_resting("stop-1", NOW),
        claims.is_unchanged(0),
        claims.is_unchanged(2),
        claims.is_unchanged(2) + claims.is_free(NOW),
        claims.is_the_last_word("stop-1", 2, NOW),
    ]
)


@pytest.fixture(scope="module")
def real() -> Iterator[Any]:
    with mock_aws():
        yield make_table()


def outcome(table: Any, do: Any) -> Any:
    try:
        return do(table)
    except ClientError as error:
        return error.response["Error"]["Code"], [
            reason["Code"] for reason in error.response.get("CancellationReasons", [])
        ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ITEMS, CONDITIONS, ITEMS)
def test_conditions_on_claims_mean_the_same_to_both_and_to_the_domain(
    real: Any, there: dict[str, Any], condition: claims.Condition, new: dict[str, Any]
) -> None:
    key = {"pk": "nodes#m", "sk": "burst-1"}
    memory = MemoryTable()
    built = ConditionExpressionBuilder().build_expression(as_condition(condition))
    update: Any = {
        "TableName": "ledger",
        "Key": key,
        "UpdateExpression": "SET #a = :a REMOVE #wanted",
        "ExpressionAttributeNames": {"#a": "a", "#wanted": "wanted", **built.attribute_name_placeholders},
        "ExpressionAttributeValues": {":a": 1, **built.attribute_value_placeholders},
        "ConditionExpression": built.condition_expression,
    }
    for table in (real, memory):
        table.delete_item(Key=key)
        table.put_item(Item=key | there)
    written = [
        outcome(table, lambda t: t.meta.client.transact_write_items(TransactItems=[{"Update": update}]))
        for table in (real, memory)
    ]
    assert isinstance(written[0], tuple) == isinstance(written[1], tuple)
    assert claims.is_met(as_text(condition), there) == (not isinstance(written[1], tuple))
    put = [
        outcome(table, lambda t: t.put_item(Item=key | new, ConditionExpression=as_condition(condition)) and None)
        or None
        for table in (real, memory)
    ]
    assert put[0] == put[1]
    assert real.get_item(Key=key).get("Item") == memory.get_item(Key=key).get("Item")


def as_text(condition: claims.Condition) -> claims.Condition:
    """The same condition on what DynamoDB holds: times as text."""
    from headroom.adapters.ledger.codec import written  # noqa: PLC0415

    return tuple(
        tuple(claims.Comparison(one.field, one.compare, written(one.value)) for one in line) for line in condition
    )


IS_TEXT, IS_NUMBER = Attr("x").attribute_type("S"), Attr("x").attribute_type("N")


@pytest.mark.parametrize("there", ["2000", "soon", 7, 10**15, [1], None])
@pytest.mark.parametrize(
    "condition",
    [
        ~IS_TEXT | Attr("x").gt("2026"),
        ~IS_NUMBER | Attr("x").lt(9),
        IS_NUMBER & Attr("x").between(5, 10),
        IS_TEXT,
        ~IS_NUMBER,
    ],
)
def test_the_type_of_a_value_is_asked_for_in_the_same_way(real: Any, condition: Any, there: Any) -> None:
    memory, key = MemoryTable(), {"pk": "now#m", "sk": "odd"}
    answers = []
    for table in (real, memory):
        table.put_item(Item=key | ({} if there is None else {"x": there}))
        answers.append(outcome(table, lambda t: t.put_item(Item=key, ConditionExpression=condition) and None))
    assert bool(answers[0]) == bool(answers[1])


@pytest.mark.parametrize("condition", [Attr("x").lt(9), Attr("x").between(1, 9), Attr("x").gt(9), Attr("x").eq(7)])
def test_a_text_meets_no_comparison_with_a_number(condition: Any) -> None:
    """As in DynamoDB, and not in moto: «Comparison operator and function reference», where both operands have one type."""
    table = MemoryTable()
    table.put_item(Item={"pk": "now#m", "sk": "odd", "x": "7"})
    with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
        table.put_item(Item={"pk": "now#m", "sk": "odd"}, ConditionExpression=condition)


def test_pages_limits_and_order_mean_the_same(real: Any) -> None:
    memory = MemoryTable()
    for table in (real, memory):
        for sk in ("a1", "b2", "b1", "c"):
            table.put_item(Item={"pk": "events#m", "sk": sk, "n": 1})
    for condition in (Key("pk").eq("events#m"), Key("pk").eq("events#m") & Key("sk").begins_with("b")):
        for more in ({}, {"ScanIndexForward": False}, {"Limit": 1}):
            found = [table.query(KeyConditionExpression=condition, **more)["Items"] for table in (real, memory)]
            assert found[0] == found[1]
    between = Key("pk").eq("events#m") & Key("sk").between("a1", "b1")
    assert real.query(KeyConditionExpression=between)["Items"] == memory.query(KeyConditionExpression=between)["Items"]


def test_updates_set_remove_and_keep_what_is_there(real: Any) -> None:
    memory = MemoryTable()
    for table in (real, memory):
        key = {"pk": "nodes#m", "sk": "burst-2"}
        names = {"#a": "a", "#b": "b"}
        table.update_item(
            Key=key,
            UpdateExpression="SET #a = :a, #b = :b",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={":a": 1, ":b": 2},
        )
        table.update_item(
            Key=key,
            UpdateExpression="SET #a = if_not_exists(#a, :a) REMOVE #b",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={":a": 9},
        )
    assert real.get_item(Key=key)["Item"] == memory.get_item(Key=key)["Item"] == {**key, "a": 1}


def test_a_transaction_writes_all_or_nothing_and_says_what_stood_against_it(real: Any) -> None:
    memory = MemoryTable()
    put: Any = {
        "TableName": "ledger",
        "Item": {"pk": "now#m", "sk": "x"},
        "ConditionExpression": "attribute_not_exists(pk) OR #n = :n",
        "ExpressionAttributeNames": {"#n": "number"},
        "ExpressionAttributeValues": {":n": 7},
    }
    other: Any = {"TableName": "ledger", "Item": {"pk": "now#m", "sk": "y"}}
    answers = []
    for table in (real, memory):
        table.put_item(Item={"pk": "now#m", "sk": "x", "number": 6})
        answers.append(
            outcome(table, lambda t: t.meta.client.transact_write_items(TransactItems=[{"Put": other}, {"Put": put}]))
        )
        assert "Item" not in table.get_item(Key={"pk": "now#m", "sk": "y"})
    assert answers[0] == answers[1] == ("TransactionCanceledException", ["None", "ConditionalCheckFailed"])


def test_what_is_new_is_told_to_the_stream_once() -> None:
    told: list[str] = []
    table = MemoryTable(inserted=lambda _, sk: told.append(sk))
    for _ in range(2):
        table.put_item(Item={"pk": "snapshot#m", "sk": "1"}, ConditionExpression=Attr("other").not_exists())
    assert told == ["1"]
