"""What may be promised, and whether it was kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Power
from headroom.domain.fleet.lifecycle import Action, Hold, Memory, Pause
from headroom.domain.planning.chances import chance
from headroom.domain.planning.giving import Supply, doubtful
from headroom.domain.planning.issues import Issue, Trouble
from headroom.domain.planning.leads import Leads
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.planning.promises import BadRequestError, Request, Terms, kept, promise
from headroom.domain.policy import Mode
from tests.support.builders import CONTROL, LONG_AGO, NOW, closed, hold, node, observe, promised

THREE = {"AWS burst": ("burst-1", "burst-2", "burst-3")}
NODES = plan(observe(node(1), node(2), node(3)), promised(), CONTROL, NOW).nodes
SUPPLY = Supply(nodes=NODES)


def terms(*memories: Memory, mode: Mode = Mode.CONTROL, lifetime: int = 50) -> Terms:
    """What a promise depends on, with the boots that are remembered."""
    leads = Leads(THREE, {memory.node: memory for memory in memories}, CONTROL, NOW)
    return Terms(mode=mode, lifetime=timedelta(minutes=lifetime), leads=leads)


TERMS = terms()


def test_an_empty_request_means_every_overflow_node_until_one_minimum_lifetime_after_it_is_ready() -> None:
    made = promise(Request(), SUPPLY, TERMS, name="x", now=NOW).hold
    assert made.counts == {"AWS burst": 3}
    assert made.ready_by == NOW + timedelta(minutes=10)
    assert made.until == NOW + timedelta(minutes=60)


def test_each_name_is_promised_once_and_a_reason_is_one_line_of_bounded_length() -> None:
    request = Request(nodes=("burst-1", "burst-1"), reason="all-\nhands\x1b" + "x" * 500, by="anna\r\nBcc: all")
    made = promise(request, SUPPLY, TERMS, name="x", now=NOW).hold
    assert made.nodes == ("burst-1",)
    assert made.reason.startswith("all- hands x")
    assert len(made.reason) == 200
    assert made.by == "anna Bcc: all"


def test_a_later_time_begins_one_lead_before_it() -> None:
    made = promise(Request(ready_by=NOW + timedelta(hours=3), count=2), SUPPLY, TERMS, name="x", now=NOW).hold
    assert made.begins == NOW + timedelta(hours=3) - timedelta(minutes=10)
    assert made.counts == {"AWS burst": 2}


@pytest.mark.parametrize("asked", [{"nodes": ("burst-1",)}, {"counts": {"AWS burst": 1}}])
def test_a_promise_of_weeks_ago_begins_by_todays_boots(asked: dict[str, Any]) -> None:
    """When it was made a boot took five minutes, so it begins ten before its time; now one in twenty takes nine."""
    ready_by = NOW + timedelta(minutes=15)
    made = Hold(
        id="x",
        begins=NOW + timedelta(minutes=5),
        ready_by=ready_by,
        until=NOW + timedelta(hours=1),
        reason="all-hands",
        by="anna",
        **asked,
    )
    slow = tuple(Memory(node=f"burst-{n}", boots=(540.0,) * 9) for n in (1, 2))
    quick = tuple(Memory(node=f"burst-{n}", boots=(300.0,) * 9) for n in (1, 2))
    seen = observe(node(1), node(2), free=20)
    assert plan(seen, promised(made, memories=quick), CONTROL, NOW).changes == ()
    [change] = plan(seen, promised(made, memories=slow), CONTROL, NOW).changes
    assert (change.node, change.action) == ("burst-1", Action.START)


def test_the_same_scheduled_time_is_the_same_promise() -> None:
    request = Request(scheduled_time=NOW)
    ids = {promise(request, SUPPLY, TERMS, name=name, now=NOW).hold.id for name in ("one", "two")}
    assert ids == {"prewarm-20260302T080000Z"}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        pytest.param(Request(nodes=("burst-9",)), "No overflow node is called burst-9; there are burst-1", id="node"),
        pytest.param(Request(locations=("Oslo",)), "No overflow location is called Oslo", id="location"),
        pytest.param(
            Request(nodes=tuple(f"n{n}" for n in range(501))), "501 nodes are named: name 500", id="many nodes"
        ),
        pytest.param(Request(until=NOW + timedelta(days=367)), "more than 366 days ahead", id="until too far ahead"),
        pytest.param(Request(count=-1), "count is -1", id="negative count"),
        pytest.param(Request(count=0), "count is 0", id="no count"),
        pytest.param(Request(count=4), "there are only 3", id="more than there are"),
        pytest.param(Request(count=1, nodes=("burst-1",)), "not for both", id="count and names"),
        pytest.param(Request(ready_by=NOW - timedelta(minutes=1)), "which is past", id="past time"),
        pytest.param(Request(ready_by=datetime(2026, 3, 2, 9)), "needs a time zone", id="no zone"),  # noqa: DTZ001
        pytest.param(Request(ready_by=NOW + timedelta(days=361)), "more than 360 days ahead", id="too far ahead"),
        pytest.param(
            Request(ready_by=NOW + timedelta(hours=2), until=NOW + timedelta(hours=1)), "later than", id="ends first"
        ),
    ],
)
def test_a_bad_request_says_what_to_change(request_: Request, words: str) -> None:
    with pytest.raises(BadRequestError, match=words.replace("(", r"\(")):
        promise(request_, SUPPLY, TERMS, name="x", now=NOW)


def test_assist_mode_refuses_a_lead_that_pexip_would_not_outlast() -> None:
    short = terms(mode=Mode.ASSIST, lifetime=10)
    with pytest.raises(BadRequestError, match="Pexip stops an idle node after 10 min"):
        promise(Request(), SUPPLY, short, name="x", now=NOW)


def test_nothing_can_be_promised_without_nodes() -> None:
    with pytest.raises(BadRequestError, match="no overflow nodes"):
        promise(Request(), Supply(nodes=()), TERMS, name="x", now=NOW)


@pytest.mark.parametrize(
    ("asked", "is_kept"),
    [
        pytest.param({"counts": {"AWS burst": 1}}, True, id="one serves"),
        pytest.param({"counts": {"AWS burst": 2}}, False, id="two are asked for"),
        pytest.param({"nodes": ("burst-1",)}, True, id="the named one serves"),
        pytest.param({"nodes": ("burst-2",)}, False, id="the named one does not"),
    ],
)
def test_a_report_says_what_is_ready_and_what_is_not_and_why(asked: dict[str, Any], is_kept: bool) -> None:
    failed = Memory(node="burst-2", failed_at=datetime(2026, 3, 2, 7, 55, tzinfo=UTC))
    commitments = promised(memories=(failed,))
    decided = plan(observe(node(1, Power.RUNNING), node(2)), commitments, CONTROL, NOW)
    found = kept(hold(**asked), decided.nodes, commitments, CONTROL.on_the_clock)
    assert found.kept is is_kept
    assert ("burst-2 is stopped, its last start failed at 07:55 UTC" in found.reason) is not is_kept


# What cannot be given


BUSY = (node(1, Power.RUNNING), node(2), node(3), node(4, Power.RUNNING, location="Other"))


def supply(*nodes: Any, holds: tuple[Hold, ...] = (), memories: tuple[Memory, ...] = (), most: int = 0) -> Supply:
    """What one plan saw of these nodes, and what else was promised."""
    seen = observe(*nodes, locations=("AWS burst", "Other"))
    summaries = plan(seen, promised(memories=memories), CONTROL, NOW).nodes
    return Supply(nodes=summaries, memories=memories, holds=holds, max_nodes=most)


STOPPED = (node(1), node(2), node(3))
HUNG = Memory(node="burst-2", hung=3)
OTHERS_CLOSED: dict[str, Any] = {
    "maintenance_mode": True,
    "maintenance_mode_configured": True,
    "maintenance_mode_reason": "repair",
}
TOMORROW: dict[str, Any] = {"ready_by": NOW + timedelta(hours=20), "until": NOW + timedelta(hours=22)}


@pytest.mark.parametrize(
    ("request_", "there", "short"),
    [
        pytest.param(
            Request(count=3),
            supply(*STOPPED, most=1),
            "1 node in AWS burst, not 3 nodes in AWS burst: MaxNodes is 1",
            id="cap",
        ),
        pytest.param(Request(count=2), supply(*STOPPED, most=2), "", id="the cap suffices"),
        pytest.param(
            Request(count=3),
            supply(node(1), node(2, **OTHERS_CLOSED), node(3)),
            "2 nodes in AWS burst, not 3 nodes in AWS burst: 2 of 3 nodes in AWS burst can serve "
            "(burst-2 is in maintenance mode, but not by Headroom)",
            id="closed by others",
        ),
        pytest.param(
            Request(),
            supply(*STOPPED, memories=(HUNG,)),
            "2 nodes in AWS burst, not 3 nodes in AWS burst: 2 of 3 nodes in AWS burst can serve "
            "(burst-2 hung at its last 3 starts)",
            id="it hung at its starts",
        ),
        pytest.param(Request(nodes=("burst-2",)), supply(*STOPPED, memories=(HUNG,)), "", id="a person tries it again"),
        pytest.param(
            Request(count=3),
            supply(node(1, Power.RUNNING, boot_time=LONG_AGO - timedelta(days=1)), node(2), node(3), most=2),
            "1 node in AWS burst, not 3 nodes in AWS burst: 2 of 3 nodes in AWS burst can serve (burst-1 is on but does "
            "not serve); MaxNodes is 2, and burst-1 cannot serve",
            id="on but not serving",
        ),
        pytest.param(
            Request(count=3, **TOMORROW),
            supply(node(1, Power.RUNNING, boot_time=LONG_AGO - timedelta(days=1)), node(2), node(3)),
            "",
            id="on but not serving, a day before",
        ),
        pytest.param(
            Request(nodes=("burst-1", "burst-2")),
            supply(*STOPPED, holds=(hold(counts={"AWS burst": 2}),), most=2),
            "",
            id="another promise may be the same nodes",
        ),
        pytest.param(
            Request(count=2, locations=("AWS burst",)),
            supply(*STOPPED, node(4, location="Other"), holds=(hold(nodes=("burst-4",)),), most=2),
            "1 node in AWS burst, not 2 nodes in AWS burst: MaxNodes is 2, and the promise of burst-4 "
            "(the nine o'clock rush) comes first",
            id="another promise takes its share",
        ),
        pytest.param(
            Request(count=2, locations=("AWS burst",), **TOMORROW),
            supply(*STOPPED, node(4, location="Other"), holds=(hold(nodes=("burst-4",)),), most=2),
            "",
            id="another promise that is over by then",
        ),
        pytest.param(
            Request(count=2, locations=("AWS burst",)),
            supply(*BUSY, most=2),
            "1 node in AWS burst, not 2 nodes in AWS burst: MaxNodes is 2, and 1 node is on elsewhere",
            id="nodes are on elsewhere",
        ),
    ],
)
def test_a_promise_is_made_for_what_can_be_given_and_says_why_it_is_less(
    request_: Request, there: Supply, short: str
) -> None:
    made = promise(request_, there, TERMS, name="x", now=NOW)
    assert made.short == short
    assert made.hold.nodes == request_.nodes
    assert sum(made.hold.counts.values()) == (int(short[0]) if short else request_.count or 0)


@pytest.mark.parametrize(
    ("request_", "there", "words"),
    [
        pytest.param(
            Request(nodes=("burst-2",)),
            supply(node(1), node(2, **OTHERS_CLOSED)),
            "burst-2 cannot be promised: burst-2 is in maintenance mode, but not by Headroom.",
            id="a named node that is closed by others",
        ),
        pytest.param(
            Request(nodes=("burst-1", "burst-2")),
            supply(*STOPPED, most=1),
            "burst-1, burst-2 cannot be promised: MaxNodes is 1.",
            id="more are named than may be on",
        ),
        pytest.param(
            Request(),
            supply(node(1, **OTHERS_CLOSED)),
            "1 node in AWS burst cannot be promised: 0 of 1 nodes in AWS burst can serve",
            id="nothing can be given",
        ),
        pytest.param(
            Request(count=1, ready_by=NOW + timedelta(minutes=2), until=NOW + timedelta(minutes=5)),
            SUPPLY,
            "1 node in AWS burst cannot be ready by 08:02 UTC, nor before 08:05 UTC: a start takes 6 min, as is assumed until "
            "starts were measured.",
            id="it would be over first",
        ),
    ],
)
def test_a_promise_of_which_nothing_can_be_given_is_refused_with_the_reason(
    request_: Request, there: Supply, words: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        promise(request_, there, TERMS, name="x", now=NOW)
    assert words in str(refused.value)


def measured(*boots: float) -> Terms:
    return terms(Memory(node="burst-1", boots=boots))


@pytest.mark.parametrize(
    ("there", "given", "minutes", "short"),
    [
        pytest.param(
            SUPPLY, TERMS, 3, "ready by 08:06 UTC, not 08:03 UTC: a start takes 6 min, as is assumed until starts were measured",
            id="nothing was measured",
        ),
        pytest.param(
            SUPPLY, measured(*[500.0] * 5), 8, "ready by 08:10 UTC, not 08:08 UTC: a start takes 9 min, as 19 of 20 measured "
            "starts did", id="boots take long here",
        ),
        pytest.param(SUPPLY, measured(*[60.0] * 5), 3, "", id="boots are quick here"),
        pytest.param(supply(node(1, Power.RUNNING), node(2, Power.RUNNING)), TERMS, 1, "", id="it serves already"),
        pytest.param(
            supply(closed(1), closed(2)), TERMS, 2,
            "ready by 08:03 UTC, not 08:02 UTC: a closed node takes calls 2 min after it is opened", id="they are only closed",
        ),
    ],
)  # fmt: skip
def test_a_promise_is_made_for_when_it_can_be_ready(there: Supply, given: Terms, minutes: int, short: str) -> None:
    wanted = Request(count=2, ready_by=NOW + timedelta(minutes=minutes), until=NOW + timedelta(hours=1))
    made = promise(wanted, there, given, name="x", now=NOW)
    assert made.short == short
    assert (made.hold.ready_by > NOW + timedelta(minutes=minutes)) is bool(short)


def test_a_promise_for_later_begins_earlier_where_boots_take_long() -> None:
    nine = NOW + timedelta(hours=1)
    made = promise(Request(ready_by=nine), SUPPLY, measured(*[600.0] * 5), name="x", now=NOW)
    assert (made.hold.begins, made.hold.ready_by) == (nine - timedelta(minutes=20), nine)


@pytest.mark.parametrize(
    ("hold_", "memories", "most", "words"),
    [
        pytest.param(
            hold(counts={"AWS burst": 3}),
            (),
            2,
            "The promise of 3 nodes in AWS burst until 09:00 UTC (the nine o'clock rush) is short: MaxNodes is 2",
            id="MaxNodes was lowered",
        ),
        pytest.param(
            hold(counts={"AWS burst": 3}, begins=NOW + timedelta(minutes=30), ready_by=NOW + timedelta(minutes=40)),
            (HUNG,),
            0,
            "is short: 2 of 3 nodes in AWS burst can serve (burst-2 hung at its last 3 starts)",
            id="a node of a promise for later hangs",
        ),
        pytest.param(
            hold(counts={"AWS burst": 1}, ready_by=NOW),
            (),
            0,
            "is short: Not ready: 1 of 1 nodes in AWS burst (no node was started for it)",
            id="it is due and not ready",
        ),
        pytest.param(hold(counts={"AWS burst": 3}), (), 0, "", id="all is on its way"),
    ],
)
def test_a_promise_that_is_short_is_an_issue_while_it_is(
    hold_: Hold, memories: tuple[Memory, ...], most: int, words: str
) -> None:
    policy = replace(CONTROL, max_nodes=most)
    made = plan(observe(*STOPPED), promised(hold_, memories=memories), policy, NOW)
    found = [issue for issue in made.issues if issue.kind is Trouble.PROMISE_SHORT]
    assert [issue.about for issue in found] == ([hold_.id] if words else [])
    assert not words or words in found[0].what


def short(made: Plan) -> dict[str, Issue]:
    return {issue.about: issue for issue in made.issues if issue.kind is Trouble.PROMISE_SHORT}


def test_of_two_promises_only_the_later_one_is_short_and_names_the_other() -> None:
    first = hold(id="first", counts={"AWS burst": 2})
    later = hold(id="later", begins=NOW, nodes=("burst-4",), reason="all-hands")
    seen = observe(*STOPPED, node(4, location="Other"), locations=("AWS burst", "Other"))
    [(about, issue)] = short(plan(seen, promised(first, later), replace(CONTROL, max_nodes=2), NOW)).items()
    assert about == "later"
    assert "MaxNodes is 2, and the promise of 2 nodes in AWS burst (the nine o'clock rush) comes first" in issue.what


def test_while_headroom_is_paused_a_short_promise_does_not_say_that_it_keeps_trying() -> None:
    late = promised(hold(counts={"AWS burst": 1}, ready_by=NOW), pause=Pause(reason="a drill"))
    [issue] = short(plan(observe(*STOPPED), late, CONTROL, NOW)).values()
    assert issue.advice.startswith("Paused: a drill. Raise MaxNodes")


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.CONTROL])
def test_in_observe_mode_no_promise_is_short_as_none_is_made(mode: Mode) -> None:
    late = hold(counts={"AWS burst": 1}, ready_by=NOW)
    made = plan(observe(*STOPPED), promised(late), replace(CONTROL, mode=mode), NOW)
    assert (Trouble.PROMISE_SHORT in {issue.kind for issue in made.issues}) is (mode is Mode.CONTROL)


# How sure it is


def sure_of(count: int, *boots: float | None) -> float:
    asked = hold(counts={"AWS burst": count}, begins=NOW, ready_by=NOW + timedelta(minutes=10))
    return chance(asked, [Memory(node="burst-1", boots=boots)]).sure


def test_a_promise_is_the_surer_the_more_starts_served_in_time() -> None:
    assert sure_of(1, *[300.0] * 5) < sure_of(1, *[300.0] * 50) < 1
    assert sure_of(1, *[300.0] * 49, 700.0) < sure_of(1, *[300.0] * 50)
    assert sure_of(1, *[300.0] * 49, None) == sure_of(1, *[300.0] * 49, 700.0)


def test_more_nodes_are_promised_less_surely_and_the_surer_the_more_alike_starts_are() -> None:
    one, six = sure_of(1, *[300.0] * 50), sure_of(6, *[300.0] * 50)
    assert one**6 < six < one


def together(*batches: str) -> list[Memory]:
    """What is remembered of starts that were made together: a batch a day, with an x for each that failed."""
    memories: dict[int, Memory] = {}
    for day, batch in enumerate(batches):
        for number, start in enumerate(batch):
            memory = memories.get(number, Memory(node=f"burst-{number}"))
            at = NOW + timedelta(days=day, seconds=20 * number)
            memories[number] = replace(
                memory,
                boots=(*memory.boots, None if start == "x" else 300.0),
                started_at=(*memory.started_at, at),
            )
    return list(memories.values())


SIX = hold(counts={"AWS burst": 6}, begins=NOW, ready_by=NOW + timedelta(minutes=10))


def test_starts_that_failed_together_are_learned_to_be_alike() -> None:
    all_at_once = chance(SIX, together(*["......"] * 18, "xxxxxx", "xxxxxx"))
    one_by_one = chance(SIX, together(*["......"] * 8, *["x....."] * 12))
    assert (all_at_once.in_time, all_at_once.starts) == (one_by_one.in_time, one_by_one.starts) == (108, 120)
    assert one_by_one.alike < 0.1
    assert all_at_once.alike > 0.8
    assert one_by_one.sure < 0.6
    assert 0.8 < all_at_once.sure < 0.93, "two of twenty mornings failed as a whole"


def test_starts_on_days_of_their_own_tell_more_than_as_many_on_one_day() -> None:
    assert chance(SIX, together("......", "......")).sure < chance(SIX, together(*["."] * 12)).sure


def test_a_start_that_is_tried_again_within_the_hour_is_one_start() -> None:
    again = (NOW, NOW + timedelta(minutes=20), NOW + timedelta(minutes=40), NOW + timedelta(days=1))
    found = chance(SIX, [Memory(node="burst-1", boots=(None, None, 300.0, 300.0), started_at=again)])
    assert (found.in_time, found.starts) == (1, 2)


def test_starts_that_an_older_version_remembered_stand_alone() -> None:
    [dated] = together(".", ".", "x")
    older = replace(dated, boots=(300.0, *dated.boots))
    assert chance(SIX, [older]).starts == 4
    assert chance(SIX, [Memory(node="burst-1", boots=older.boots)]).in_time == 3
    assert chance(SIX, [replace(dated, boots=dated.boots[-1:])]).starts == 1, "and it may have kept fewer"


def test_nobody_is_sure_of_anything_before_starts_were_measured() -> None:
    asked = hold(counts={"AWS burst": 1})
    assert "too few starts" in chance(asked, []).sentence
    assert chance(asked, [Memory(node="burst-1", boots=(300.0,) * 19 + (None,))]).sentence == (
        "93 % sure, as 19 of the last 20 starts served in time"
    )


def test_a_promise_that_needs_a_node_that_did_not_come_up_is_half_as_sure() -> None:
    failed = Memory(node="burst-3", boots=(300.0,) * 8 + (None,), failed_at=NOW - timedelta(hours=3))
    there = supply(*STOPPED, memories=(failed,))
    assert doubtful(hold(counts={"AWS burst": 2}), there) == []
    assert doubtful(hold(counts={"AWS burst": 3}), there) == ["burst-3"]
    assert doubtful(hold(nodes=("burst-3",)), there) == ["burst-3"]
    all_three = hold(counts={"AWS burst": 3}, begins=NOW, ready_by=NOW + timedelta(minutes=10))
    sure, less = chance(all_three, [failed]), chance(all_three, [failed], ["burst-3"])
    assert less.sure == pytest.approx(sure.sure / 2)
    assert less.sentence.endswith("starts served in time, and burst-3 did not come up last time")
