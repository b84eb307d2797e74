"""Two writers at one item: what DynamoDB then says, and how the SDK is told to ask again, which it does not do by itself.

A write to an item that another request's transaction has in hand is refused at once, whatever its condition:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html (Transaction conflict handling).
"""

from collections.abc import Mapping
from random import uniform
from typing import Any

from botocore.exceptions import ClientError

MOST_TRIES = 6  # with the waits between them a second and a half at the most
FIRST_WAIT = 0.05  # seconds, doubled from try to try; at random, so that the same two do not meet again


def ask_again(*, response: tuple[Any, Mapping[str, Any]] | None, attempts: int, **_: Any) -> float | None:
    """Answer botocore's question whether to retry: the seconds to wait, None to leave it to the SDK's own rules."""
    if response is None or attempts >= MOST_TRIES or not _is_conflict(response[1]):
        return None
    return uniform(0.0, FIRST_WAIT * 2 ** (attempts - 1))  # noqa: S311 - no secret


def _is_conflict(answer: Mapping[str, Any]) -> bool:
    code, reasons = answer.get("Error", {}).get("Code"), _reasons(answer)
    in_transaction = code == "TransactionCanceledException" and "TransactionConflict" in reasons
    return code == "TransactionConflictException" or (in_transaction and "ConditionalCheckFailed" not in reasons)


def _reasons(answer: Mapping[str, Any]) -> list[str]:
    return [str(reason.get("Code")) for reason in answer.get("CancellationReasons", ())]


def refused_at(error: ClientError) -> list[int]:
    """Return which requests of a cancelled transaction were refused: by a condition, or by another transaction."""
    return [
        index
        for index, code in enumerate(_reasons(error.response))
        if code in {"ConditionalCheckFailed", "TransactionConflict"}
    ]


def is_refused_by_condition(error: ClientError, *, at: int) -> bool:
    """Say whether a transaction was cancelled because the condition of its request number `at` did not hold."""
    return _reasons(error.response)[at : at + 1] == ["ConditionalCheckFailed"]
