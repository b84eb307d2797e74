"""What happened: every kind has its word, and a plan's issues make events of their own."""

from datetime import timedelta
from typing import Any

from headroom.domain.fleet.fleet import PexipSettings
from headroom.domain.fleet.lifecycle import Action, Pause
from headroom.domain.history import kept
from headroom.domain.history.events import Event, Kind, news_of
from headroom.domain.history.lifetimes import Lifetime
from headroom.domain.history.record import Planned
from headroom.domain.people.orders import FITS, Do
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from tests.support.builders import CONTROL, NOW, node, observe, promised

HOUR = timedelta(hours=1)
BURSTS = PexipSettings(bursting_enabled=True)


def made(*nodes: Any, pause: Pause | None = None, **more: Any) -> Plan:
    return plan(observe(*nodes, **more), promised(pause=pause), CONTROL, NOW)


def told(before: Plan | None, after: Plan) -> list[tuple[Kind, str, str, str]]:
    return [(event.kind, event.node, event.topic, event.about) for event in news_of(before, after, NOW)]


def test_every_action_and_order_has_its_kind_and_what_nobody_knows_has_one_too() -> None:
    assert {Kind.wanted(action) for action in Action} < set(Kind)
    assert {Kind(f"asked to {do}") for do in Do} < set(Kind)
    assert Kind.read("serving") is Kind.SERVING
    assert Kind.read("teleported") is Kind.UNKNOWN
    assert set(FITS) <= set(Do)


def test_a_new_issue_is_told_once_and_its_end_too() -> None:
    ill = made(node(1, enable_distributed_database=True))
    assert told(None, ill) == [(Kind.ISSUE, "burst-1", "distributed database", "")]
    assert told(ill, ill) == []
    assert told(ill, made(node(1))) == [(Kind.ISSUE_OVER, "burst-1", "distributed database", "")]


def test_what_holds_everything_still_is_told_unless_the_issue_says_it_already() -> None:
    paused = made(node(1), pause=Pause(reason="a drill"))
    assert told(None, paused) == [(Kind.ISSUE, "", "paused", ""), (Kind.HELD_STILL, "", "", "")]
    assert told(paused, paused) == []
    both = plan(observe(node(1), settings=BURSTS), promised(), CONTROL, NOW)
    assert told(None, both) == [(Kind.CONTROL_REFUSED, "", "two controllers", "mode")]


def test_an_event_is_told_with_those_of_its_subject() -> None:
    assert Event(at=NOW, kind=Kind.ISSUE, reason="x", topic="stuck").subject == "stuck"
    assert Event(at=NOW, kind=Kind.GIVEN_UP, reason="x").subject == "given up"


def test_a_lifetime_has_the_hours_that_lie_between_two_moments() -> None:
    ended = Lifetime(node="a", launched_at=NOW, stopped_at=NOW + 2 * HOUR)
    assert ended.hours(NOW - HOUR, NOW + 9 * HOUR) == 2
    assert ended.hours(NOW + HOUR, NOW + 9 * HOUR) == 1
    assert ended.hours(NOW + 3 * HOUR, NOW + 9 * HOUR) == 0
    assert Lifetime(node="a", launched_at=NOW).hours(NOW, NOW + HOUR) == 1


def test_the_sizes_of_one_room_s_meetings_are_forgotten_sooner_than_a_recurrence_s() -> None:
    assert kept.sizes_of("recurring_conference/12") > kept.sizes_of("conference/7")


def test_the_next_plan_names_this_one_as_the_one_before_it() -> None:
    head = Planned(number=7, plan=made(node(1)), digest="4f2a").head
    assert (head.number, head.digest, head.at) == (7, "4f2a", NOW)
