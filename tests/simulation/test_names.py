"""Nodes that get other names, and a table that is put back: lifetimes end where they belong, no claim of the past acts."""

import copy
from collections.abc import Callable
from contextlib import suppress

import pytest

from headroom.domain.fleet.lifecycle import Life
from headroom_lab.proof.stage import Stage

EARLIER, AFTER = 5, 22  # minutes: as of when the table is put back, and when


def exchange(stage: Stage) -> None:
    """Two nodes exchange their names."""
    one, other = stage.overflow[:2]
    names = one.name, other.name
    stage.world.rename(one, "for a moment")
    stage.world.rename(other, names[0])
    stage.world.rename(one, names[1])


def rename(stage: Stage) -> None:
    stage.world.rename(stage.overflow[1], "burst-two")


def move(stage: Stage) -> None:
    """A person moves the node to a location into which none overflows."""
    stage.overflow[1].location = "Oslo"


CHANGES: dict[str, Callable[[Stage], None]] = {"exchanged": exchange, "renamed": rename, "moved": move}


def told(stage: Stage) -> dict[tuple[str, float], float | None]:
    """The lifetimes in the ledger, by instance and launch, each with its end."""
    names = [pk.rpartition("#")[2] for pk in stage.table.items if pk.startswith("lifetimes#")]
    return {
        (life.instance, life.launched_at.timestamp()): life.stopped_at.timestamp() if life.stopped_at else None
        for name in names
        for life in stage.ledger.lifetimes(name)
    }


def all_are_told(stage: Stage, within: float) -> None:
    """Every power-on is one lifetime, and ended within so many seconds of its true end."""
    true: dict[tuple[str, float], float | None] = {
        (machine.id, life[0]): life[1] if len(life) > 1 else None
        for machine in stage.cloud.machines.values()
        for life in machine.lifetimes
    }
    kept = told(stage)
    assert set(kept) == set(true)
    for life, ended in true.items():
        there = kept[life]
        assert (there is None) == (ended is None), life
        assert there is None or ended is None or abs(there - ended) < within


@pytest.mark.parametrize("lost", [0.0, 1.0], ids=["EC2's messages come", "EC2's messages are lost"])
@pytest.mark.parametrize("minute", [3, 9, 18, 26])
@pytest.mark.parametrize("how", CHANGES)
def test_lifetimes_end_where_they_belong(rush: Stage, how: str, minute: int, lost: float) -> None:
    if lost:
        rush.cloud.changed = lambda machine, state: None
    rush.minutes(minute)
    CHANGES[how](rush)
    rush.minutes(70 - minute)
    all_are_told(rush, within=130)
    assert rush.cloud.cut == []
    assert rush.findings == []


@pytest.mark.parametrize("lost", [False, True], ids=["EC2's messages come", "EC2's messages are lost"])
def test_the_lifetime_of_an_instance_that_was_without_its_tag_for_a_while_ends_when_it_stops(
    rush: Stage, lost: bool
) -> None:
    if lost:
        rush.cloud.changed = lambda machine, state: None
    rush.minutes(9)
    machine = next(each for each in rush.cloud.machines.values() if each.state == "running")
    machine.tagged = False
    rush.minutes(3)
    machine.tagged = True
    rush.minutes(70)
    all_are_told(rush, within=130)
    assert rush.cloud.cut == []


def test_after_the_table_was_put_back_no_claim_of_the_past_acts_and_every_lifetime_ends(rush: Stage) -> None:
    rush.minutes(EARLIER)
    before = copy.deepcopy(rush.table.items)
    claimed = {memory.claim.token for memory in rush.ledger.memories_and_unread()[0] if memory.claim}
    assert claimed, "workflows are at work"
    rush.minutes(AFTER - EARLIER)
    assert not claimed & {each.name for each in rush.at_work}, "they have ended since"
    rush.table.items = before
    rush.minutes(3)
    now = rush.moment()
    assert not claimed & {m.claim.token for m in rush.ledger.memories_and_unread()[0] if m.claim and m.is_at_work(now)}
    rush.minutes(60)
    assert rush.cloud.cut == []
    assert rush.findings == []
    kept = told(rush)
    for machine in rush.cloud.machines.values():
        assert machine.state == "stopped"
        assert kept[machine.id, machine.lifetimes[-1][0]] is not None
    assert rush.ledger.lives() == []


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("how", ["lifetime_began", "lifetime_was"])
def test_a_lifetime_that_is_opened_halfway_is_not_opened(
    stage: Stage, how: str, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be opened once more, under the name that the node has by then, and the first would never end."""
    life = Life(instance="i-7", node="burst-2", launched_at=stage.moment())
    asked = 0

    def fails(_: str) -> None:
        nonlocal asked
        asked += 1
        if asked == nth:
            raise OSError("nobody thought of it")

    monkeypatch.setattr(stage.table, "touched", fails)
    with suppress(OSError):
        getattr(stage.ledger, how)(life, "anna", "by hand")
    monkeypatch.undo()
    known = {each.launched_at for each in stage.ledger.lifetimes("burst-2")}
    assert (stage.ledger.life("i-7") is not None) is (life.launched_at in known)
