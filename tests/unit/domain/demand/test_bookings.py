"""A booked meeting is expected to draw what its past instances drew."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.demand.bookings import SIZES_KEPT, Meeting, Series, look, sized

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE, HOUR, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(weeks=1)
DEFAULT = 5.0


def meeting(begins: datetime = NINE, **more: object) -> Meeting:
    return Meeting(**{"begins": begins, "ends": begins + HOUR, "series": "recurring_conference/7"} | more)  # type: ignore[arg-type]


def size_of(one: Meeting, known: dict[str, Series], now: datetime) -> float:
    [booking] = sized([one], known, default=DEFAULT, now=now)
    return booking.hd


def attended(*sizes: int) -> dict[str, Series]:
    """The series after so many weekly instances, each looked at twice while people came."""
    known: dict[str, Series] = {}
    for week, size in enumerate(sizes):
        begins = NINE - (len(sizes) - week) * WEEK
        for present in (size // 2, size):
            known |= look([meeting(begins, present=present)], known)
    return known


def test_a_meeting_without_a_past_is_as_large_as_the_operator_says() -> None:
    assert size_of(meeting(), {}, NINE - HOUR) == DEFAULT


def test_the_next_instance_is_as_large_as_the_last_ones_were_at_their_fullest() -> None:
    assert size_of(meeting(), attended(20, 30), NINE - HOUR) == 25


def test_an_instance_that_nobody_came_to_counts() -> None:
    assert size_of(meeting(), attended(20, 0), NINE - HOUR) == 10


def test_old_instances_are_forgotten() -> None:
    assert size_of(meeting(), attended(100, *[8] * SIZES_KEPT), NINE - HOUR) == 8


def test_a_meeting_in_progress_is_as_large_as_it_was_seen_once_all_are_there() -> None:
    known = attended(20)
    known |= look([meeting(present=6)], known)
    assert size_of(meeting(), known, NINE + MINUTE) == 20
    assert size_of(meeting(), known, NINE + 15 * MINUTE) == 6


def test_whoever_is_in_a_room_is_there_for_its_newest_meeting() -> None:
    """An all-day booking of the same room does not change its size with every short one."""
    known = attended(20)
    known |= look([meeting(NINE, present=8)], known)
    assert look([meeting(NINE - HOUR, present=40)], known) == {}


def test_room_systems_are_counted_by_pexip_itself() -> None:
    assert size_of(meeting(series="", hd=4), {}, NINE - HOUR) == 4


def test_a_meeting_that_nobody_will_come_to_is_no_booking() -> None:
    assert list(sized([meeting()], attended(0, 0), default=DEFAULT, now=NINE - HOUR)) == []


@given(st.permutations([meeting(NINE + n * HOUR, series=f"conference/{n % 3}", present=n) for n in range(6)]))
def test_the_order_in_which_pexip_lists_meetings_does_not_matter(listed: list[Meeting]) -> None:
    assert look(listed, {}) == look(sorted(listed, key=lambda one: one.begins), {})


@pytest.mark.parametrize("looks", [1, 3])
def test_looking_again_without_news_changes_nothing(looks: int) -> None:
    known = attended(12)
    for _ in range(looks):
        assert look([meeting(NINE - WEEK, present=12)], known) == {}
