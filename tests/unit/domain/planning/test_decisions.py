"""Whole plans, word for word: which nodes, in which order, with which reasons, up to which limits."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.demand.forecasting import Booking
from headroom.domain.demand.turned_away import Sample
from headroom.domain.fleet.fleet import Instance, Location, NodeState, Power, Worker
from headroom.domain.fleet.lifecycle import Action, Memory, Pause, Wanted
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Change, NodeSummary, Plan
from headroom.domain.policy import Mode
from tests.support.builders import CONTROL, LONG_AGO, NOW, claimed, closed, hold, node, observe, principal, promised

type Pair = tuple[Worker, Instance]
YOUNG = NOW - timedelta(minutes=10)
ON = Power.RUNNING
NOTHING = "nothing asks for capacity"
SOON = "they are likely to be needed soon"
FULL = "Stockholm has 0 HD connections free, its threshold is 5"


def decide(
    *nodes: Pair, memories: tuple[Memory, ...] = (), policy: Any = CONTROL, holds: tuple[Any, ...] = (), **seen: Any
) -> Plan:
    return plan(observe(*nodes, **seen), promised(*holds, memories=memories), policy, NOW)


def told(decided: Plan) -> list[tuple[str, str, str]]:
    return [(str(change.action), change.node, change.reason) for change in decided.changes]


def done(decided: Plan) -> list[tuple[str, str]]:
    return [(str(change.action), change.node) for change in decided.changes]


def in_zone(pair: Pair, zone: str) -> Pair:
    return pair[0], replace(pair[1], zone=zone)


def sized(pair: Pair, hd: int) -> Pair:
    return replace(pair[0], max_hd_calls=hd, max_media_tokens=19 * hd), pair[1]


# A plan as a whole


def test_a_plan_tells_what_it_saw() -> None:
    decided = decide(
        node(1, ON, used=3),
        closed(2, used=2),
        node(3),
        node(4, Power.PENDING, launched_at=NOW - timedelta(minutes=1), boot_time=LONG_AGO),
        memories=(Memory(node="burst-3", hd=12), Memory(node="burst-1", wanted=Wanted.OPEN, wanted_at=NOW)),
    )
    assert (decided.at, decided.read_at, decided.mode, decided.frozen) == (NOW, NOW, Mode.CONTROL, "")
    assert decided.nodes == tuple(
        NodeSummary(name=f"burst-{n}", instance=f"i-{n:017x}", location="AWS burst", state=state, hd=15, used=used)
        for n, state, used in (
            (1, NodeState.SERVING, 3),
            (2, NodeState.CLOSED, 2),
            (3, NodeState.STOPPED, 0),
            (4, NodeState.STARTING, 0),
        )
    )
    assert [(load.location, load.hd, load.used) for load in decided.principals] == [("Stockholm", 80, 40)]
    assert [(load.hd, load.used, load.coming, load.carried) for load in decided.overflows] == [(15, 3, 15, 2)]
    assert [(need.location, need.hd, need.rule) for need in decided.needs] == [("AWS burst", 0, "none")]
    assert [demand.used for demand in decided.trail] == [45.0]
    assert list(decided.samples()) == [Sample(at=NOW, location="Stockholm", used=45.0, booked=0.0, hd=80)]


def test_a_node_that_pexip_does_not_know_is_taken_for_what_it_last_offered_or_for_the_policys_figure() -> None:
    unknown = node(1, max_hd_calls=None)
    remembered = decide(unknown, memories=(Memory(node="burst-1", hd=7),), free=0)
    assert [each.hd for each in remembered.nodes] == [7]
    assert [each.hd for each in decide(unknown).nodes] == [10]


def test_samples_are_of_this_plan_only() -> None:
    first = decide(node(1), free=30)
    later = plan(
        replace(observe(node(1), free=20, read_at=NOW + timedelta(minutes=1)), trail=first.trail),
        promised(),
        CONTROL,
        NOW + timedelta(minutes=1),
    )
    assert [(sample.at, sample.used, sample.full) for sample in later.samples()] == [
        (NOW + timedelta(minutes=1), 60.0, False)
    ]


def test_a_node_that_is_off_uses_nothing_whatever_its_old_status_says() -> None:
    booting = node(2, ON, used=4, launched_at=NOW - timedelta(minutes=1), boot_time=LONG_AGO)
    assert [each.used for each in decide(node(1, used=3), booting).nodes] == [0, 0]


# Summaries


def test_what_nothing_changes_says() -> None:
    assert decide(node(1)).reason == (
        "Nothing to change: Stockholm has 40 of 80 HD connections free; AWS burst has 0 of 0 HD connections free"
    )
    coming = node(2, ON, launched_at=NOW - timedelta(minutes=1), boot_time=LONG_AGO)
    assert decide(coming, free=5).reason == (
        "Nothing to change: Stockholm has 5 of 80 HD connections free; AWS burst has 0 of 0 HD connections free, "
        "15 coming (Stockholm has 5 HD connections free, its threshold is 5)"
    )
    home, other = principal(5), replace(principal(4, name="Oslo"), id=2, status_id=102, address="10.1.0.2")
    seen = observe(node(1, ON), node(2, ON, location="B"))
    places = (*seen.reading.locations, Location(name="Oslo", overflow_location="B"), Location(name="B"))
    workers = (home, other, *seen.reading.workers[1:])
    seen = replace(seen, reading=replace(seen.reading, locations=places, workers=workers))
    assert plan(seen, promised(), CONTROL, NOW).reason.endswith(
        " (Stockholm has 5 HD connections free, its threshold is 5; Oslo has 4 HD connections free, its threshold is 5)"
    )
    nowhere = replace(observe(), reading=replace(observe().reading, workers=()))
    assert plan(nowhere, promised(), CONTROL, NOW).reason == "Nothing to change: no location has capacity"


def test_what_several_changes_say() -> None:
    decided = decide(node(1), node(2), closed(3), free=0, holds=(hold(counts={"AWS burst": 3}),))
    held = "3 nodes held: the nine o'clock rush; " + FULL
    where = "0 of 0 HD connections free in AWS burst"
    assert told(decided) == [
        ("open", "burst-3", f"{held}; {where}"),
        ("start", "burst-1", f"{held}; {where}"),
        ("start", "burst-2", f"{held}; {where}"),
    ]
    assert decided.reason == f"start burst-1, burst-2; open burst-3: {held}; {where}"


def test_what_a_plan_without_news_says() -> None:
    still = decide(closed(1), unreachable="no answer", read_at=NOW - timedelta(minutes=5))
    assert still.reason == ("Blind since 07:55 UTC. Nothing is changed while Pexip or EC2 cannot be read: no answer")
    kept = decide(
        node(1), unreachable="no answer", read_at=NOW - timedelta(minutes=5), holds=(hold(nodes=("burst-1",)),)
    )
    assert kept.reason.startswith("Blind since 07:55 UTC. start burst-1: burst-1 held: the nine o'clock rush")


def test_what_a_pause_says() -> None:
    paused = promised(pause=Pause(reason="a drill"))
    decided = plan(observe(closed(1), closed(2)), paused, CONTROL, NOW)
    why = "Headroom is paused (a drill), so it opens the nodes that it has closed"
    assert told(decided) == [("open", "burst-1", why), ("open", "burst-2", why)]
    assert decided.reason == "Paused: a drill; first it opens burst-1, burst-2"
    assert plan(observe(node(1)), paused, CONTROL, NOW).reason == "Paused: a drill"


# Starting


def test_as_many_nodes_start_as_are_short_and_what_is_coming_counts() -> None:
    coming = node(1, ON, launched_at=NOW - timedelta(minutes=1), boot_time=LONG_AGO)
    strict = replace(CONTROL, threshold=19)
    assert done(decide(coming, node(2), node(3), free=0, policy=strict)) == [("start", "burst-2")]
    assert told(decide(node(1, ON, used=12), node(2), free=0)) == [
        ("start", "burst-2", f"{FULL}; 3 of 15 HD connections free in AWS burst")
    ]


def test_what_an_overflow_location_has_free_needs_no_start() -> None:
    assert done(decide(node(1, ON), node(2), node(3), free=0)) == []
    one_short = replace(CONTROL, threshold=14)
    assert done(decide(node(1, ON, used=1), sized(node(2), 30), node(3), free=0, policy=one_short)) == [
        ("start", "burst-3")
    ]


def test_the_reason_of_a_start_tells_what_is_coming() -> None:
    coming = node(1, ON, launched_at=NOW - timedelta(minutes=1), boot_time=LONG_AGO)
    [(_, _, reason)] = told(decide(coming, node(2), node(3), free=0, policy=replace(CONTROL, threshold=19)))
    assert reason.endswith("0 of 0 HD connections free in AWS burst and 15 coming")


def test_no_more_nodes_start_in_one_plan_than_allowed_nor_are_ever_on() -> None:
    many = [node(n) for n in range(1, 7)]
    held = (hold(counts={"AWS burst": 6}),)
    two = replace(CONTROL, max_starts_per_plan=2)
    assert done(decide(*many, policy=two, holds=held)) == [("start", "burst-1"), ("start", "burst-2")]
    three = replace(CONTROL, max_nodes=3)
    assert done(decide(node(9, ON), *many, policy=three, holds=held)) == [("start", "burst-1"), ("start", "burst-2")]
    assert done(decide(node(8, ON), node(9, ON), node(7, ON), *many, policy=three, holds=held)) == []


def test_a_limit_on_starts_keeps_nothing_else_from_happening() -> None:
    held = (hold(counts={"AWS burst": 1, "B": 1}),)
    seen = observe(node(1, location="AWS burst"), closed(2, location="B"))
    places = (*seen.reading.locations, replace(seen.reading.locations[0], name="Oslo", overflow_location="B"))
    seen = replace(seen, reading=replace(seen.reading, locations=places))
    decided = plan(seen, promised(*held), replace(CONTROL, max_starts_per_plan=0), NOW)
    assert done(decided) == [("open", "burst-2")]


def test_the_node_that_leaves_least_to_spare_starts_and_the_larger_of_two_that_leave_none() -> None:
    assert done(decide(sized(node(1), 20), sized(node(2), 8), sized(node(3), 12), free=0)) == [("start", "burst-2")]
    two_short = replace(CONTROL, threshold=29)
    assert done(decide(sized(node(1), 20), sized(node(2), 25), sized(node(3), 12), free=0, policy=two_short)) == [
        ("start", "burst-2"),
        ("start", "burst-3"),
    ]
    exactly = replace(CONTROL, threshold=14)
    assert done(decide(sized(node(1), 16), node(2), free=0, policy=exactly)) == [("start", "burst-2")]


def test_held_nodes_are_chosen_by_size_when_no_capacity_is_short() -> None:
    held = (hold(counts={"AWS burst": 1}),)
    assert done(decide(sized(node(1), 8), sized(node(2), 20), holds=held)) == [("start", "burst-2")]


def test_nodes_start_in_the_zone_where_fewest_are_on() -> None:
    on = [in_zone(node(n, ON), "a") for n in (7, 8)]
    off = [in_zone(node(1), "a"), in_zone(node(2), "b"), in_zone(node(3), "b"), in_zone(node(4), "b")]
    held = (hold(counts={"AWS burst": 5}),)
    assert done(decide(*on, *off, holds=held)) == [("start", "burst-2"), ("start", "burst-3"), ("start", "burst-1")]


def test_a_node_whose_last_start_failed_comes_last_until_it_has_come_up_and_is_left_alone_for_a_while() -> None:
    failed = Memory(node="burst-1", failed_at=NOW - timedelta(days=3))
    assert done(decide(node(1), node(2), memories=(failed,), free=0)) == [("start", "burst-2")]
    came_up = replace(failed, up_at=NOW - timedelta(days=2))
    assert done(decide(node(1), node(2), memories=(came_up,), free=0)) == [("start", "burst-1")]
    cooling = Memory(node="burst-1", failed_at=NOW - CONTROL.failure_cooldown + timedelta(seconds=1))
    assert done(decide(node(1), memories=(cooling,), free=0)) == []
    cool = Memory(node="burst-1", failed_at=NOW - CONTROL.failure_cooldown)
    assert done(decide(node(1), memories=(cool,), free=0)) == [("start", "burst-1")]


def test_a_node_that_is_claimed_is_not_started() -> None:
    assert done(decide(node(1), memories=(claimed(1, Action.STOP),), free=0)) == []


# Opening


def test_closed_nodes_open_before_others_start_the_fullest_that_suffices_first() -> None:
    assert told(decide(closed(1), closed(2, used=4), node(3), free=0)) == [
        ("open", "burst-2", f"{FULL}; 0 of 0 HD connections free in AWS burst")
    ]
    exactly = replace(CONTROL, threshold=10)
    assert done(decide(closed(1), closed(2, used=4), free=0, policy=exactly)) == [("open", "burst-2")]


def test_one_that_is_not_needed_open_stays_as_a_reserve_for_the_last_connection() -> None:
    needed = set()
    for free in range(10, 41):
        soon = Booking(location="Stockholm", begins=NOW + timedelta(minutes=5), ends=NOW + timedelta(hours=1), hd=20)
        decided = decide(closed(1), memories=(claimed(1, Action.STOP),), free=free, bookings=(soon,))
        [need] = decided.needs
        if need.open_hd == 0:
            needed.add(need.hd)
            assert done(decided) == ([("close", "burst-1")] if need.hd else [])
    assert {0, 1, 2} <= needed


def test_one_that_is_opening_already_counts() -> None:
    opening = closed(1)
    opened = replace(claimed(1, Action.OPEN), opened_at=NOW)
    assert done(decide(opening, closed(2), memories=(opened,), free=0)) == [("stop", "burst-2")]


@pytest.mark.parametrize(
    ("action", "wanted", "opens"),
    [
        pytest.param(Action.CLOSE, Wanted.CLOSED, True, id="one that is about to be closed"),
        pytest.param(Action.STOP, Wanted.OFF, True, id="one that is about to be closed and stopped"),
        pytest.param(Action.CLOSE, Wanted.OPEN, False, id="one that turns round already"),
        pytest.param(Action.START, Wanted.OPEN, False, id="one that has just come up"),
    ],
)
def test_a_serving_node_turns_round(action: Action, wanted: Wanted, *, opens: bool) -> None:
    memory = replace(claimed(1, action), wanted=wanted)
    decided = decide(node(1, ON, used=15), node(2, ON, used=15), memories=(memory,), free=0)
    assert (("open", "burst-1") in done(decided)) is opens


def test_a_booting_reserve_opens_when_it_is_needed() -> None:
    booting = node(1, ON, launched_at=NOW - timedelta(minutes=1), boot_time=LONG_AGO)
    reserve = claimed(1, Action.START_CLOSED)
    assert told(decide(booting, memories=(reserve,), free=0)) == [
        ("open", "burst-1", f"{FULL}; 0 of 0 HD connections free in AWS burst and 15 coming")
    ]
    first = node(2, ON, launched_at=NOW - timedelta(minutes=2), boot_time=LONG_AGO)
    assert done(decide(booting, first, memories=(reserve,), free=0)) == []


# Closing


def test_the_emptiest_nodes_close_first_with_what_stays_free() -> None:
    assert told(decide(node(1, ON, used=3), node(2, ON))) == [
        ("close", "burst-2", f"Without it 12 HD connections stay free in AWS burst, none are needed ({NOTHING})"),
        ("close", "burst-1", f"Without it 0 HD connections stay free in AWS burst, none are needed ({NOTHING})"),
    ]


def test_what_is_nearly_needed_stays_open() -> None:
    assert told(decide(node(1, ON), node(2, ON), free=7)) == [
        ("close", "burst-1", f"Without it 15 HD connections stay free in AWS burst, 6 are needed ({SOON})")
    ]
    assert done(decide(sized(node(1, ON), 8), sized(node(2, ON), 8), free=7)) == [("close", "burst-1")]
    assert done(decide(sized(node(1, ON), 7), sized(node(2, ON), 7), free=7)) == []


def test_no_more_nodes_close_at_once_than_allowed_and_held_ones_stay() -> None:
    many = [node(n, ON) for n in range(1, 5)]
    assert len(done(decide(*many, policy=replace(CONTROL, max_closes_per_plan=3)))) == 3
    assert len(done(decide(*many, policy=replace(CONTROL, max_closes_per_plan=0)))) == 0
    assert len(done(decide(*many, holds=(hold(counts={"AWS burst": 2}),)))) == 2
    assert done(decide(*many[:2], holds=(hold(nodes=("burst-1",)),))) == [("close", "burst-2")]
    assert done(decide(*many[:2], memories=(claimed(1, Action.OPEN),))) == [("close", "burst-2")]


def test_a_young_node_stays_open_and_others_close_all_the_same() -> None:
    assert done(decide(node(1, ON, launched_at=YOUNG), node(2, ON, used=1))) == [("close", "burst-2")]
    just = NOW - timedelta(minutes=50)
    assert done(decide(node(1, ON, launched_at=just))) == [("close", "burst-1")]


def test_one_that_a_workflow_is_at_work_on_stays_and_others_close_all_the_same() -> None:
    at_work = replace(claimed(1, Action.CLOSE), wanted=Wanted.CLOSED)
    assert done(decide(node(1, ON), node(2, ON, used=1), memories=(at_work,))) == [("close", "burst-2")]


# Stopping


def test_closed_empty_nodes_stop_with_what_is_left() -> None:
    nothing = "none are needed"
    assert told(decide(closed(1), closed(2), closed(3, used=1))) == [
        ("stop", "burst-1", f"It is closed and looks empty; 29 HD connections stay in AWS burst, {nothing}"),
        ("stop", "burst-2", f"It is closed and looks empty; 14 HD connections stay in AWS burst, {nothing}"),
    ]


def test_a_reserve_that_is_nearly_needed_stays() -> None:
    assert told(decide(closed(1), closed(2), free=7)) == [
        (
            "stop",
            "burst-1",
            f"It is closed and looks empty; 15 HD connections stay in AWS burst, 8 are needed ({SOON})",
        )
    ]
    assert done(decide(sized(closed(1), 8), sized(closed(2), 8), free=7)) == [("stop", "burst-1")]
    assert done(decide(sized(closed(1), 7), sized(closed(2), 7), free=7)) == []
    coming = node(3, ON, launched_at=NOW - timedelta(minutes=1), boot_time=LONG_AGO)
    assert ("stop", "burst-1") in done(decide(sized(closed(1), 7), coming, free=7))


def test_young_claimed_held_and_busy_nodes_do_not_stop_and_others_do() -> None:
    nodes = [
        closed(1, used=1),
        closed(2, launched_at=YOUNG),
        closed(3),
        closed(4),
        closed(5, launched_at=NOW - timedelta(minutes=50)),
    ]
    memories = (claimed(3, Action.CLOSE),)
    assert done(decide(*nodes, memories=memories, holds=(hold(nodes=("burst-9",)),))) == [
        ("stop", "burst-4"),
        ("stop", "burst-5"),
    ]
    [opened] = decide(closed(4), holds=(hold(nodes=("burst-4",)),)).changes
    assert opened.action is Action.OPEN
    opening = replace(claimed(4, Action.OPEN), wanted=Wanted.OPEN)
    assert done(decide(closed(4), memories=(opening,), holds=(hold(nodes=("burst-4",)),))) == []


def test_no_more_nodes_stop_in_one_plan_than_allowed() -> None:
    one = replace(CONTROL, max_stops_per_plan=1)
    assert done(decide(closed(1), closed(2), node(3, ON), policy=one)) == [("stop", "burst-1"), ("close", "burst-3")]


# What was given up or forgotten


def test_a_start_that_was_given_up_is_closed_before_it_comes_up() -> None:
    late = node(1, ON, launched_at=NOW - timedelta(minutes=20), boot_time=LONG_AGO)
    given_up = Memory(node="burst-1", given_up_at=NOW - timedelta(minutes=20))
    assert told(decide(late, memories=(given_up,))) == [
        ("close", "burst-1", "Its start was given up; it must not come up open")
    ]
    assert done(decide(late, memories=(replace(given_up, given_up_at=NOW - timedelta(minutes=21)),))) == []
    assert done(decide(late)) == []
    serving = node(2, ON, launched_at=YOUNG)
    again = Memory(node="burst-2", given_up_at=NOW, wanted=Wanted.OPEN, wanted_at=NOW)
    assert done(decide(serving, memories=(again,))) == []


def test_what_was_left_closed_is_opened_for_its_next_start() -> None:
    assert told(decide(closed(1, power=Power.STOPPED))) == [
        (
            "open",
            "burst-1",
            "It is stopped but still in maintenance mode; opened, so that it takes calls after its next start",
        )
    ]


def test_beside_another_controller_opening_and_starting_go_on_and_taking_away_does_not() -> None:
    by_others = tuple(Memory(node=f"burst-{n}", switched_by_others_at=NOW) for n in (1, 2))
    decided = decide(closed(1), node(2), free=0, memories=by_others, policy=replace(CONTROL, threshold=16))
    assert done(decided) == [("open", "burst-1"), ("start", "burst-2")]
    assert done(decide(closed(1), node(2, ON), memories=by_others)) == []


def test_what_may_not_be_taken_away_keeps_nothing_else_from_opening() -> None:
    """The start of burst-1 was given up; it would be closed, if nobody else switched nodes."""
    late = node(1, ON, launched_at=NOW - timedelta(minutes=20), boot_time=LONG_AGO)
    given_up = Memory(node="burst-1", given_up_at=NOW, switched_by_others_at=NOW)
    others = (given_up, Memory(node="burst-2", switched_by_others_at=NOW))
    assert done(decide(late, closed(2), memories=others, free=0)) == [("open", "burst-2")]


def test_a_change_is_what_it_says() -> None:
    assert decide(closed(1)).changes == (
        Change(
            node="burst-1",
            action=Action.STOP,
            reason="It is closed and looks empty; 0 HD connections stay in AWS burst, none are needed",
        ),
    )


# A node that is being closed


LEAVING = claimed(1, Action.CLOSE)


def test_a_node_that_is_being_closed_gives_nothing_until_it_is_turned_round_and_counts_once_then() -> None:
    made = decide(node(1, ON), node(2), memories=(LEAVING,), free=0, policy=replace(CONTROL, threshold=15))
    assert done(made) == [("open", "burst-1"), ("start", "burst-2")], "16 are needed, and burst-1 has 15"
    assert done(decide(node(1, ON), node(2), memories=(LEAVING,), free=0)) == [("open", "burst-1")]


def test_no_other_node_is_closed_because_one_that_is_being_closed_still_looks_open() -> None:
    needs_one = replace(CONTROL, threshold=5, hysteresis=0)
    made = decide(node(1, ON), node(2, ON), memories=(LEAVING,), free=5, policy=needs_one)
    assert done(made) == []
    assert any(left.node == "burst-1" and "at work on it" in left.reason for left in made.left)
