"""Another writer's transaction has an item: DynamoDB refuses at once, and the write is made again a little later."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.conflicts import MOST_TRIES, refused_at
from headroom.adapters.ledger.errors import SupersededError
from headroom.domain.history.record import Decision
from headroom.domain.planning.planning import plan
from headroom_lab.proof.table import MemoryTable, refused
from tests.support.builders import CONTROL, NOW, node, observe, promised

TYPE = "com.amazonaws.dynamodb.v20120810#"
WRITES: Any = [{"Delete": {"TableName": "ledger", "Key": {"pk": {"S": "x"}, "sk": {"S": str(n)}}}} for n in range(2)]
CONFLICT = {"__type": f"{TYPE}TransactionConflictException", "message": "Transaction is ongoing for the item"}


def cancelled(*codes: str) -> dict[str, Any]:
    reasons = [{"Code": code} for code in codes]
    return {"__type": f"{TYPE}TransactionCanceledException", "Message": "cancelled", "CancellationReasons": reasons}


class DynamoDb:
    """Answers with what is prepared, and then that all is well."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.asked = 0
        table = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                table.asked += 1
                answer = table.answers.pop(0) if table.answers else {}
                body = json.dumps(answer).encode()
                self.send_response(400 if answer else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDb]:
    made = DynamoDb()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{made.server.server_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_write_that_meets_a_transaction_is_made_again(dynamodb: DynamoDb) -> None:
    dynamodb.answers = [CONFLICT, CONFLICT]
    Ledger("ledger", "manager").end_pause()
    assert dynamodb.asked == 3


def test_a_transaction_that_meets_another_is_made_again(dynamodb: DynamoDb) -> None:
    dynamodb.answers = [cancelled("None", "TransactionConflict")]
    Ledger("ledger", "manager").table.meta.client.transact_write_items(TransactItems=WRITES)
    assert dynamodb.asked == 2


def test_one_that_never_succeeds_is_given_up(dynamodb: DynamoDb) -> None:
    dynamodb.answers = [CONFLICT] * 20
    with pytest.raises(ClientError, match="TransactionConflictException"):
        Ledger("ledger", "manager").end_pause()
    assert dynamodb.asked == MOST_TRIES


@pytest.mark.parametrize("error", ["ConditionalCheckFailed", "TransactionConflict"])
def test_a_plan_that_meets_another_is_superseded(error: str) -> None:
    def touched(request: str) -> None:
        if request == "TransactWriteItems":
            raise refused("TransactionCanceledException", "cancelled", CancellationReasons=[{"Code": error}])

    seen, promises = observe(node(1)), promised()
    made = plan(seen, promises, CONTROL, NOW)
    decision = Decision(version="x", observation=seen, commitments=promises, policy=CONTROL, plan=made)
    table: Any = MemoryTable(touched=touched)
    with pytest.raises(SupersededError):
        Ledger("ledger", "manager", table).keep_plan(decision, None, [])


def test_a_condition_that_does_not_hold_is_not_asked_again(dynamodb: DynamoDb) -> None:
    dynamodb.answers = [cancelled("ConditionalCheckFailed", "TransactionConflict")]
    with pytest.raises(ClientError) as caught:
        Ledger("ledger", "manager").table.meta.client.transact_write_items(TransactItems=WRITES)
    assert dynamodb.asked == 1
    assert refused_at(caught.value) == [0, 1]
