"""The planner in its world: whatever is called, booked and remembered, some things never happen."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.domain.demand.forecasting import Booking, Outlook, Window
from headroom.domain.demand.habits import HORIZONS, PHASES, Slopes
from headroom.domain.demand.lately import Demand
from headroom.domain.demand.turned_away import Sample
from headroom.domain.fleet.fleet import Power
from headroom.domain.fleet.lifecycle import Action
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Mode, Policy
from headroom_replay.production import Headroom, policy_for
from headroom_replay.site import Site
from headroom_replay.work import OVERFLOW, PRINCIPAL, Failing, Platform, Work
from headroom_replay.world import Call
from tests.support.builders import NOW, closed, node, observe, promised

BEGIN = datetime(2026, 3, 2, 7, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MORNING = 150  # minutes in which meetings begin
SMALL = Platform(always_on=10, nodes=4, node_hd=5)
EXAMPLES = settings(max_examples=15, deadline=None)


@dataclass
class Played:
    """A morning under Headroom: the site as it ended, and every plan."""

    site: Site
    plans: list[Plan]

    @property
    def node_hours(self) -> float:
        return self.site.world.node_seconds() / 3600


def play(work: Work, policy: Policy | None = None, *, reliable: bool = False) -> Played:
    share = 0.0 if reliable else 0.1
    site = Site(work, 1, failing=Failing(refused=share, slow=share))
    controller, plans = Headroom(site, policy or policy_for(work)), []

    def step() -> None:
        controller.step()
        assert controller.last
        plans.append(controller.last)

    site.run(step)
    return Played(site, plans)


def work_of(calls: Sequence[Call], bookings: Sequence[Booking] = (), history: Sequence[Sample] = ()) -> Work:
    ordered = sorted(calls, key=lambda call: call.at)
    return Work(
        name="drawn",
        zone="UTC",
        platform=SMALL,
        calls=tuple(ordered),
        bookings=tuple(bookings),
        history=tuple(history),
    )


@st.composite
def works(draw: Any) -> Work:
    """A morning of meetings, some of them booked as something else than they are, over a past that may be nonsense."""
    meetings = draw(
        st.lists(
            st.tuples(st.integers(0, MORNING), st.integers(1, 14), st.integers(1, 60), st.integers(0, 20)),
            min_size=1,
            max_size=12,
        )
    )
    calls, bookings = [], []
    for number, (minute, size, length, booked) in enumerate(meetings):
        begins = BEGIN + minute * MINUTE
        for person in range(size):
            at = begins.timestamp() + 7 * person
            calls.append(Call(at, f"meeting {number}", PRINCIPAL, 60.0 * length))
        if booked:
            bookings.append(Booking(begins=begins, ends=begins + length * MINUTE, hd=booked))
    loads = draw(st.lists(st.integers(0, 60), min_size=0, max_size=6))
    history = [
        Sample(at=BEGIN - timedelta(days=1 + day) + 20 * minute * MINUTE, location=PRINCIPAL, used=used)
        for day in range(3)
        for minute, used in enumerate(loads)
    ]
    return work_of(calls, bookings, history)


def on_after(played: Played) -> Iterator[int]:
    """How many nodes the plans counted as on, with those they started."""
    for made in played.plans:
        on = sum(each.state not in {"stopped", "stopping", "gone"} for each in made.nodes)
        yield on + sum(change.action.starts for change in made.changes)


@EXAMPLES
@given(works())
def test_no_call_is_cut_and_only_closed_empty_nodes_that_had_their_lifetime_are_stopped(work: Work) -> None:
    world = play(work).site.world
    assert world.tally.cut == 0
    assert world.tally.stops == world.tally.stopped_closed_and_empty


@EXAMPLES
@given(works(), st.integers(1, 3))
def test_there_are_never_more_nodes_on_than_allowed(work: Work, most: int) -> None:
    played = play(work, replace(policy_for(work), max_nodes=most))
    assert max(on_after(played)) <= most


@EXAMPLES
@given(works())
def test_nothing_is_started_while_enough_is_coming_nor_more_than_is_short(work: Work) -> None:
    for made in play(work).plans:
        [need], [load] = made.needs, made.overflows
        started = sum(change.action.starts for change in made.changes)
        opened = {change.node for change in made.changes if change.action is Action.OPEN}
        reopened = sum(each.hd - each.used for each in made.nodes if each.name in opened and each.state == "closed")
        short = need.hd - load.free - load.coming - reopened
        assert started == 0 or SMALL.node_hd * (started - 1) < short, made.reason


@EXAMPLES
@given(works())
def test_the_numbers_in_a_reason_are_the_plans(work: Work) -> None:
    said = re.compile(
        rf"(\d+) of (\d+) HD connections free in {OVERFLOW}(?: and (\d+) coming)?"
        rf"|{PRINCIPAL} has (\d+) HD connections free"
    )
    found = 0
    for made in play(work).plans:
        [load], [own] = made.overflows, made.principals
        for change in made.changes:
            for free, of, coming, at_home in said.findall(change.reason):
                found += 1
                if at_home:
                    assert int(at_home) == own.free
                else:
                    assert (int(free), int(of), int(coming or 0)) == (load.free, load.hd, load.coming)
    if any(change.action.starts for made in play(work).plans for change in made.changes):
        assert found


@EXAMPLES
@given(works())
def test_the_same_morning_is_planned_the_same_way_again(work: Work) -> None:
    assert play(work).plans == play(work).plans


@pytest.mark.parametrize("load", range(1, 31, 3))
def test_a_constant_load_flaps_nothing(load: int) -> None:
    """Ten hours of the same calls: nodes start once, and stay."""
    calls = [Call((BEGIN + n * MINUTE).timestamp(), f"call {n}", PRINCIPAL, 36000.0) for n in range(load)]
    played = play(work_of(calls), reliable=True)
    starts, hours = played.site.world.tally.starts, played.node_hours
    assert starts <= 1 + hours / 2
    settled = [change for made in played.plans for change in made.changes if made.at > BEGIN + 3 * HOUR]
    assert [change for change in settled if change.action.starts] == []


def nonsense(draw: Any) -> Outlook:
    """A forecast that says anything."""
    loads = st.lists(st.floats(-50, 500), min_size=105, max_size=105)
    windows = tuple(
        Window(
            day=(NOW - timedelta(days=7 * week)).date(),
            weight=1.0,
            loads=tuple(draw(loads)),
            lately=draw(st.none() | st.tuples(st.floats(-50, 500), st.floats(-50, 500))),
        )
        for week in range(1, draw(st.integers(1, 4)) + 1)
    )
    slopes = Slopes(draw(st.floats(-9, 9)), draw(st.floats(-9, 9)))
    habits = draw(st.sampled_from([(), ((slopes,) * PHASES,) * len(HORIZONS)]))
    return Outlook(location="Stockholm", begins=NOW - 15 * MINUTE, windows=windows, habits=habits)


@settings(deadline=None)
@given(st.data(), st.integers(0, 80), st.integers(1, 3), st.integers(0, 15))
def test_a_nonsensical_forecast_asks_for_its_cap_at_most_and_never_for_less_than_the_threshold_rule(
    data: Any, free: int, cap: int, used: int
) -> None:
    nodes = [node(number) for number in range(1, 6)]
    seen = replace(observe(node(9, Power.RUNNING, used=used), *nodes, free=free), outlooks=())
    sane = Policy(mode=Mode.CONTROL, threshold=5, forecasting=False)
    capped = replace(sane, forecasting=True, max_forecast_nodes=cap)
    [rule] = plan(seen, promised(), sane, NOW).needs
    trail = (Demand(at=NOW - 5 * MINUTE, location="Stockholm", used=data.draw(st.floats(0, 99))),)
    [garbage] = plan(replace(seen, outlooks=(nonsense(data.draw),), trail=trail), promised(), capped, NOW).needs
    assert rule.hd <= garbage.hd <= max(rule.hd, cap * 15)
    assert rule.open_hd <= garbage.open_hd <= max(rule.open_hd, cap * 15)


@EXAMPLES
@given(works(), st.integers(1, 2))
def test_a_morning_with_a_nonsensical_past_costs_its_cap_at_most_and_cuts_nothing(work: Work, cap: int) -> None:
    """Beside the threshold rule alone: so many nodes more at the most, for as long as the work lasts."""
    policy = policy_for(work)
    alone = play(work, replace(policy, forecasting=False), reliable=True)
    capped = play(work, replace(policy, max_forecast_nodes=cap), reliable=True)
    lasts = (work.ends - work.begins) / 3600
    assert capped.site.world.tally.rejected <= alone.site.world.tally.rejected
    assert capped.node_hours <= alone.node_hours + cap * lasts
    assert capped.site.world.tally.cut == 0


@given(st.integers(3, 10**5) | st.integers(-(10**5), -3))
def test_a_clock_that_jumps_changes_nothing_but_what_was_promised(minutes: int) -> None:
    seen = observe(node(1), closed(2), node(3, Power.RUNNING, used=3), free=0)
    assert plan(seen, promised(), Policy(mode=Mode.CONTROL, threshold=5), NOW + minutes * MINUTE).changes == ()


def test_an_empty_history_leaves_the_threshold_rule() -> None:
    """Ten calls in ten minutes, one at a time: without a past and bookings a node starts when the threshold is reached."""
    calls = [Call((BEGIN + n * MINUTE).timestamp(), f"call {n}", PRINCIPAL, 7200.0) for n in range(10)]
    played = play(work_of(calls), reliable=True)
    first = next(made for made in played.plans if any(change.action.starts for change in made.changes))
    at_threshold = next(made for made in played.plans if made.principals[0].free <= SMALL.threshold)
    assert first.at <= at_threshold.at
    assert list(accumulate(change.action.starts for change in first.changes))[-1] == 1
