"""Lists come in pages: whoever reads only the first one takes a full node for an empty one."""

from typing import Any

import pytest

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.pexip import fetching
from tests.integration.conftest import Desk, make_instance


def test_every_page_of_pexips_lists_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAGE", 1)
    desk.observe()
    assert [worker.name for worker in desk.ledger.reading().workers] == ["burst-1", "burst-2", "conf-1"]


def test_every_page_of_the_ledgers_queries_is_read(desk: Desk) -> None:
    """A page ends after a megabyte; here after two items."""
    for node in ("burst-1", "burst-2", "burst-3"):
        desk.ledger.note(node, hd=5)
    query = desk.ledger.table.query

    def short(**given: Any) -> Any:
        return query(**{"Limit": 2, **given})

    ledger = Ledger("ledger", desk.ledger.platform, desk.ledger.table)
    ledger.table = type("Short", (), {"query": staticmethod(short)})()
    assert {memory.node for memory in ledger.memories_and_unread()[0]} == {"burst-1", "burst-2", "burst-3"}


def test_every_page_of_ec2s_instances_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = Ec2("manager.example.com")
    paginator = ec2.client.get_paginator

    class Short:
        def paginate(self, **given: Any) -> Any:
            return paginator("describe_instances").paginate(**given, PaginationConfig={"PageSize": 5})

    for number in range(3, 9):
        make_instance(desk.ec2, f"burst-{number}")
    monkeypatch.setattr(ec2.client, "get_paginator", lambda _: Short())
    assert len(ec2.instances()) == 8
