"""The rare cases: what is not said, what is only half known, and what lies just outside."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.demand.bookings import Meeting, look
from headroom.domain.demand.forecasting import Booking, Foresight, expected, near
from headroom.domain.demand.lately import Demand
from headroom.domain.fleet.fleet import Instance, NodeState, PexipSettings, Power, Source, Worker, match_up, state_of
from headroom.domain.fleet.homes import is_near_threshold
from headroom.domain.fleet.lifecycle import Action, Memory, Wanted
from headroom.domain.fleet.load import Load
from headroom.domain.fleet.signature import is_ours, signed, signer
from headroom.domain.people.status import status_of
from headroom.domain.planning.giving import Supply
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.leads import Leads
from headroom.domain.planning.planning import plan
from headroom.domain.planning.promises import Request, Terms, promise
from headroom.domain.policy import Mode
from headroom.domain.safety.claims import is_met, is_resting
from tests.support.builders import CONTROL, NOW, claimed, closed, hold, node, observe, principal, promised

HOUR = timedelta(hours=1)


# What a node says of itself


def test_load_is_read_from_tokens_or_else_from_percent_and_of_a_closed_node_not_at_all() -> None:
    worker, _ = node(1, Power.RUNNING, used=3)
    assert worker.used_hd == 3
    percent = replace(worker, max_media_tokens=None, media_load=21.0)
    assert percent.used_hd == 4
    assert replace(percent, media_load=None).used_hd is None
    assert replace(worker, max_hd_calls=None).used_hd is None
    assert replace(percent, maintenance_mode=True, media_load=100.0).used_hd is None


def test_a_node_that_does_not_say_is_taken_as_full_unless_it_is_closed_and_looks_empty() -> None:
    silent: dict[str, Any] = {"max_media_tokens": None, "media_load": None}
    pairs = (node(1, Power.RUNNING, **silent), closed(2, **silent), closed(3, shards=1, **silent))
    fleet = match_up(observe(*pairs), expected_hd={}, default_hd=15, boot_limit=HOUR, now=NOW)
    assert [each.used for each in fleet.nodes] == [15, 0, 15]


def test_what_a_reading_shows_on_a_node_is_said_in_words() -> None:
    worker, _ = node(1, Power.RUNNING, shards=2, signaling_count=3)
    assert worker.carries == "conferences: 2, calls with their signalling there: 3"
    assert node(2)[0].carries == ""
    assert [replace(worker, node_type=kind).proxies for kind in ("PROXYING", "CONFERENCING")] == [True, False]


@pytest.mark.parametrize(
    ("power", "state"), [(Power.STOPPING, NodeState.STOPPING), (Power.SHUTTING_DOWN, NodeState.STOPPING)]
)
def test_a_node_whose_instance_goes_down_is_stopping(power: Power, state: NodeState) -> None:
    [seen] = plan(observe(node(1, power)), promised(), CONTROL, NOW).nodes
    assert seen.state is state


def test_a_node_whose_instance_was_terminated_is_gone() -> None:
    worker, instance = node(1, Power.TERMINATED)
    assert state_of(worker, instance, boot_limit=HOUR, just_opened=False, now=NOW) is NodeState.GONE


def test_a_node_that_pexip_upgrades_is_left_alone() -> None:
    decided = plan(observe(node(1, Power.RUNNING, upgrade_status="UPGRADING")), promised(), CONTROL, NOW)
    assert ([each.state for each in decided.nodes], decided.changes) == ([NodeState.UPGRADING], ())


def test_media_load_in_percent() -> None:
    assert Load(location="Oslo", hd=80, used=20).percent == 25.0
    assert Load(location="Oslo", hd=0, used=0).percent == 0.0


def test_near_a_threshold_is_two_above_it_by_the_location_the_policy_or_pexip() -> None:
    seen = observe(free=7).reading
    assert is_near_threshold(seen, CONTROL)
    assert not is_near_threshold(observe(free=8).reading, CONTROL)
    assert is_near_threshold(observe(free=11).reading, replace(CONTROL, thresholds={"Stockholm": 9}))
    pexips = replace(observe(free=14).reading, settings=PexipSettings(bursting_threshold=12))
    assert is_near_threshold(pexips, replace(CONTROL, threshold=None))


# Issues


def test_what_pexip_could_not_say_and_a_node_in_the_distributed_database_are_issues() -> None:
    seen = observe(node(1, enable_distributed_database=True))
    seen = replace(seen, reading=replace(seen.reading, problems=("A node cannot be read",)))
    said = [issue.what for issue in plan(seen, promised(), CONTROL, NOW).issues]
    assert said == ["A node cannot be read", "burst-1 takes part in the distributed database"]


def said(there: tuple[Worker, Instance], *, memory: Memory) -> list[str]:
    """The issues of a node whose lifetime is written down."""
    _, instance = there
    known = replace(memory, lifetime=None if instance.power is Power.STOPPED else instance.launched_at)
    return [issue.what for issue in plan(observe(there), promised(memories=(known,)), CONTROL, NOW).issues]


def test_a_stop_that_is_refused_again_and_again_is_an_issue_with_its_last_reason() -> None:
    why = "EC2 says OperationNotPermitted: the instance has stop protection"
    memory = Memory(node="burst-1", wanted=Wanted.OFF, refused_since=NOW - timedelta(minutes=30), refused_why=why)
    assert said(closed(1), memory=memory) == [f"burst-1 has not been needed for 30 min, and cannot be stopped: {why}"]
    assert said(closed(1), memory=replace(memory, refused_since=NOW - timedelta(minutes=29))) == []
    assert said(closed(1), memory=replace(memory, wanted=Wanted.OPEN)) == []
    assert said(node(1), memory=memory) == []


def test_a_stop_that_never_ends_is_an_issue() -> None:
    memory = Memory(node="burst-1", stop_asked_at=NOW - timedelta(minutes=30))
    assert said(node(1, Power.STOPPING), memory=memory) == ["burst-1 has been stopping for 30 min"]
    assert said(node(1, Power.STOPPING), memory=replace(memory, stop_asked_at=NOW - timedelta(minutes=29))) == []
    assert said(node(1, Power.STOPPING), memory=Memory(node="burst-1")) == []


def test_a_node_that_stays_in_maintenance_mode_although_it_was_opened_counts_no_longer_and_is_an_issue() -> None:
    hanging = node(1, Power.RUNNING, maintenance_mode=True, maintenance_mode_reason="Headroom: spare")
    lately = Memory(node="burst-1", opened_at=NOW - timedelta(minutes=15))
    long_ago = Memory(node="burst-1", opened_at=NOW - timedelta(minutes=16))
    assert plan(observe(hanging, free=0), promised(memories=(lately,)), CONTROL, NOW).overflows[0].coming == 15
    assert plan(observe(hanging, free=0), promised(memories=(long_ago,)), CONTROL, NOW).overflows[0].coming == 0
    assert said(hanging, memory=lately) == []
    assert said(hanging, memory=long_ago) == [
        "burst-1 is open in Pexip's configuration, but its status still says maintenance mode"
    ]
    assert said(hanging, memory=Memory(node="burst-1"))


def test_an_upgrade_of_one_node_is_an_issue() -> None:
    upgrading = node(1, Power.RUNNING, upgrade_status="INSTALLING")
    assert said(upgrading, memory=Memory(node="burst-1")) == ["burst-1 is being upgraded by Pexip (INSTALLING)"]


def test_what_ec2_could_not_say_is_told_from_what_pexip_could_not() -> None:
    seen = replace(observe(unreachable="EC2 cannot be read: RequestLimitExceeded"), silent=Source.EC2)
    [issue] = plan(seen, promised(), CONTROL, NOW).issues
    assert issue.what == "No news from EC2 for 0 min: EC2 cannot be read: RequestLimitExceeded"


def test_bursting_into_another_cloud_is_not_our_affair() -> None:
    elsewhere = PexipSettings(bursting_enabled=True, cloud_provider="AZURE")
    decided = plan(observe(node(1), settings=elsewhere, free=0), promised(), replace(CONTROL, mode=Mode.OBSERVE), NOW)
    assert decided.frozen == "Pexip bursts into AZURE, not AWS: Headroom has nothing to do here."


# Claims and holds


def test_a_workflow_that_rests_is_relieved_by_one_that_opens_and_by_no_other() -> None:
    rests = replace(claimed(1, Action.STOP), rests_until=NOW + timedelta(seconds=1))
    assert rests.is_relieved_by(Action.OPEN, NOW)
    assert not rests.is_relieved_by(Action.STOP, NOW)
    assert not rests.is_relieved_by(Action.OPEN, NOW + timedelta(seconds=1))
    assert not replace(rests, claim=None).is_relieved_by(Action.OPEN, NOW)
    assert not replace(claimed(1, Action.START), rests_until=NOW + HOUR).is_relieved_by(Action.OPEN, NOW)
    assert not claimed(1, Action.STOP).is_relieved_by(Action.OPEN, NOW)
    facts: dict[str, Any] = {"claim_token": "stop-1", "rests_until": NOW + timedelta(seconds=1)}
    assert is_met(is_resting("stop-1", NOW), facts)
    assert not is_met(is_resting("stop-2", NOW), facts)
    assert not is_met(is_resting("stop-1", NOW + timedelta(seconds=1)), facts)


def test_a_workflow_is_at_work_until_its_lease_ends() -> None:
    assert claimed(1, Action.STOP).is_at_work(NOW)
    assert not claimed(1, Action.STOP, left=timedelta()).is_at_work(NOW)
    assert not Memory(node="burst-1").is_at_work(NOW)


def test_a_hold_says_what_it_promises() -> None:
    assert hold(nodes=("burst-1", "burst-2")).what == "burst-1, burst-2"
    assert hold(counts={"AWS burst": 3, "DMZ": 1}).what == "3 nodes in AWS burst, 1 node in DMZ"


def test_a_node_is_held_by_its_name_or_because_too_few_others_serve() -> None:
    named, counted = hold(id="named", nodes=("burst-1",)), hold(id="counted", counts={"AWS burst": 2})
    held = promised(named, counted)
    assert held.holds_on("burst-1", "AWS burst", 2) == (named,)
    assert held.holds_on("burst-2", "AWS burst", 1) == (counted,)
    assert held.holds_on("burst-2", "AWS burst", 2) == ()


def test_a_pre_warm_of_one_location_counts_its_nodes_only() -> None:
    nodes = plan(observe(node(1), node(2, location="B")), promised(), CONTROL, NOW).nodes
    nodes = (*nodes, replace(nodes[0], name="burst-2", location="B"))
    terms = Terms(mode=Mode.CONTROL, lifetime=HOUR, leads=Leads({}, {}, CONTROL, NOW))
    assert promise(Request(locations=("B",)), Supply(nodes=nodes), terms, name="x", now=NOW).hold.counts == {"B": 1}


# Forecasts


def test_a_meeting_that_is_not_counted_now_changes_no_series() -> None:
    meeting = Meeting(begins=NOW, ends=NOW + HOUR, series="recurring/1", present=4)
    changed = look([meeting, replace(meeting, series=""), replace(meeting, series="recurring/2", present=None)], {})
    assert list(changed) == ["recurring/1"]
    assert look([meeting], changed) == {}


def test_bookings_far_away_or_in_full_swing_announce_nothing() -> None:
    booking = Booking(begins=NOW - HOUR, ends=NOW + 5 * HOUR, hd=10)
    swinging = Foresight(None, 10.0, [booking], NOW, timedelta(minutes=10))
    assert swinging.within(timedelta(minutes=10)).announced == 0
    later = Foresight(None, 10.0, [replace(booking, begins=NOW + 3 * HOUR)], NOW, timedelta(minutes=10))
    assert later.within(timedelta(minutes=10)).announced == 0
    assert booking.share(0.25).hd == 2.5
    assert expected([booking, booking], NOW) == 20.0
    assert near([booking, replace(booking, begins=NOW - 3 * HOUR, ends=NOW - 2 * HOUR)], NOW) == (booking,)


def test_a_forecast_asks_for_no_more_nodes_than_its_cap() -> None:
    booking = Booking(begins=NOW + timedelta(minutes=5), ends=NOW + HOUR, hd=60, location="Stockholm")
    seen = observe(node(1), node(2), node(3), node(4), free=10, bookings=(booking,))
    [capped] = plan(seen, promised(), replace(CONTROL, forecasting=True, max_forecast_nodes=2), NOW).needs
    [free] = plan(seen, promised(), replace(CONTROL, forecasting=True), NOW).needs
    assert (capped.hd, free.hd > 30) == (30, True)


def test_a_booking_of_two_principal_locations_is_shared() -> None:
    seen = observe(node(1), free=40)
    other = replace(principal(free=40, name="Oslo"), id=2, status_id=102, address="10.1.0.2")
    places = (*seen.reading.locations, replace(seen.reading.locations[0], name="Oslo"))
    reading = replace(seen.reading, workers=(*seen.reading.workers, other), locations=places)
    booking = Booking(begins=NOW - timedelta(minutes=20), ends=NOW + HOUR, hd=8)
    decided = plan(replace(seen, reading=reading, bookings=(booking,)), promised(), CONTROL, NOW)
    assert sorted((sample.location, sample.booked) for sample in decided.samples()) == [
        ("Oslo", 4.0),
        ("Stockholm", 4.0),
    ]


def test_clocks_that_differ_are_an_issue_and_those_that_agree_or_are_not_known_are_none() -> None:
    def clocks(off: float | None) -> list[str]:
        made = plan(observe(closed(1), clock_off=off), promised(), CONTROL, NOW)
        assert ("stop" in {change.action for change in made.changes}) == (off in {None, 3.0})
        return [issue.what for issue in made.issues if issue.kind is Trouble.CLOCKS]

    assert clocks(None) == clocks(3.0) == []
    assert clocks(42.0) == ["The Management Node's clock is 42 s ahead of Headroom's"]


def test_a_reason_is_this_stacks_own_if_it_names_it_or_as_an_earlier_version_wrote_it_none() -> None:
    assert is_ours(signed("idle", "headroom"), "headroom")
    assert is_ours("Headroom: idle", "headroom")
    assert is_ours(signed("idle", ""), "")
    assert not is_ours(signed("idle", "headroom"), "")
    for reason in (None, "", "repair", "Headroom", "see Headroom: [headroom] idle", signed("idle", "headroom-2")):
        assert not is_ours(reason, "headroom")
    assert (signer(signed("idle (really)", "a-1")), signer("Headroom: idle"), signer(None)) == ("a-1", "", "")


def test_beside_another_stack_that_closes_nodes_nothing_is_closed_or_stopped_and_nodes_still_start() -> None:
    foreign = closed(3, maintenance_mode_reason="Headroom: [headroom-2] idle", read_by="headroom")
    idle = [closed(1, read_by="headroom"), node(2, Power.RUNNING, read_by="headroom")]
    made = plan(observe(*idle, foreign), promised(), CONTROL, NOW)
    assert made.changes == ()
    [issue] = [issue for issue in made.issues if issue.kind is Trouble.TWO_CONTROLLERS]
    assert issue.what == "Another stack of Headroom closes nodes of this platform, too: headroom-2"
    assert {each.node: each.reason for each in made.left}["burst-1"] == issue.what
    needed = plan(observe(node(4), foreign, free=3), promised(), CONTROL, NOW)
    assert [change.action for change in needed.changes] == [Action.START]
    alone = plan(observe(*idle, closed(3, read_by="headroom")), promised(), CONTROL, NOW)
    assert {change.action for change in alone.changes} == {Action.STOP, Action.CLOSE}
    assert plan(observe(foreign), promised(), replace(CONTROL, mode=Mode.OBSERVE), NOW).issues[0].kind is not issue.kind


# Calls turned away


def filled(*used: float) -> tuple[Demand, ...]:
    """The loads of the last minutes; at 80 nothing was free anywhere."""
    first = NOW - len(used) * timedelta(minutes=1)
    return tuple(
        Demand(at=first + number * timedelta(minutes=1), location="Stockholm", used=load, full=load >= 80)
        for number, load in enumerate(used)
    )


@pytest.mark.parametrize(
    ("before", "free", "words", "lately"),
    [
        pytest.param(
            (40.0, 50.0, 60.0, 70.0), 0, "since 08:00 UTC: about 10 calls were turned away so far", 10, id="now"
        ),
        pytest.param((80.0, 80.0), 0, "", 0, id="it has long been full, and nothing is known"),
        pytest.param((60.0, 70.0, 80.0, 80.0), 3, "", 20, id="something is free again"),
    ],
)
def test_where_nothing_is_free_anywhere_an_issue_says_how_many_were_turned_away(
    before: tuple[float, ...], free: int, words: str, lately: float
) -> None:
    made = plan(observe(node(1), free=free, trail=filled(*before)), promised(), CONTROL, NOW)
    found = [issue for issue in made.issues if issue.kind is Trouble.TURNED_AWAY]
    assert [issue.about for issue in found] == (["Stockholm"] if words else [])
    assert not words or f"Nothing is free in Stockholm or AWS burst {words} (an estimate)" == found[0].what
    assert [each.calls for each in made.turned_away()] == [pytest.approx(lately)]


def test_what_cannot_be_read_says_nothing_about_calls() -> None:
    old = observe(
        node(1), free=0, trail=filled(40.0, 80.0), read_at=NOW - timedelta(minutes=5), unreachable="no answer"
    )
    made = plan(old, promised(), CONTROL, NOW)
    assert Trouble.TURNED_AWAY not in {issue.kind for issue in made.issues}
    assert list(made.turned_away()) == []


def test_the_status_says_with_what_asks_for_more_how_many_were_turned_away_lately() -> None:
    seen = observe(node(1), free=0, trail=filled(40.0, 50.0, 60.0, 70.0))
    made = plan(seen, promised(), CONTROL, NOW)
    home, cloud = status_of(seen, CONTROL, made, promised(), NOW).places
    assert home.why == "about 10 calls turned away lately (an estimate)"
    assert cloud.why == cloud.need
    assert "Stockholm" in cloud.need


def test_a_location_that_the_last_reading_did_not_show_is_estimated_nothing() -> None:
    gone = (Demand(at=NOW - timedelta(minutes=1), location="Gone", used=80.0, full=True),)
    made = plan(observe(node(1), trail=gone), promised(), CONTROL, NOW)
    assert [each.location for each in made.turned_away()] == ["Stockholm"]
