"""What a person says will come is counted as it was said, and kept apart from what is learned."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headroom.domain.demand.calibration import BELIEVED, Held, Trust
from headroom.domain.demand.forecasting import Booking, Profile, learn, usual_peak
from headroom.domain.fleet.lifecycle import Commitments, Hold
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from tests.support.builders import CONTROL, NOW, node, observe
from tests.unit.domain.planning.test_surprises import rushes

MINUTE = timedelta(minutes=1)
POLICY = replace(CONTROL, boot_drill=timedelta())


def announced(hd: int, *, minutes: float, location: str = "Stockholm") -> Hold:
    begins = NOW + minutes * MINUTE
    return Hold(
        id="expected-1",
        begins=begins,
        ready_by=begins,
        until=begins + timedelta(hours=1),
        reason="all-hands",
        by="Anna",
        expected={location: hd},
    )


def planned(*holds: Hold, trust: Trust = BELIEVED, attendance: float = 1.0, booked: float = 0.0) -> Plan:
    past = replace(rushes(0.0, 0.0, 0.0), trust=trust, attendance=attendance)
    meeting = Booking(begins=NOW + 4 * MINUTE, ends=NOW + timedelta(hours=1), hd=booked, location="Stockholm")
    seen = observe(*(node(number) for number in range(1, 9)), free=60)
    seen = replace(seen, outlooks=(past,), bookings=(meeting,) if booked else ())
    return plan(seen, Commitments(holds=holds), POLICY, NOW)


def test_what_is_announced_starts_nodes_in_time_and_the_reason_names_who_said_it() -> None:
    made = planned(announced(120, minutes=2))
    assert made.needs[0].rule == "said"
    assert "as Anna (all-hands) said" in made.needs[0].reason
    assert len([change for change in made.changes if change.action.starts]) == 5  # 60 are free; 5 x 15 for the others
    assert made.needs[0].forecasts[0].parts.startswith("said 120, booked 0 ± 0, unbooked 0 ± ")


def test_what_is_far_away_is_over_or_of_no_location_asks_for_nothing() -> None:
    for hold in (
        announced(120, minutes=90),
        announced(120, minutes=-200),
        announced(120, minutes=2, location="Nowhere"),
    ):
        assert planned(hold).changes == ()


def test_it_counts_as_said_whatever_is_learned_of_meetings_and_beside_them() -> None:
    doubted = Trust(bookings=0.25)
    alone = planned(announced(120, minutes=2)).needs[0].hd
    assert planned(announced(120, minutes=2), trust=doubted, attendance=0.2).needs[0].hd == alone
    both = planned(announced(120, minutes=2), booked=40).needs[0]
    assert both.hd > alone + 30
    assert both.forecasts[0].told.said == pytest.approx(120)
    assert both.forecasts[0].told.booked > 20


def test_it_holds_no_node_and_no_promise_is_short_for_it() -> None:
    made = planned(announced(5000, minutes=2))
    assert (made.needs[0].nodes, made.needs[0].names) == (0, ())
    assert not [issue for issue in made.issues if issue.kind == "promise short"]
    assert [issue.kind for issue in made.issues] == ["not enough nodes"]


def test_an_event_may_begin_late_and_is_waited_for_a_quarter_of_an_hour() -> None:
    needs = [planned(announced(150, minutes=-late)).needs[0].hd for late in (0, 3, 8, 14, 16)]
    assert needs == sorted(needs, reverse=True)
    assert needs[0] > needs[1] > needs[2] > 0 == needs[-1]


def test_what_was_announced_is_not_learned_as_booked_nor_as_what_a_day_is_like() -> None:
    made = planned(announced(120, minutes=-5), booked=40)
    [sample] = made.samples()
    assert (sample.said, sample.booked) == (120.0, 0.0)  # the meeting has not begun
    morning = [replace(sample, at=NOW + n * MINUTE, used=30.0, said=120.0 * (60 <= n < 120)) for n in range(240)]
    learned = learn(Profile(location="Stockholm", zone="UTC"), morning, NOW.date())
    minute = 60 * NOW.hour
    assert learned.days[0].used[minute + 30] == 30.0
    assert learned.days[0].used[minute + 90] is None


def test_while_pexip_cannot_be_read_what_was_announced_counts_whole() -> None:
    past = replace(rushes(0.0, 0.0), attendance=0.3)
    said = Commitments(holds=(announced(120, minutes=2),)).said
    assert usual_peak(past, said, NOW, 6 * MINUTE, NOW.weekday()) == pytest.approx(20 + 120, abs=1)


def test_a_plan_is_the_same_whatever_the_order_of_its_outlooks() -> None:
    off = tuple(replace(rushes(0.0, 0.0), location=name, trust=Trust(profile=0.5)) for name in ("Stockholm", "Nowhere"))
    seen = observe(node(1), free=60)
    one, other = (plan(replace(seen, outlooks=each), Commitments(), POLICY, NOW) for each in (off, off[::-1]))
    assert one == other
    assert [issue.about for issue in one.issues if issue.kind == "a source misleads"] == ["Stockholm, past days"]


def test_it_says_of_itself_what_it_is() -> None:
    assert announced(200, minutes=5).what == "200 HD connections more in Stockholm"


@pytest.mark.parametrize(("held", "told", "is_issue"), [(0.97, 5000, True), (0.985, 5000, False), (0.9, 50, False)])
def test_forecasts_that_hold_less_often_than_they_say_are_an_issue(held: float, told: int, is_issue: bool) -> None:
    every = Held(source="", told=told, sure=0.99, held=held, bias=0.0, short=9.0, spare=80.0)
    past = replace(rushes(0.0, 0.0), held=(every, replace(every, source="profile")))
    made = plan(replace(observe(node(1), free=60), outlooks=(past,)), Commitments(), POLICY, NOW)
    found = [issue.what for issue in made.issues if issue.kind == "forecasts hold less often than they say"]
    assert bool(found) is is_issue
    assert (
        not found
        or f"said 99.0 %, was {100 * held:.1f} % of 5,000 forecasts (past days {100 * held:.1f} %)" in found[0]
    )
