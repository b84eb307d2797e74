"""The chain of plans: nothing can be changed or taken out unseen, and what has expired is no loss."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.history import kept as times
from headroom.domain.history.chain import Examined, Head, Kept, after, examine
from tests.support.builders import NOW

HALF_A_DAY = timedelta(hours=12)
PLANS = 8
type Chain = tuple[list[Kept], dict[date, Head], Head]


def chain(count: int = PLANS, since: datetime = NOW - timedelta(days=5)) -> Chain:
    """Two plans a day."""
    kept: list[Kept] = []
    heads: dict[date, Head] = {}
    head: Head | None = None
    for number in range(count):
        at = since + number * HALF_A_DAY
        if head and head.at.date() != at.date():
            heads[head.at.date()] = head
        link = after(head, at, f"plan {number}".encode())
        kept.append(Kept(link=link, digest=link.digest))
        head = Head(number=link.number, digest=link.digest, at=at)
    assert head
    return kept, heads, head


def wrong(
    kept: Sequence[Kept | str], heads: dict[date, Head], newest: Head | None, oldest: datetime = NOW - times.PLANS
) -> list[str]:
    return list(examine(kept, heads, newest, oldest, Examined()))


def test_an_untouched_chain_has_nothing_wrong() -> None:
    assert wrong(*chain()) == []
    assert wrong([], {}, None) == []


@given(st.integers(0, PLANS - 1))
def test_a_changed_record_is_found_wherever_it_is(number: int) -> None:
    kept, heads, newest = chain()
    kept[number] = replace(kept[number], link=replace(kept[number].link, content="forged"))
    assert any("is not the one that was written" in each for each in wrong(kept, heads, newest))


@given(st.integers(0, PLANS - 1))
def test_a_changed_record_with_a_new_digest_beside_it_is_found_by_what_follows(number: int) -> None:
    kept, heads, newest = chain()
    forged = replace(kept[number].link, content="forged")
    kept[number] = Kept(link=forged, digest=forged.digest)
    assert any(each.startswith("Changed") for each in wrong(kept, heads, newest))


@given(st.integers(1, PLANS - 1))
def test_a_missing_plan_is_found_wherever_it_is(number: int) -> None:
    kept, heads, newest = chain()
    del kept[number]
    assert any(each.startswith("Missing") for each in wrong(kept, heads, newest))


def test_a_plan_that_cannot_be_read_is_named_and_the_others_are_examined() -> None:
    kept, heads, newest = chain()
    found = wrong([*kept[:2], "2026-03-02: number is no text", *kept[3:]], heads, newest)
    assert found[0] == "Changed: a plan cannot be read: 2026-03-02: number is no text."
    assert found[1].startswith("Missing: a plan between ")
    assert len(found) == 2


def test_the_oldest_may_have_expired_but_not_before_its_time() -> None:
    kept, heads, newest = chain()
    examined = Examined()
    oldest = kept[3].link.at - timedelta(minutes=1)
    assert list(examine(kept[3:], heads, newest, oldest, examined)) == []
    assert (examined.expired, examined.plans) == (3, PLANS - 3)
    assert wrong(kept[3:], heads, newest) == [
        f"Missing: the plan of {kept[2].link.at:%Y-%m-%d %H:%M:%S} UTC, before that of {kept[3].link.at:%Y-%m-%d %H:%M:%S} UTC."
    ]


def test_what_has_expired_goes_in_any_order() -> None:
    kept, heads, newest = chain()
    examined = Examined()
    some = [kept[0], kept[2], *kept[4:]]
    assert list(examine(some, heads, newest, kept[4].link.at, examined)) == []
    assert (examined.expired, examined.plans) == (4, PLANS - 4)


@pytest.mark.parametrize("number", range(PLANS))
def test_plans_that_are_written_during_an_examination_are_no_change(number: int) -> None:
    kept, heads, _ = chain()
    link = kept[number].link
    then = Head(number=link.number, digest=link.digest, at=link.at)
    heads_then = {day: head for day, head in heads.items() if day < link.at.date()}
    assert wrong(kept, heads_then, then) == []


def test_a_whole_chain_that_was_written_anew_does_not_fit_the_heads() -> None:
    _, heads, _ = chain()
    forged, _, newest = chain(since=NOW - timedelta(days=5) + timedelta(seconds=1))
    assert any("does not name the last plan of that day" in each for each in wrong(forged, heads, newest))


@pytest.mark.parametrize("left", [0, PLANS - 1])
def test_a_chain_that_was_cut_off_at_its_end_is_found(left: int) -> None:
    kept, heads, newest = chain()
    assert any("every plan from" in each for each in wrong(kept[:left], heads, newest))


def test_a_head_that_was_taken_away_is_missed() -> None:
    kept, heads, newest = chain()
    day = sorted(heads)[1]
    del heads[day]
    assert wrong(kept, heads, newest) == [f"Missing: the head of {day}."]


def test_a_newest_plan_that_is_not_the_last_of_the_chain_is_found() -> None:
    kept, heads, newest = chain()
    [found] = wrong(kept, heads, replace(newest, digest="forged"))
    assert found.startswith("Changed: the newest plan is not the one of")
