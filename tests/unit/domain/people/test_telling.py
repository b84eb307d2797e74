"""People are told of everything that matters, once, in few messages."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.history.events import Event, Kind
from headroom.domain.people.telling import AGAIN, SUBJECT, WEIGHTS, Memo, Message, Weight, tell
from headroom.domain.policy import Policy
from tests.support.builders import NOW

KEEP = timedelta(minutes=10)
CLOCK_OF = Policy().on_the_clock
MINUTE = timedelta(minutes=1)


def event(minute: float, kind: str, node: str = "", topic: str = "", reason: str = "") -> Event:
    at = NOW + timedelta(minutes=minute)
    return Event(
        id=f"{at:%H%M%S}-{kind}-{node}",
        at=at,
        kind=Kind(kind),
        reason=reason or f"{kind} {node}",
        node=node,
        topic=topic,
    )


def told(events: list[Event], minutes: int = 90, memo: Memo | None = None) -> list[tuple[int, Message]]:
    """Look every minute, and return the messages with the minutes at which they were sent."""
    found, memo = [], memo or Memo()
    for minute in range(minutes):
        now = NOW + minute * MINUTE
        lately = [one for one in events if now - KEEP < one.at <= now]
        messages, memo = tell(lately, memo, now, KEEP, CLOCK_OF)
        found += [(minute, message) for message in messages]
    return found


def test_a_morning_s_ten_starts_are_one_message() -> None:
    starts = [event(n / 2, "serving", f"burst-{n}", reason="the nine o'clock rush") for n in range(1, 11)]
    [(minute, message)] = told(starts)
    assert minute == 8
    assert message.subject == "Headroom: 10 started"
    assert message.body == "Started: 10 nodes\nthe nine o'clock rush"


def test_starts_that_never_end_are_told_after_ten_minutes() -> None:
    starts = [event(n, "serving", f"burst-{n}") for n in range(40)]
    assert [minute for minute, _ in told(starts)][:2] == [10, 21]


def test_what_cannot_wait_passes_at_once_whatever_was_sent_before() -> None:
    storm = [event(n, "issue", "", topic=f"topic {n}") for n in range(9)]
    messages = told(
        [
            *storm,
            event(9, "promise missed", reason="burst-3 is late"),
            event(9, "control refused", topic="two controllers"),
        ]
    )
    assert [(minute, m.subject) for minute, m in messages if m.urgent] == [
        (9, "Headroom: control refused: control refused"),
        (9, "Headroom: promise missed: burst-3 is late"),
    ]
    assert sum(not m.urgent and minute < 15 for minute, m in messages) == 3


def test_a_problem_that_flaps_is_told_once_a_quarter_of_an_hour_and_once_when_it_is_over() -> None:
    flaps = [event(2 * n, "issue" if n % 2 == 0 else "issue over", topic="no news") for n in range(20)]
    messages = told(flaps)
    assert [minute for minute, _ in messages] == [0, 15, 30, 45]
    assert messages[-1][1].subject == "Headroom: over: Pexip or EC2 cannot be read"
    assert messages[-1][1].body.endswith("Over: Pexip or EC2 cannot be read. It began at 08:00 UTC, 45 min ago.")


def test_a_storm_is_three_messages_at_most_in_a_quarter_of_an_hour_and_names_how_many() -> None:
    failing = [event(n / 30, "given up", f"burst-{n}", reason="EC2 has no room") for n in range(30)]
    pexip = [event(n, "issue" if n % 2 else "issue over", topic="no news") for n in range(15)]
    late = [event(5 + n / 10, "issue", f"burst-{n}", topic="does not serve") for n in range(30)]
    messages = told([*failing, *pexip, *late])
    assert sum(minute < 15 for minute, _ in messages) == 3
    assert "starts given up (29 nodes)" in " ".join(message.subject for _, message in messages)
    everything = "\n".join(message.body for _, message in messages)
    assert "What Headroom does now: It starts another node" in everything
    assert "What you should do: If EC2 refused the start, its message is above" in everything


def test_a_problem_without_an_end_of_its_own_is_over_when_it_has_not_come_again() -> None:
    messages = told([event(0, "given up", "burst-1")])
    assert [(minute, m.subject) for minute, m in messages] == [
        (0, "Headroom: starts given up (burst-1)"),
        (15, "Headroom: over: starts given up"),
    ]


def test_what_could_not_wait_is_said_to_be_over_once_however_often_it_came() -> None:
    came = [event(n, "control refused", topic="two controllers", reason=f"since {n}") for n in (0, 4)]
    messages = told(
        [*came, event(2, "issue over", topic="two controllers"), event(9, "issue over", topic="two controllers")]
    )
    assert [(minute, m.subject) for minute, m in messages] == [
        (0, "Headroom: control refused: since 0"),
        (4, "Headroom: control refused: since 4"),
        (14, "Headroom: over: control refused"),
    ]


def test_an_end_of_what_nobody_was_told_of_is_not_told() -> None:
    assert told([event(0, "issue over", topic="paused")]) == []


def test_many_reasons_are_cut_short_with_where_to_see_the_rest() -> None:
    many = [event(n / 100, "given up", f"burst-{n}", reason=f"reason {n}") for n in range(12)]
    [first, *_] = [message for _, message in told(many) if "more" in message.body]
    assert "… and 3 more: `headroom history`." in first.body


def test_a_subject_is_short_and_plain() -> None:
    [(_, message)] = told([event(0, "promise missed", reason="Zürich " * 40)])
    assert len(message.subject) == SUBJECT
    assert message.subject.isascii()


def test_what_is_read_twice_is_told_once() -> None:
    one = event(0, "promise missed")
    first, memo = tell([one], Memo(), NOW, KEEP, CLOCK_OF)
    again, memo = tell([one], memo, NOW + MINUTE, KEEP, CLOCK_OF)
    assert (len(first), again) == (1, [])
    _, memo = tell([], memo, NOW + 2 * KEEP, KEEP, CLOCK_OF)
    assert memo.seen == ()


def test_what_was_written_by_a_clock_that_is_ahead_is_told_once() -> None:
    ahead, memo, found = event(3.9, "promise missed"), Memo(), []
    for minute in range(3, 30):
        now = NOW + minute * MINUTE
        messages, memo = tell([ahead] if ahead.at > now - KEEP - MINUTE else [], memo, now, KEEP, CLOCK_OF)
        found += messages
    assert len(found) == 1


def test_a_problem_of_two_locations_is_over_when_it_is_over_in_both() -> None:
    def short(minute: int, kind: str, place: str) -> Event:
        return replace(
            event(minute, kind, topic="not enough nodes", reason=f"{place} is short"),
            id=f"{minute}{place}",
            about=place,
        )

    came = [short(0, "issue", "Oslo"), short(0, "issue", "Bergen"), short(4, "issue over", "Oslo")]
    assert [minute for minute, _ in told(came)] == [0]
    messages = told([*came, short(30, "issue over", "Bergen")])
    assert [(minute, message.subject) for minute, message in messages][1:] == [(35, "Headroom: over: not enough nodes")]


def test_a_flood_is_counted_where_it_is_not_remembered_one_by_one() -> None:
    flood = [event(n / 1000, "given up", f"burst-{n}", reason=f"reason {n}") for n in range(900)]
    urgent = [replace(event(1, "promise missed", reason=f"missed {n}"), id=str(n)) for n in range(20)]
    messages = [message for _, message in told([*flood, *urgent])]
    assert any("… and 12 more: `headroom history`." in message.body for message in messages if message.urgent)
    assert any("… and 891 more: `headroom history`." in message.body for message in messages)


KINDS = st.sampled_from([*sorted(WEIGHTS), "instance running"])
HAPPENED = st.builds(
    event, st.integers(0, 60), KINDS, st.sampled_from(["burst-1", "burst-2"]), st.sampled_from(["no news", "stuck"])
)


@given(st.lists(HAPPENED, max_size=25, unique_by=lambda one: one.id))
def test_nothing_that_people_should_know_is_left_out_and_few_messages_say_it(events: list[Event]) -> None:
    events = [one if one.kind.startswith("issue") else replace(one, topic="") for one in events]
    messages = told(events, 240)
    said = "\n".join(message.body for _, message in messages)
    loud = (Weight.URGENT, Weight.PROBLEM, Weight.NEWS)
    assert [one for one in events if WEIGHTS.get(one.kind) in loud and one.reason not in said] == []
    calm = [minute for minute, message in messages if not message.urgent]
    assert all(sum(since <= minute < since + AGAIN / MINUTE for minute in calm) <= 3 for since in calm)
