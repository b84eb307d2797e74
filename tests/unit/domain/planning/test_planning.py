"""What a plan does, and why, in an operator's words."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.demand.forecasting import Booking
from headroom.domain.fleet.finding import Finding, Severity
from headroom.domain.fleet.fleet import ON, Instance, Location, Observation, PexipSettings, Power, Worker
from headroom.domain.fleet.lifecycle import Action, Claim, Memory, Pause, Pausing, Wanted
from headroom.domain.fleet.signature import signed
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Mode
from tests.support.builders import CONTROL, LONG_AGO, NOW, claimed, closed, hold, node, observe, principal, promised

MINUTE = timedelta(minutes=1)


def actions(decided: Plan) -> dict[str, Action]:
    return {change.node: change.action for change in decided.changes}


@pytest.mark.parametrize(
    ("free", "starts"),
    [
        pytest.param(6, 0, id="one more than the threshold is enough"),
        pytest.param(5, 1, id="at the threshold a node starts"),
        pytest.param(0, 1, id="a full location starts a node"),
    ],
)
def test_the_threshold_starts_the_first_overflow_node(free: int, starts: int) -> None:
    decided = plan(observe(node(1), node(2), free=free), promised(), CONTROL, NOW)
    assert list(actions(decided).values()) == [Action.START] * starts


def test_an_overflow_location_at_its_threshold_starts_the_next_node_though_the_principal_one_is_above_its_own() -> None:
    decided = plan(observe(node(1, Power.RUNNING, used=12), node(2), free=10), promised(), CONTROL, NOW)
    assert actions(decided) == {"burst-2": Action.START}


def test_nothing_starts_for_calls_that_the_principal_location_could_take_itself() -> None:
    decided = plan(observe(node(1, Power.RUNNING, used=12), node(2), free=40), promised(), CONTROL, NOW)
    assert Action.START not in actions(decided).values()


def test_a_booting_node_counts_so_that_one_shortage_starts_one_node() -> None:
    booting = node(1, Power.PENDING, launched_at=NOW - timedelta(minutes=1))
    assert actions(plan(observe(booting, node(2), free=2), promised(), CONTROL, NOW)) == {}


def test_a_whole_deficit_starts_at_once() -> None:
    many = replace(CONTROL, threshold=40)
    decided = plan(observe(*(node(number) for number in range(1, 6)), free=3), promised(), many, NOW)
    assert len(decided.changes) == 3  # 41 HD connections are needed, a node offers 15


def test_a_location_s_own_threshold_overrules_the_general_one() -> None:
    strict = replace(CONTROL, thresholds={"Stockholm": 20})
    assert actions(plan(observe(node(1), free=18), promised(), strict, NOW)) == {"burst-1": Action.START}


def test_pexips_own_threshold_holds_where_ours_is_not_set() -> None:
    theirs = observe(node(1), free=18, settings=PexipSettings(bursting_threshold=18))
    assert actions(plan(theirs, promised(), replace(CONTROL, threshold=None), NOW)) == {"burst-1": Action.START}


def test_a_hold_for_a_count_starts_that_many() -> None:
    decided = plan(observe(node(1), node(2), node(3)), promised(hold(counts={"AWS burst": 2})), CONTROL, NOW)
    assert len(decided.changes) == 2
    assert "the nine o'clock rush" in decided.changes[0].reason


def test_a_hold_for_a_node_starts_that_node() -> None:
    decided = plan(observe(node(1), node(2)), promised(hold(nodes=("burst-2",))), CONTROL, NOW)
    assert actions(decided) == {"burst-2": Action.START}


@pytest.mark.parametrize(
    "away", [timedelta(minutes=-10), timedelta(hours=2)], ids=["before it begins", "after its end"]
)
def test_a_hold_asks_for_nothing_outside_its_time(away: timedelta) -> None:
    moment = NOW + away
    seen = observe(node(1), read_at=moment)
    assert actions(plan(seen, promised(hold(counts={"AWS burst": 1})), CONTROL, moment)) == {}


def test_a_node_that_failed_just_now_is_left_for_the_next_candidate() -> None:
    failed = Memory(node="burst-1", failed_at=NOW - timedelta(minutes=1))
    decided = plan(observe(node(1), node(2), free=0), promised(memories=(failed,)), CONTROL, NOW)
    assert actions(decided) == {"burst-2": Action.START}


def test_a_node_that_failed_lately_comes_last() -> None:
    failed = Memory(node="burst-1", failed_at=NOW - timedelta(minutes=20))
    decided = plan(observe(node(1), node(2), free=0), promised(memories=(failed,)), CONTROL, NOW)
    assert actions(decided) == {"burst-2": Action.START}


def test_a_closed_node_reopens_before_another_is_started() -> None:
    decided = plan(observe(node(1), closed(2), free=0), promised(), CONTROL, NOW)
    assert actions(decided) == {"burst-2": Action.OPEN}


def test_a_node_on_its_way_off_turns_round_when_it_is_needed() -> None:
    retiring = claimed(1, Action.STOP)
    decided = plan(observe(closed(1), free=0), promised(memories=(retiring,)), CONTROL, NOW)
    assert actions(decided) == {"burst-1": Action.OPEN}


def test_the_fullest_closed_node_that_has_room_enough_reopens_and_an_emptier_one_goes_on_emptying() -> None:
    seen = observe(closed(1, used=0), closed(2, used=5), closed(3, used=10), free=0)
    assert actions(plan(seen, promised(), CONTROL, NOW)) == {"burst-2": Action.OPEN}


def test_what_the_serving_nodes_have_free_does_not_let_a_closed_node_seem_enough() -> None:
    seen = observe(node(1, Power.RUNNING, used=8), closed(2, used=0), closed(3, used=9), free=0)
    assert actions(plan(seen, promised(), replace(CONTROL, threshold=13), NOW)) == {"burst-2": Action.OPEN}


def test_where_no_closed_node_has_room_enough_the_emptiest_reopens_and_the_fullest_that_completes_it() -> None:
    seen = observe(closed(1, used=11), closed(2, used=10), closed(3, used=12), free=0)
    assert actions(plan(seen, promised(), CONTROL, NOW)) == {"burst-2": Action.OPEN, "burst-3": Action.OPEN}


def test_an_idle_node_is_closed_first_and_stopped_only_when_closed_and_empty() -> None:
    assert actions(plan(observe(node(1, Power.RUNNING)), promised(), CONTROL, NOW)) == {"burst-1": Action.CLOSE}
    assert actions(plan(observe(closed(1)), promised(), CONTROL, NOW)) == {"burst-1": Action.STOP}
    assert actions(plan(observe(closed(1, used=1)), promised(), CONTROL, NOW)) == {}


@pytest.mark.parametrize(
    ("minutes", "stops"), [pytest.param(8, False, id="too early"), pytest.param(9, True, id="just in time")]
)
def test_a_stop_begins_only_when_ec2_can_say_in_time_what_the_closed_node_sends(*, minutes: int, stops: bool) -> None:
    """Closed at 07:51, everywhere at 07:52:30; the period from 07:55 to 08:00 is published by 08:02, as the looks end."""
    at_work = Memory(node="burst-1", closed_at=NOW - timedelta(minutes=9))
    then = NOW + timedelta(minutes=minutes - 9)
    seen = observe(closed(1), read_at=then)
    assert actions(plan(seen, promised(memories=(at_work,)), CONTROL, then)) == (
        {"burst-1": Action.STOP} if stops else {}
    )


def test_a_closed_node_whose_public_address_has_changed_opens_as_one_that_starts_does() -> None:
    moved = closed(1, public_ip="198.51.100.9", static_nat_address="192.0.2.77")
    known = Memory(node="burst-1", lifetime=LONG_AGO)
    decided = plan(observe(moved, free=0), promised(memories=(known,)), CONTROL, NOW)
    assert actions(decided) == {"burst-1": Action.START}
    [issue] = decided.issues
    assert (
        issue.what == "burst-1 has the public address 198.51.100.9, but its static NAT address in Pexip is 192.0.2.77"
    )


def test_a_node_stays_for_its_minimum_lifetime() -> None:
    young = node(1, Power.RUNNING, launched_at=NOW - timedelta(minutes=49))
    assert actions(plan(observe(young), promised(), CONTROL, NOW)) == {}


def test_the_emptiest_node_is_closed_first_and_what_stays_open_is_enough() -> None:
    seen = observe(node(1, Power.RUNNING, used=4), node(2, Power.RUNNING, used=1), free=8)
    assert actions(plan(seen, promised(), CONTROL, NOW)) == {"burst-2": Action.CLOSE}


def test_a_node_is_not_stopped_when_the_next_call_would_start_it_again() -> None:
    """Six are needed at the threshold of five: with eight left it may go, with seven it stays."""
    eight, seven = (
        plan(observe(node(1, Power.RUNNING, used=used), closed(2), free=0), promised(), CONTROL, NOW) for used in (7, 8)
    )
    assert actions(eight) == {"burst-2": Action.STOP}
    assert actions(seven) == {}


def test_what_a_booked_meeting_is_likely_to_need_within_a_boot_is_not_closed_before_it() -> None:
    soon = Booking(begins=NOW + timedelta(minutes=4), ends=NOW + timedelta(hours=1), hd=101)
    nodes = [node(number, Power.RUNNING, used=3) for number in (1, 2, 3)]
    quiet = observe(*nodes, free=40)
    assert set(actions(plan(quiet, promised(), CONTROL, NOW)).values()) == {Action.CLOSE}
    assert actions(plan(replace(quiet, bookings=(soon,)), promised(), CONTROL, NOW)) == {}


def test_nothing_is_closed_soon_after_more_was_needed() -> None:
    lately = Memory(node="burst-2", wanted=Wanted.OPEN, wanted_at=NOW - timedelta(minutes=2))
    seen = observe(node(1, Power.RUNNING), node(2, Power.RUNNING))
    assert actions(plan(seen, promised(memories=(lately,)), CONTROL, NOW)) == {}


RUSH = Booking(begins=NOW + timedelta(minutes=5), ends=NOW + timedelta(hours=1), hd=60)


def reserve(number: int, **more: Any) -> tuple[Worker, Instance]:
    """A node that boots and shall come up closed."""
    return closed(number, power=Power.PENDING, launched_at=NOW - timedelta(minutes=1), boot_time=LONG_AGO, **more)


def test_what_is_started_for_later_comes_up_closed_as_a_reserve() -> None:
    decided = plan(observe(*map(node, range(1, 7)), free=40, bookings=(RUSH,)), promised(), CONTROL, NOW)
    assert set(actions(decided).values()) == {Action.START_CLOSED}
    assert decided.changes[0].reason.endswith("it comes up closed, as a reserve")


def test_what_is_started_for_now_or_for_a_hold_comes_up_open() -> None:
    now = plan(observe(*map(node, range(1, 7)), free=0, bookings=(RUSH,)), promised(), CONTROL, NOW)
    assert list(actions(now).values()).count(Action.START) == 1
    held = plan(observe(node(1), bookings=(RUSH,)), promised(hold(counts={"AWS burst": 1})), CONTROL, NOW)
    assert actions(held) == {"burst-1": Action.START}


def test_without_reserves_or_without_closing_whatever_is_started_comes_up_open() -> None:
    seen = observe(node(1), free=40, bookings=(RUSH,))
    assert actions(plan(seen, promised(), replace(CONTROL, reserve=False), NOW)) == {"burst-1": Action.START}
    assisting = replace(seen, reading=replace(seen.reading, settings=PexipSettings(bursting_enabled=True)))
    assert actions(plan(assisting, promised(), replace(CONTROL, mode=Mode.ASSIST), NOW)) == {"burst-1": Action.START}


def test_a_reserve_that_boots_counts_as_coming_and_opens_when_it_is_needed() -> None:
    booting = promised(memories=(claimed(1, Action.START_CLOSED),))
    later = observe(reserve(1), node(2), free=44, bookings=(RUSH,))
    assert plan(later, booting, CONTROL, NOW).changes == ()
    [load] = plan(later, booting, CONTROL, NOW).overflows
    assert load.coming == 15
    assert actions(plan(observe(reserve(1), free=3), booting, CONTROL, NOW)) == {"burst-1": Action.OPEN}
    wanted = promised(hold(counts={"AWS burst": 1}), memories=(claimed(1, Action.START_CLOSED),))
    assert actions(plan(observe(reserve(1)), wanted, CONTROL, NOW)) == {"burst-1": Action.OPEN}


def test_a_retirement_turns_round_when_its_node_is_needed_as_a_reserve() -> None:
    retiring = promised(memories=(claimed(1, Action.STOP),))
    decided = plan(observe(closed(1), free=40, bookings=(RUSH,)), retiring, CONTROL, NOW)
    assert actions(decided) == {"burst-1": Action.CLOSE}
    assert decided.changes[0].reason.endswith("it stays as a reserve")


def test_a_reserve_that_was_not_needed_is_stopped_after_its_minimum_lifetime() -> None:
    young = closed(1, launched_at=NOW - timedelta(minutes=49))
    assert actions(plan(observe(young), promised(), CONTROL, NOW)) == {}
    old = closed(1, launched_at=NOW - timedelta(minutes=51))
    assert actions(plan(observe(old), promised(), CONTROL, NOW)) == {"burst-1": Action.STOP}


def test_near_a_threshold_a_nodes_worth_stays_free() -> None:
    seen = observe(node(1, Power.RUNNING), node(2, Power.RUNNING), free=6)
    assert actions(plan(seen, promised(), CONTROL, NOW)) == {"burst-1": Action.CLOSE}
    busier = observe(node(1, Power.RUNNING, used=1), node(2, Power.RUNNING, used=9), free=6)
    assert actions(plan(busier, promised(), CONTROL, NOW)) == {}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param({"maintenance_mode_reason": "CPU not supported"}, "not by Headroom", id="its own check"),
        pytest.param({"maintenance_mode_reason": ""}, "no reason given", id="a person"),
    ],
)
def test_a_node_closed_by_others_is_left_alone_and_shown(reason: dict[str, Any], words: str) -> None:
    theirs = node(1, Power.RUNNING, maintenance_mode=True, maintenance_mode_configured=True, **reason)
    decided = plan(observe(theirs, free=0), promised(), CONTROL, NOW)
    assert actions(decided) == {}
    assert any(words in issue.what for issue in decided.issues)


def test_a_node_that_headroom_opened_a_moment_ago_counts_as_coming_not_as_free() -> None:
    opened = Memory(node="burst-1", opened_at=NOW - timedelta(seconds=30))
    decided = plan(observe(node(1, Power.RUNNING), free=0), promised(memories=(opened,)), CONTROL, NOW)
    [load] = decided.overflows
    assert (load.free, load.coming, decided.changes) == (0, 15, ())


def test_a_given_up_start_does_not_count_and_is_closed_in_case_it_comes_up() -> None:
    late = node(1, Power.RUNNING, launched_at=NOW - timedelta(minutes=20), boot_time=NOW - timedelta(days=1))
    memory = Memory(node="burst-1", given_up_at=NOW - timedelta(minutes=4), failed_at=NOW - timedelta(minutes=4))
    decided = plan(observe(late, node(2), free=0), promised(memories=(memory,)), CONTROL, NOW)
    assert actions(decided) == {"burst-1": Action.CLOSE, "burst-2": Action.START}
    assert any("does not serve" in issue.what for issue in decided.issues)


def test_no_more_nodes_are_stopped_at_once_than_the_budget_allows() -> None:
    many = [closed(number) for number in range(1, 20)]
    decided = plan(observe(*many), promised(), replace(CONTROL, max_stops_per_plan=3), NOW)
    assert list(actions(decided).values()) == [Action.STOP] * 3


def test_more_need_than_the_nodes_can_give_is_an_issue() -> None:
    one = replace(CONTROL, max_nodes=1)
    [issue] = plan(observe(node(1), node(2), free=0, bookings=(RUSH,)), promised(), one, NOW).issues
    assert issue.what.startswith("AWS burst needs ")
    assert "HD connections more than its nodes can give (" in issue.what
    assert (issue.kind, issue.about, issue.advice) == (
        Trouble.NOT_ENOUGH,
        "AWS burst",
        "MaxNodes is 1: raise it.",
    )
    two_needed = plan(observe(node(1), node(2), free=0), promised(), replace(one, threshold=29), NOW)
    assert short(two_needed) == [lacks(15)]
    [issue] = plan(observe(node(1), free=0, bookings=(RUSH,)), promised(), CONTROL, NOW).issues
    assert issue.advice.startswith("All of its nodes are on, failed lately or may not be started")


def short(decided: Plan) -> list[str]:
    return [issue.what.partition(" (")[0] for issue in decided.issues if issue.kind is Trouble.NOT_ENOUGH]


def lacks(count: int, location: str = "AWS burst") -> str:
    return f"{location} needs {count} HD connections more than its nodes can give"


BOOTING = node(2, Power.PENDING, launched_at=NOW - MINUTE)


@pytest.mark.parametrize(
    ("threshold", "missing"), [pytest.param(28, [], id="exactly enough"), pytest.param(29, [lacks(1)], id="one short")]
)
def test_what_the_nodes_can_give_counts_what_is_free_what_is_coming_and_what_starts_now(
    threshold: int, missing: list[str]
) -> None:
    decide = replace(CONTROL, threshold=threshold)
    assert short(plan(observe(node(1, Power.RUNNING, used=1), BOOTING, free=0), promised(), decide, NOW)) == missing
    assert short(plan(observe(node(1, Power.RUNNING, used=1), node(2), free=0), promised(), decide, NOW)) == missing


def test_a_start_that_was_given_up_gives_nothing() -> None:
    late = node(1, Power.RUNNING, launched_at=NOW - timedelta(minutes=20), boot_time=LONG_AGO)
    given_up = Memory(node="burst-1", given_up_at=NOW)
    decided = plan(observe(late, free=0), promised(memories=(given_up,)), CONTROL, NOW)
    assert actions(decided) == {"burst-1": Action.CLOSE}
    assert short(decided) == [lacks(6)]


def test_each_location_that_is_short_says_so() -> None:
    seen = observe(node(1, Power.RUNNING), node(2, Power.RUNNING, used=15, location="B"), free=5)
    home, other = principal(5), replace(principal(4, name="Oslo"), id=2, status_id=102, address="10.1.0.2")
    places = (*seen.reading.locations, Location(name="Oslo", overflow_location="B"), Location(name="B"))
    reading = replace(seen.reading, locations=places, workers=(home, other, *seen.reading.workers[1:]))
    assert short(plan(replace(seen, reading=reading), promised(), CONTROL, NOW)) == [lacks(6, "B")]


def test_what_is_paused_or_not_known_is_not_called_short() -> None:
    assert short(plan(observe(free=0), promised(), CONTROL, NOW)) == []
    serving = node(1, Power.RUNNING, used=15)
    assert short(plan(observe(serving, free=0), promised(), CONTROL, NOW)) == [lacks(6)]
    assert short(plan(observe(serving, free=0), promised(pause=Pause(reason="a drill")), CONTROL, NOW)) == []
    rush = observe(serving, free=0, unreachable="no answer", bookings=(RUSH,))
    assert short(plan(rush, promised(hold(counts={"AWS burst": 2})), CONTROL, NOW)) == []


def test_what_the_next_plan_goes_on_to_start_is_no_issue() -> None:
    slowly = replace(CONTROL, max_starts_per_plan=1)
    assert (
        plan(observe(*(node(n) for n in range(1, 5)), free=0, bookings=(RUSH,)), promised(), slowly, NOW).issues == ()
    )


def moved(number: int) -> tuple[Worker, Instance]:
    """A closed node whose public address is no longer the one that Pexip knows."""
    return closed(number, public_ip="198.51.100.9", static_nat_address="203.0.113.1")


def test_a_closed_node_whose_address_has_moved_opens_though_no_node_more_may_be_on() -> None:
    one = replace(CONTROL, max_nodes=1)
    decided = plan(observe(moved(1), free=0), promised(), one, NOW)
    assert [(change.node, change.action) for change in decided.changes] == [("burst-1", Action.START)]
    assert [issue.kind for issue in decided.issues if issue.kind is Trouble.NOT_ENOUGH] == []


def test_a_closed_node_whose_address_has_moved_takes_no_start_from_the_others() -> None:
    three = replace(CONTROL, max_nodes=3, thresholds={"AWS burst": 29})
    decided = plan(observe(moved(1), node(2), node(3), free=0), promised(), three, NOW)
    assert [change.node for change in decided.changes] == ["burst-1", "burst-2"]
    more = plan(
        observe(moved(1), node(2), node(3), node(4), free=0), promised(hold(counts={"AWS burst": 4})), three, NOW
    )
    assert [change.node for change in more.changes] == ["burst-1", "burst-2", "burst-3"]


def test_there_are_never_more_nodes_on_than_allowed() -> None:
    limited = replace(CONTROL, max_nodes=2)
    decided = plan(observe(*(node(n) for n in range(1, 6))), promised(hold(counts={"AWS burst": 5})), limited, NOW)
    assert len(decided.changes) == 2


@pytest.mark.parametrize(
    ("mode", "bursting", "words"),
    [
        pytest.param(Mode.CONTROL, True, "two controllers", id="control beside Pexip's bursting"),
        pytest.param(Mode.ASSIST, False, "nobody would stop", id="assist without it"),
    ],
)
def test_a_wrong_combination_with_pexips_settings_is_refused_with_a_reason(
    mode: Mode, bursting: bool, words: str
) -> None:
    seen = observe(node(1), free=0, settings=PexipSettings(bursting_enabled=bursting))
    decided = plan(seen, promised(), replace(CONTROL, mode=mode), NOW)
    assert decided.changes == ()
    assert words in decided.frozen
    assert words in decided.reason


def test_assist_mode_only_starts() -> None:
    assisting = replace(CONTROL, mode=Mode.ASSIST)
    on = PexipSettings(bursting_enabled=True)
    assert plan(observe(node(1, Power.RUNNING), closed(2), settings=on), promised(), assisting, NOW).changes == ()
    started = plan(observe(node(1), settings=on), promised(hold(counts={"AWS burst": 1})), assisting, NOW)
    assert actions(started) == {"burst-1": Action.START}


def test_everything_stays_as_it_is_while_pexip_upgrades() -> None:
    assert plan(observe(node(2), free=0, upgrading=True), promised(), CONTROL, NOW).changes == ()
    both = promised(pause=Pause(reason="fire drill"))
    assert plan(observe(closed(1), upgrading=True), both, CONTROL, NOW).changes == ()


def test_a_pause_with_an_end_says_when_and_is_over_then() -> None:
    paused = Pause(reason="fire drill", until=NOW + timedelta(hours=1))
    decided = plan(observe(node(1), free=0), promised(pause=paused), CONTROL, NOW)
    [told] = [issue for issue in decided.issues if issue.kind is Trouble.PAUSED]
    assert told.advice.endswith(
        f"It ends by itself on {CONTROL.on_the_day(paused.until or NOW)}; end it now with `headroom resume`."
    )
    assert [paused.is_over(NOW + timedelta(minutes=minutes)) for minutes in (59, 60)] == [False, True]
    assert not Pause(reason="fire drill").is_over(NOW + timedelta(days=400))


def test_a_pause_opens_what_headroom_has_closed_and_then_changes_nothing() -> None:
    paused = Pause(reason="fire drill", by="anna")
    decided = plan(observe(closed(1), node(2), free=0), promised(pause=paused), CONTROL, NOW)
    assert actions(decided) == {"burst-1": Action.OPEN}
    assert decided.reason == "Paused: fire drill; first it opens burst-1"
    assert "Headroom is paused by anna: fire drill" in [issue.what for issue in decided.issues]
    still = plan(observe(node(1, Power.RUNNING), node(2), free=0), promised(pause=paused), CONTROL, NOW)
    assert still.changes == ()


@pytest.mark.parametrize("stale", [False, True])
def test_a_pause_turns_round_what_is_to_be_closed_or_stopped(*, stale: bool) -> None:
    seen = observe(closed(1), node(2, Power.RUNNING), node(3), closed(4), read_at=NOW - timedelta(hours=stale))
    memories = (
        claimed(1, Action.STOP),
        claimed(2, Action.CLOSE),
        claimed(3, Action.START_CLOSED),
        claimed(4, Action.OPEN),
    )
    decided = plan(seen, promised(memories=memories, pause=Pause(reason="fire drill")), CONTROL, NOW)
    assert actions(decided) == dict.fromkeys(("burst-1", "burst-2", "burst-3"), Action.OPEN)


def test_a_pause_of_stops_alone_still_starts_and_opens() -> None:
    pause = Pause(reason="fire drill", holding=Pausing.STOPS_ONLY)
    rush = plan(observe(closed(1, used=14), node(2), free=0), promised(pause=pause), CONTROL, NOW)
    assert actions(rush) == {"burst-1": Action.OPEN, "burst-2": Action.START}
    calm = plan(observe(node(1, Power.RUNNING), closed(2)), promised(pause=pause), CONTROL, NOW)
    assert actions(calm) == {"burst-2": Action.OPEN}


def test_a_pause_leaves_alone_what_others_closed_and_what_must_boot_closed() -> None:
    others = closed(1, maintenance_mode_reason="repair")
    waits: dict[str, Any] = {"static_nat_address": "192.0.2.1"}
    new_address = closed(2, public_ip="192.0.2.9", **waits)
    off = closed(3, power=Power.STOPPED, **waits)
    held = promised(pause=Pause(reason="fire drill"))
    assert plan(observe(others, new_address, off), held, CONTROL, NOW).changes == ()
    handing_back = promised(pause=Pause(reason="hand-back", holding=Pausing.HANDING_BACK))
    assert actions(plan(observe(others, new_address, off), handing_back, CONTROL, NOW)) == {"burst-3": Action.OPEN}


def test_a_node_that_was_left_closed_when_it_stopped_is_opened_for_its_next_start() -> None:
    forgotten = closed(1, power=Power.STOPPED)
    assert actions(plan(observe(forgotten), promised(), CONTROL, NOW)) == {"burst-1": Action.OPEN}
    assert actions(plan(observe(forgotten, free=0), promised(), CONTROL, NOW)) == {"burst-1": Action.START}
    waits = closed(1, power=Power.STOPPED, static_nat_address="192.0.2.1")
    assert plan(observe(waits), promised(), CONTROL, NOW).changes == ()


def closed_home() -> Worker:
    """An always-on node that was closed in Headroom's name, as by an id that belonged to another node."""
    reason = "Headroom: spare"
    return replace(
        principal(40), maintenance_mode=True, maintenance_mode_configured=True, maintenance_mode_reason=reason
    )


def out_of_sight() -> dict[str, Observation]:
    """Ways in which a node that Headroom has closed leaves its overflow nodes."""
    worker, instance = closed(1)
    seen = observe(node(2), (worker, instance))
    return {
        "its tag was taken away": replace(seen, instances=tuple(one for one in seen.instances if one != instance)),
        "it was moved to a location of its own": observe(node(2), closed(1, location="Elsewhere")),
        "it was moved to the principal location": observe(node(2), closed(1, location="Stockholm")),
        "an always-on node was closed in Headroom's name": replace(
            seen, reading=replace(seen.reading, workers=(closed_home(), *seen.reading.workers[1:2]))
        ),
        "the overflow link was taken away": replace(
            seen, reading=replace(seen.reading, locations=(Location(name="Stockholm"), Location(name="AWS burst")))
        ),
    }


def test_what_the_doctor_found_last_night_is_an_issue_and_changes_nothing_else() -> None:
    told = Finding(
        check="vCPU quota", about="EC2", severity=Severity.ERROR, evidence="They need 96 vCPUs.", advice="Ask for more."
    )
    seen = observe(node(1))
    calm, planned = (plan(each, promised(), CONTROL, NOW) for each in (seen, replace(seen, findings=(told,))))
    [issue] = [each for each in planned.issues if each.kind is Trouble.FOUND_AT_NIGHT]
    assert (issue.about, issue.what, issue.advice) == ("vCPU quota", "They need 96 vCPUs.", "Ask for more.")
    assert replace(planned, issues=calm.issues) == calm


@pytest.mark.parametrize("how", ["is being provisioned", "is being converted"])
def test_a_node_that_is_being_provisioned_or_converted_is_told_of_and_left_to_the_workflow_that_does_it(
    how: str,
) -> None:
    new, _ = node(9, maintenance_mode=True, maintenance_mode_configured=True)
    new = replace(new, maintenance_mode_reason=signed(f"burst-9 {how}", ""))
    seen = observe(node(1))
    for place in ("AWS burst", "Stockholm"):
        workers = (*seen.reading.workers, replace(new, location=place))
        observed = replace(seen, reading=replace(seen.reading, workers=workers))
        planned = plan(observed, promised(memories=(Memory(node="burst-9", hd=15),)), CONTROL, NOW)
        assert planned.changes == ()
        [told] = [issue for issue in planned.issues if issue.kind is Trouble.LEFT_CLOSED]
        assert told.what == f"burst-9 {how}"
        assert "give the same command again" in told.advice
        assert not any("but no tagged instance" in issue.what for issue in planned.issues)


@pytest.mark.parametrize("how", out_of_sight())
def test_what_is_closed_in_headrooms_name_and_is_no_overflow_node_is_opened_and_an_issue(how: str) -> None:
    seen = out_of_sight()[how]
    [lost] = [worker.name for worker in seen.reading.workers if worker.closed_by_us]
    known = (Memory(node="burst-1", version=1),)  # what an always-on node was never
    decided = plan(seen, promised(memories=known), CONTROL, NOW)
    assert actions(decided)[lost] is Action.OPEN
    assert Trouble.LEFT_CLOSED in {issue.kind for issue in decided.issues if issue.about == lost}
    assert [change.reason for change in decided.changes if change.node == lost] == [
        "It is in maintenance mode in Headroom's name, but it is not one of the overflow nodes"
    ]
    paused = plan(seen, promised(memories=known, pause=Pause(reason="fire drill")), CONTROL, NOW)
    assert [(change.node, change.action, change.reason) for change in paused.changes] == [
        (lost, Action.OPEN, "Headroom is paused (fire drill), so it opens the nodes that it has closed")
    ]
    meant = (Memory(node=lost, version=1, wanted=Wanted.OPEN),)  # whose workflow has ended
    assert actions(plan(seen, promised(memories=meant), CONTROL, NOW))[lost] is Action.OPEN
    opening = Memory(
        node=lost, wanted=Wanted.OPEN, version=1, claim=Claim(token="open-1", action=Action.OPEN, until=NOW + MINUTE)
    )
    assert lost not in actions(plan(seen, promised(memories=(opening,)), CONTROL, NOW))
    assert plan(replace(seen, unreachable="no answer"), promised(memories=known), CONTROL, NOW).changes == ()


def test_what_another_stack_has_closed_on_the_same_platform_is_an_issue_and_left_to_it() -> None:
    """Its instances are in another account or region: this stack sees none, and its ledger has never known the node."""
    worker, _ = closed(1)
    seen = observe(node(2), (worker, node(2)[1]))
    seen = replace(seen, instances=(node(2)[1],))
    decided = plan(seen, promised(), CONTROL, NOW)
    assert "burst-1" not in actions(decided)
    away = replace(closed(3, location="Elsewhere")[0], name="burst-9")
    both = replace(seen, reading=replace(seen.reading, workers=(*seen.reading.workers, away)))
    assert actions(plan(both, promised(), CONTROL, NOW)) == {"burst-9": Action.OPEN}
    assert Trouble.LEFT_CLOSED in {issue.kind for issue in decided.issues if issue.about == "burst-1"}
    assert plan(seen, promised(pause=Pause(reason="fire drill")), CONTROL, NOW).changes == ()


def test_without_news_only_promised_nodes_are_started() -> None:
    seen = observe(node(1), closed(2), free=0, unreachable="no answer", read_at=NOW - timedelta(minutes=6))
    assert plan(seen, promised(), CONTROL, NOW).changes == ()
    kept = plan(seen, promised(hold(nodes=("burst-1",))), CONTROL, NOW)
    assert actions(kept) == {"burst-1": Action.START}
    assert "No news from Pexip for 6 min" in kept.issues[0].what


def test_the_reason_says_the_numbers() -> None:
    decided = plan(observe(node(1), free=4), promised(), CONTROL, NOW)
    assert decided.reason == (
        "start burst-1: Stockholm has 4 HD connections free, its threshold is 5; 0 of 0 HD connections free in AWS burst"
    )


def test_an_empty_fleet_is_an_issue_not_an_error() -> None:
    decided = plan(observe(free=0), promised(), CONTROL, NOW)
    assert [issue.what for issue in decided.issues] == ["There are no overflow nodes"]


def test_two_instances_with_one_address_are_both_left_alone() -> None:
    worker, first = node(1)
    seen = observe((worker, first), free=0)
    twins = replace(seen, instances=(first, replace(first, id="i-00000000000000099")))
    decided = plan(twins, promised(), CONTROL, NOW)
    assert decided.changes == ()
    assert sum("shares the address" in issue.what for issue in decided.issues) == 2


def test_a_node_is_matched_by_any_private_address_of_its_instance() -> None:
    worker, instance = node(1)
    second = replace(instance, private_ip="172.16.0.1", more_addresses=("172.16.0.1", worker.address))
    assert actions(plan(observe((worker, second), free=0), promised(), CONTROL, NOW)) == {"burst-1": Action.START}
    ipv6 = (replace(worker, address="2001:DB8::0:9"), replace(instance, more_addresses=("2001:db8::9",)))
    assert actions(plan(observe(ipv6, free=0), promised(), CONTROL, NOW)) == {"burst-1": Action.START}
    odd = (replace(worker, address="burst:1"), replace(instance, private_ip=None, more_addresses=("burst:1",)))
    assert actions(plan(observe(odd, free=0), promised(), CONTROL, NOW)) == {"burst-1": Action.START}


def test_an_instance_with_the_addresses_of_two_nodes_is_left_alone_and_shown() -> None:
    seen = observe(node(1), node(2), free=0)
    both = replace(seen.instances[0], more_addresses=("10.20.1.2",))
    decided = plan(replace(seen, instances=(both,)), promised(), CONTROL, NOW)
    assert decided.changes == ()
    assert any("has the addresses of several nodes: burst-1, burst-2" in issue.what for issue in decided.issues)


def test_a_node_without_an_instance_and_an_instance_without_a_node_are_shown() -> None:
    seen = observe(node(1), node(2), node(3), free=0)
    lost = replace(
        seen,
        instances=(seen.instances[0], seen.instances[2]),
        reading=replace(seen.reading, workers=seen.reading.workers[:3]),
    )
    said = " ".join(issue.what for issue in plan(lost, promised(), CONTROL, NOW).issues)
    assert "burst-2 (10.20.1.2) is in overflow location AWS burst but no tagged instance has its address" in said
    assert "no node has its address" in said


def test_a_stopped_node_that_others_closed_is_not_started_but_shown() -> None:
    theirs = node(1, maintenance_mode_configured=True, maintenance_mode_reason="broken disk")
    decided = plan(observe(theirs, node(2), free=0), promised(hold(counts={"AWS burst": 2})), CONTROL, NOW)
    assert actions(decided) == {"burst-2": Action.START}
    assert any("broken disk" in issue.what for issue in decided.issues)


def test_a_stopped_node_that_headroom_keeps_closed_until_its_address_is_known_is_started() -> None:
    ours = node(1, maintenance_mode_configured=True, maintenance_mode_reason="Headroom: boots closed")
    assert actions(plan(observe(ours, free=0), promised(), CONTROL, NOW)) == {"burst-1": Action.START}


def test_a_closed_node_that_may_not_be_opened_does_not_stand_in_for_a_start() -> None:
    blind = observe(closed(1), node(2), unreachable="no answer", read_at=NOW - timedelta(minutes=6))
    assert actions(plan(blind, promised(hold(counts={"AWS burst": 1})), CONTROL, NOW)) == {"burst-2": Action.START}


def test_nodes_that_headroom_closed_are_shown_when_it_no_longer_controls_them() -> None:
    observing = replace(CONTROL, mode=Mode.OBSERVE)
    said = plan(observe(closed(1)), promised(), observing, NOW).issues
    assert "closed by Headroom, which opens no node by itself in observe mode" in " ".join(issue.what for issue in said)


def test_a_tagged_instance_outside_every_overflow_location_is_left_alone_and_shown() -> None:
    decided = plan(observe(node(1, location="Stockholm"), free=0), promised(), CONTROL, NOW)
    assert decided.changes == ()
    assert "the primary overflow location of no location" in decided.issues[0].what


def test_there_is_a_plan_on_the_29th_of_february() -> None:
    leap = NOW.replace(year=2028, month=2, day=29)
    fresh = replace(observe(node(1), free=0).reading, read_at=leap)
    seen = replace(observe(node(1), free=0), reading=fresh)
    assert actions(plan(seen, promised(), CONTROL, leap)) == {"burst-1": Action.START}


fleets = st.lists(
    st.tuples(st.sampled_from(["stopped", "booting", "serving", "closed"]), st.integers(0, 15)), min_size=1, max_size=8
)


def fleet_of(kinds: list[tuple[str, int]], free: int) -> Observation:
    return observe(*(node_of(kind, number, used) for number, (kind, used) in enumerate(kinds, 1)), free=free)


def node_of(kind: str, number: int, used: int) -> tuple[Worker, Instance]:
    match kind:
        case "stopped":
            return node(number)
        case "booting":
            return node(number, Power.PENDING, launched_at=NOW - timedelta(minutes=1))
        case "serving":
            return node(number, Power.RUNNING, used=used)
        case _:
            return closed(number, used=used)


@given(fleets, st.integers(0, 80), st.integers(0, 8), st.randoms())
def test_the_same_facts_in_another_order_give_the_same_plan(
    kinds: list[tuple[str, int]], free: int, count: int, dice: Random
) -> None:
    seen = fleet_of(kinds, free)
    commitments = promised(*([hold(counts={"AWS burst": count})] if count else []))
    workers, instances = list(seen.reading.workers), list(seen.instances)
    dice.shuffle(workers)
    dice.shuffle(instances)
    shuffled = replace(seen, instances=tuple(instances), reading=replace(seen.reading, workers=tuple(workers)))
    assert plan(seen, commitments, CONTROL, NOW) == plan(shuffled, commitments, CONTROL, NOW)


@given(fleets, st.integers(0, 80), st.integers(0, 79))
def test_a_higher_threshold_never_starts_less(kinds: list[tuple[str, int]], free: int, threshold: int) -> None:
    seen = fleet_of(kinds, free)
    less = plan(seen, promised(), replace(CONTROL, threshold=threshold), NOW)
    more = plan(seen, promised(), replace(CONTROL, threshold=threshold + 1), NOW)
    starts = [
        sum(change.action in {Action.START, Action.START_CLOSED, Action.OPEN} for change in decided.changes)
        for decided in (less, more)
    ]
    assert starts[0] <= starts[1]


@given(fleets, st.integers(0, 80), st.integers(0, 8))
def test_a_plan_never_stops_what_is_not_closed_and_empty_nor_touches_a_node_twice(
    kinds: list[tuple[str, int]], free: int, count: int
) -> None:
    seen = fleet_of(kinds, free)
    decided = plan(seen, promised(*([hold(counts={"AWS burst": count})] if count else [])), CONTROL, NOW)
    workers = {worker.name: worker for worker in seen.reading.workers}
    for change in decided.changes:
        if change.action is Action.STOP:
            assert workers[change.node].maintenance_mode
            assert workers[change.node].shards == 0
    assert len({change.node for change in decided.changes}) == len(decided.changes)
    on = {node.name for node in decided.nodes if node.state in ON}
    assert {each.node for each in decided.left} == on - {change.node for change in decided.changes}
    assert all(each.reason for each in decided.left)
