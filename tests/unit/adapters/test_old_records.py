"""What an earlier version wrote is read: a decision, a node's memory, an event."""

import zlib
from dataclasses import replace
from datetime import timedelta

import msgspec

from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.codec import stamp, unpack
from headroom.domain.demand.forecasting import Outlook, PastDay, Profile, outlook
from headroom.domain.demand.lately import Demand
from headroom.domain.fleet.fleet import Source
from headroom.domain.fleet.lifecycle import Memory
from headroom.domain.history.events import Kind
from headroom.domain.history.record import Decision
from headroom.domain.planning.planning import plan
from headroom_lab.proof.table import MemoryTable
from tests.support.builders import CONTROL, NOW, node, observe, promised

LATELY = NOW - timedelta(minutes=9)
BY_OTHERS = tuple(
    Memory(node=f"burst-{n}", switched_by_others_at=LATELY, reason='"meddled_at": no key') for n in (1, 2)
)


def as_written_by_0_1(decision: Decision) -> bytes:
    """The names of then: a field of a memory, no field for who was silent, no nodes that are left."""
    then = msgspec.to_builtins(decision)
    del then["observation"]["silent"], then["plan"]["left"]
    for memory in then["commitments"]["memories"]:
        memory["meddled_at"] = memory.pop("switched_by_others_at")
    return zlib.compress(msgspec.json.encode(then))


def ledger_with(pk: str, sk: str, **item: object) -> Ledger:
    table = MemoryTable(items={pk: {sk: {"pk": pk, "sk": sk, **item}}})
    return Ledger("ledger", "manager", table)  # type: ignore[arg-type]  # as much of a table as is asked of it


def test_a_decision_of_then_is_made_again_by_the_code_of_now() -> None:
    seen = replace(observe(node(1), node(2), unreachable="EC2 cannot be read: Throttling"), silent=Source.EC2)
    commitments = promised(memories=BY_OTHERS)
    made = plan(seen, commitments, CONTROL, NOW)
    written = Decision(version="0.1.0", observation=seen, commitments=commitments, policy=CONTROL, plan=made)
    ledger = ledger_with("plan#manager", stamp(NOW), body=as_written_by_0_1(written))
    read = ledger.decision_at(NOW)
    assert read
    assert read.commitments == commitments
    assert read.observation == seen
    assert plan(read.observation, read.commitments, read.policy, NOW) == made


def test_a_node_s_memory_and_an_event_of_another_version_are_read() -> None:
    ledger = ledger_with("nodes#manager", "burst-1", node="burst-1", meddled_at=stamp(LATELY))
    assert ledger.memory("burst-1").switched_by_others_at == LATELY
    ledger = ledger_with("events#manager#2026-03-02", f"{stamp(NOW)}#1", kind="teleported", reason="why", by="who")
    [event] = ledger.events("2026-03-02")
    assert (event.kind, event.reason) == (Kind.UNKNOWN, "why")


def test_what_the_version_before_knew_of_past_days_forecasts_without_the_corrections() -> None:
    """It kept neither habits, nor what a day's load was lately, nor the minute of the half-hour."""
    day = PastDay(day=NOW.date() - timedelta(days=7), used=(20.0,) * 484 + (80.0,) * 956)
    cut = outlook(Profile(location="Stockholm", zone="UTC", days=(day,)), NOW)
    then = msgspec.to_builtins(cut)
    del then["habits"], then["phase"], then["windows"][0]["lately"]
    read = unpack(zlib.compress(msgspec.json.encode(then)), Outlook)
    assert read.windows[0].loads == cut.windows[0].loads
    assert (read.habits, read.windows[0].lately) == ((), None)
    trail = (Demand(at=NOW - timedelta(minutes=5), location="Stockholm", used=3.0),)
    made = plan(replace(observe(node(1), free=20), outlooks=(read,), trail=trail), promised(), CONTROL, NOW)
    assert made.needs[0].rule == "profile"
