"""A home that is lost, whole or in part: what cannot be seen offers nothing, and whoever was cut off dials again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.demand.forecasting import Booking
from headroom.domain.demand.lately import Demand
from headroom.domain.fleet.fleet import Instance, Location, PexipSettings, Power, Worker
from headroom.domain.fleet.homes import Homes, is_near_threshold, with_since_when_out_of_step
from headroom.domain.fleet.lifecycle import Action, Memory, Pause, Pausing
from headroom.domain.history.events import Kind, news_of
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Mode, Policy
from tests.support.builders import CONTROL, NOW, closed, hold, node, observe, principal, promised

MINUTE = timedelta(minutes=1)
POLICY = replace(CONTROL, threshold=5)
OFF = [node(number) for number in range(1, 9)]
SWITCHED = tuple(Memory(node=f"burst-{number}", switched_by_others_at=NOW) for number in (7, 8))
LOST: dict[str, dict[str, Any]] = {
    "closed by a person": {
        "maintenance_mode": True,
        "maintenance_mode_configured": True,
        "maintenance_mode_reason": "patching",
    },
    "about to be closed": {"maintenance_mode_configured": True},
    "unreachable": {"alarm": "connectivity lost"},
    "out of step": {"sync_status": "FAILED"},
    "being upgraded": {"upgrade_status": "INSTALLING"},
    "without a capacity": {"max_hd_calls": None},
    "with a capacity of nothing": {"max_hd_calls": 0},
    "without a load": {"media_tokens_used": None, "media_load": None},
}


def at_home(number: int, *, used: int = 0, hd: int = 40, **more: Any) -> Worker:
    """One of the always-on nodes of Stockholm."""
    made = principal(hd - used, hd)
    return replace(made, id=number, status_id=100 + number, name=f"conf-{number}", address=f"10.1.0.{number}", **more)


def seen(
    *home: Worker, nodes: list[tuple[Worker, Instance]] = OFF, after: Plan | None = None, minutes: float = 0
) -> Any:
    """What a tick sees some minutes on, and remembers of the plan before."""
    now = NOW + minutes * MINUTE
    made = observe(*nodes, read_at=now)
    reading = replace(made.reading, workers=(*home, *made.reading.workers[1:]))
    return replace(made, reading=reading, trail=after.trail if after else (), homes=after.homes if after else ())


def decide(*home: Worker, policy: Policy = POLICY, minutes: float = 0, **more: Any) -> Plan:
    return plan(seen(*home, minutes=minutes, **more), promised(), policy, NOW + minutes * MINUTE)


def starts(made: Plan) -> int:
    return sum(change.action is Action.START for change in made.changes)


def issues(made: Plan) -> dict[Trouble, str]:
    return {issue.kind: issue.what for issue in made.issues}


@pytest.mark.parametrize("how", LOST)
def test_a_home_that_is_lost_starts_nodes_at_once_whatever_the_way_and_an_issue_names_it(how: str) -> None:
    made = decide(at_home(1, **LOST[how]))
    assert starts(made) > 0
    assert issues(made)[Trouble.HOME_LOST] == (
        "Stockholm has no always-on node that can be counted on (conf-1); AWS burst covers it: 0 of 0 HD connections free, "
        "0 coming"
    )
    assert issues(made)[Trouble.NOT_COUNTED].startswith("conf-1 ")
    assert made.changes[0].reason.startswith("Stockholm has no always-on node that can be counted on")


@pytest.mark.parametrize("how", LOST)
def test_what_a_home_carried_when_it_was_last_whole_is_asked_for(how: str) -> None:
    before = decide(at_home(1, used=30))
    assert starts(before) == 0
    made = decide(at_home(1, **LOST[how]), after=before, minutes=1)
    assert starts(made) == 3, "36 HD connections: 30 that dial again, and one more than the threshold"
    assert "and 30 HD connections that it carried may be dialled again" in made.changes[0].reason


@pytest.mark.parametrize("how", LOST)
def test_what_is_lost_in_part_counts_for_nothing_and_what_it_carried_is_asked_for(how: str) -> None:
    before = decide(at_home(1, used=30), at_home(2, used=20))
    made = decide(at_home(1, used=30), at_home(2, **LOST[how]), after=before, minutes=1)
    assert made.principals[0].hd == 40
    assert starts(made) == 2, "20 dial again, of which 10 find room at home; one more than the threshold, too"
    assert Trouble.HOME_LOST not in issues(made)
    assert issues(made)[Trouble.NOT_COUNTED].startswith("conf-2 ")


def test_a_home_that_is_lost_bit_by_bit_asks_for_all_that_it_carried() -> None:
    whole = decide(*(at_home(n, used=20) for n in (1, 2, 3)))
    two = decide(at_home(1, used=20), at_home(2, used=20), at_home(3, **LOST["unreachable"]), after=whole, minutes=1)
    assert starts(two) == 0, "20 find room on the other two, where 40 are free"
    one = decide(at_home(1, used=20), *(at_home(n, **LOST["unreachable"]) for n in (2, 3)), after=two, minutes=5)
    assert starts(one) == 2, "60 were there, 20 are, and 20 find room"
    none = decide(*(at_home(n, **LOST["unreachable"]) for n in (1, 2, 3)), after=one, minutes=9)
    assert starts(none) == 5, "60 dial again"


def test_whoever_dials_again_is_not_asked_for_twice() -> None:
    before = decide(at_home(1, used=30))
    lost = decide(at_home(1, **LOST["unreachable"]), after=before, minutes=1)
    took = [node(n, Power.RUNNING, used=15) for n in (1, 2)] + [node(3, Power.RUNNING)] + [node(n) for n in (4, 5)]
    made = decide(at_home(1, **LOST["unreachable"]), nodes=took, after=lost, minutes=6)
    assert starts(made) == 0, "30 are back, 15 more are free"
    assert "may be dialled again" not in made.needs[0].reason


def test_those_who_were_cut_off_are_waited_for_half_an_hour_and_the_threshold_is_kept_for_as_long_as_it_lasts() -> None:
    made = decide(at_home(1, used=30))
    needs = []
    for minutes in range(1, 40):
        made = decide(at_home(1, **LOST["unreachable"]), after=made, minutes=minutes)
        needs.append(made.needs[0].hd)
    assert needs[:30] == [36] * 30
    assert needs[30:] == [6] * 9
    assert made.homes[0].hd == 40, "it is still awaited, as one node or more of it is there"


def test_nothing_is_closed_or_stopped_until_half_an_hour_after_a_home_is_whole_again() -> None:
    before = decide(at_home(1, used=3))
    on = [node(1, Power.RUNNING), node(2, Power.RUNNING)]
    lost = decide(at_home(1, **LOST["out of step"]), nodes=on, after=before, minutes=1)
    assert {each.reason for each in lost.left} == {
        "Stockholm has lost always-on nodes, so nothing is closed or stopped before 08:31 UTC"
    }
    back = lost
    for minutes in range(2, 31):
        back = decide(at_home(1, used=3), nodes=on, after=back, minutes=minutes)
        assert back.changes == ()
    assert {each.reason for each in back.left} == {
        "Stockholm had lost always-on nodes and is only just whole again: nothing is closed or stopped before 08:31 UTC"
    }
    later = decide(at_home(1, used=3), nodes=on, after=back, minutes=31)
    assert {change.action for change in later.changes} == {Action.CLOSE}


def test_a_closed_node_is_not_stopped_beside_a_home_that_has_lost_nodes() -> None:
    spare = replace(POLICY, threshold=0, hysteresis=0)
    before = decide(at_home(1), at_home(2), policy=spare)
    made = decide(
        at_home(1), at_home(2, **LOST["unreachable"]), nodes=[closed(1)], after=before, minutes=1, policy=spare
    )
    assert made.changes == ()
    assert "has lost always-on nodes" in made.left[0].reason


def test_a_node_that_is_missing_for_good_is_taken_for_normal_after_half_an_hour() -> None:
    made = decide(at_home(1, used=10), at_home(2, used=10))
    for minutes in range(1, 33):
        made = decide(at_home(1, used=10), after=made, minutes=minutes)
    [home] = made.homes
    assert (home.nodes, home.left, home.hd, home.carried) == (1, 1, 40, 10)


def test_a_capacity_that_varies_from_reading_to_reading_is_no_loss() -> None:
    """Pexip estimates what a node can take; one less in every other minute must not keep all nodes on for ever."""
    on = [node(1, Power.RUNNING)]
    made = decide(at_home(1, used=3), nodes=on)
    for minutes in range(1, 6):
        made = decide(at_home(1, used=3, hd=40 - minutes % 2), nodes=on, after=made, minutes=minutes)
        assert {change.action for change in made.changes} == {Action.CLOSE}


def test_a_home_whose_nodes_are_all_taken_out_of_pexip_is_awaited_for_half_an_hour_and_then_none() -> None:
    made = decide(at_home(1, used=10))
    made = decide(after=made, minutes=1)
    assert starts(made) == 2
    assert issues(made)[Trouble.HOME_LOST].startswith(
        "Stockholm has no always-on node that can be counted on (it has none any more); "
    )
    for minutes in range(2, 34):
        made = decide(after=made, minutes=minutes)
    assert made.needs[0].hd == 0
    assert Trouble.HOME_LOST not in issues(made)


def test_a_location_that_never_had_an_always_on_node_is_no_home_and_asks_for_nothing() -> None:
    made = decide()
    assert (made.changes, made.principals, issues(made)) == ((), (), {})
    edge = at_home(1, node_type="PROXYING")
    assert decide(edge).principals == ()


def test_a_home_without_overflow_nodes_says_that_nothing_covers_it() -> None:
    made = decide(at_home(1, **LOST["unreachable"]), nodes=[])
    assert issues(made)[Trouble.HOME_LOST].endswith("AWS burst has no overflow nodes, so nothing covers it")


@pytest.mark.parametrize(
    ("mode", "pause", "does"),
    [
        pytest.param(Mode.CONTROL, None, "Headroom starts nodes for whoever dials again. Look", id="it starts"),
        pytest.param(Mode.OBSERVE, None, "In observe mode Headroom starts nothing. Look", id="observe mode"),
        pytest.param(Mode.CONTROL, Pause(reason="a drill"), "Paused: a drill Look", id="paused"),
    ],
)
def test_a_lost_home_says_what_headroom_does_about_it(mode: Mode, pause: Pause | None, does: str) -> None:
    lost = seen(at_home(1, **LOST["unreachable"]))
    made = plan(lost, promised(pause=pause), replace(POLICY, mode=mode), NOW)
    [advice] = [issue.advice for issue in made.issues if issue.kind is Trouble.HOME_LOST]
    assert advice.startswith(does)


@pytest.mark.parametrize(
    ("more", "commitments", "count"),
    [
        pytest.param({}, {"memories": SWITCHED}, 1, id="somebody else starts and stops nodes"),
        pytest.param(
            {}, {"pause": Pause(reason="a drill", holding=Pausing.STOPS_ONLY)}, 1, id="a pause of stops alone"
        ),
        pytest.param({"blind": True}, {"holds": (hold(counts={"AWS burst": 1}),)}, 1, id="blind, with a promise"),
        pytest.param({"upgrading": True}, {}, 0, id="Pexip upgrades itself"),
        pytest.param({}, {"pause": Pause(reason="a drill")}, 0, id="a pause"),
        pytest.param({"settings": PexipSettings(bursting_enabled=True)}, {}, 0, id="Pexip bursts, too"),
    ],
)
def test_a_location_at_its_threshold_gets_its_node_where_the_operating_manual_says_so(
    more: dict[str, Any], commitments: dict[str, Any], count: int
) -> None:
    blind = {"unreachable": "no answer", "read_at": NOW - 5 * MINUTE} if more.pop("blind", False) else {}
    full = observe(*OFF, free=3, **more, **blind)
    made = plan(full, promised(*commitments.pop("holds", ()), **commitments), POLICY, NOW)
    assert starts(made) == count


def test_another_stack_that_closes_nodes_keeps_none_from_starting() -> None:
    theirs = node(9, Power.RUNNING, maintenance_mode_configured=True, maintenance_mode_reason="Headroom: [other] idle")
    assert starts(plan(observe(*OFF, theirs, free=3), promised(), POLICY, NOW)) == 1


def test_people_hear_of_a_lost_home_at_once() -> None:
    before = decide(at_home(1))
    made = decide(at_home(1, **LOST["unreachable"]), after=before, minutes=1)
    assert Kind.HOME_LOST in {event.kind for event in news_of(before, made, NOW)}


def test_a_plan_without_news_leaves_what_is_remembered_of_homes_as_it_is() -> None:
    before = decide(at_home(1, used=30))
    blind = replace(seen(at_home(1, **LOST["unreachable"]), after=before, minutes=5), unreachable="no answer")
    assert plan(blind, promised(), POLICY, NOW + 5 * MINUTE).homes == before.homes


def test_what_the_trail_tells_stands_in_for_a_plan_that_was_lost() -> None:
    trail = (Demand(at=NOW - MINUTE, location="Stockholm", used=50.0),)
    lost = replace(seen(at_home(1, **LOST["without a capacity"])), trail=trail)
    assert starts(plan(lost, promised(), POLICY, NOW)) == 4


# Silence


def heard(number: int, seconds: float, **more: Any) -> Worker:
    return at_home(number, contacted_at=NOW - timedelta(seconds=seconds), **more)


def updated(number: int, seconds: float) -> Worker:
    return at_home(number, updated_at=NOW - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("home", "hd"),
    [
        pytest.param([heard(1, 20), heard(2, 200)], 80, id="three minutes behind its peer is not too long"),
        pytest.param([heard(1, 20), heard(2, 201)], 40, id="more is"),
        pytest.param([heard(1, 900), heard(2, 900)], 80, id="all are as old: nobody is behind"),
        pytest.param([heard(1, 20), at_home(2)], 80, id="one that does not say"),
        pytest.param([updated(1, 20), updated(2, 30), updated(3, 400)], 80, id="most are updated by the minute"),
        pytest.param([updated(1, 20), updated(2, 400)], 40, id="its only peer is"),
        pytest.param(
            [updated(1, 20), updated(2, 4000), updated(3, 90_000)], 120, id="updates are changes of a configuration"
        ),
        pytest.param([updated(1, 4000)], 40, id="a node without peers"),
        pytest.param([updated(1, 4000), at_home(2)], 80, id="a node whose peers do not say"),
    ],
)
def test_a_status_that_is_older_than_its_peers_offers_nothing(home: list[Worker], hd: int) -> None:
    made = decide(*home)
    assert made.principals[0].hd == hd
    if hd < 40 * len(home):
        assert issues(made)[Trouble.NOT_COUNTED] == (
            f"conf-{len(home)} has not been heard of for longer than its peers, so nothing is counted on there"
        )


def test_the_management_nodes_clock_says_how_old_a_status_is() -> None:
    fast = seen(updated(1, -590), updated(2, -580), updated(3, 0))
    fast = replace(fast, reading=replace(fast.reading, clock_off=600.0))
    assert Homes(fast.reading).loads["Stockholm"].hd == 80


def test_a_node_that_has_just_left_step_counts_for_as_long_as_a_change_takes_to_reach_it() -> None:
    before = seen(at_home(1)).reading
    doubt = with_since_when_out_of_step(seen(at_home(1, sync_status="SYNCING"), minutes=1).reading, before)
    assert Homes(doubt).loads["Stockholm"].hd == 40
    still = with_since_when_out_of_step(seen(at_home(1, sync_status="SYNCING"), minutes=2).reading, doubt)
    assert Homes(still).loads["Stockholm"].hd == 40
    gone = with_since_when_out_of_step(seen(at_home(1, sync_status="SYNCING"), minutes=2.5).reading, still)
    assert Homes(gone).loads["Stockholm"].hd == 0
    new = with_since_when_out_of_step(seen(at_home(1, sync_status="SYNCING")).reading, None)
    assert Homes(new).loads["Stockholm"].hd == 0


def test_a_lost_home_is_looked_at_more_often() -> None:
    assert is_near_threshold(seen(at_home(1, **LOST["unreachable"])).reading, POLICY)


# Overflow locations that overflow themselves


def test_a_node_of_an_overflow_location_that_is_off_is_not_free_there() -> None:
    made = seen(at_home(1), nodes=[node(1), node(2, Power.RUNNING, used=5)])
    places = (
        Location(name="Stockholm", overflow_location="AWS burst"),
        Location(name="AWS burst", overflow_location="Dublin"),
        Location(name="Dublin"),
    )
    chained = replace(made, reading=replace(made.reading, locations=places))
    first = plan(chained, promised(), POLICY, NOW)
    loads = {load.location: (load.hd, load.used) for load in first.principals}
    assert loads == {"Stockholm": (40, 0), "AWS burst": (15, 5)}
    asleep = seen(at_home(1), nodes=[node(1), node(2)], after=first, minutes=1)
    asleep = replace(asleep, reading=replace(asleep.reading, locations=places))
    made = plan(asleep, promised(), POLICY, NOW + MINUTE)
    assert Trouble.HOME_LOST not in issues(made), "its nodes were stopped, not lost"
    assert (made.changes, [load.location for load in made.principals]) == ((), ["Stockholm"])


# The promise


def homes() -> st.SearchStrategy[list[Worker]]:
    kinds = st.sampled_from([{}, *LOST.values()])
    nodes = st.tuples(kinds, st.integers(0, 40))
    return st.lists(nodes, min_size=1, max_size=4).map(
        lambda drawn: [at_home(n, used=used, **kind) for n, (kind, used) in enumerate(drawn, 1)]
    )


@given(homes(), homes(), st.integers(0, 30), st.booleans())
def test_whenever_a_location_is_at_its_threshold_and_a_node_can_be_started_one_is(
    before: list[Worker], after: list[Worker], threshold: int, booked: bool
) -> None:
    policy = replace(POLICY, threshold=threshold)
    first = decide(*before, policy=policy)
    meeting = (Booking(begins=NOW, ends=NOW + MINUTE, hd=10),) if booked else ()
    now = seen(*after, after=first, minutes=1)
    made = plan(replace(now, bookings=meeting), promised(), policy, NOW + MINUTE)
    free = sum(
        worker.max_hd_calls - (worker.used_hd or 0)
        for worker in after
        if worker.max_hd_calls
        and worker.used_hd is not None
        and worker.sync_status == "SYNCED"
        and not worker.alarm
        and not worker.closed
        and not worker.upgrading
    )
    assert starts(made) > 0 or free > threshold
