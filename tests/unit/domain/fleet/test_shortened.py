"""A reading whose texts would fill an item: they are cut, and it says so."""

from dataclasses import replace

from headroom.domain.fleet.shortened import shortened
from headroom.domain.fleet.signature import signed, signer
from tests.support.builders import node, observe

READING = observe(node(1), node(2)).reading


def test_alarms_and_reasons_are_cut_and_a_problem_says_so() -> None:
    workers = tuple(replace(each, alarm="a" * 300, maintenance_mode_reason="b" * 250) for each in READING.workers)
    made = shortened(replace(READING, workers=workers), 30)
    assert {(len(each.alarm), len(each.maintenance_mode_reason)) for each in made.workers} == {(30, 30)}
    assert made.problems == (
        "Pexip's alarms and the reasons of maintenance mode are long: they are cut after 30 characters",
    )


def test_whose_reason_it_is_stays() -> None:
    stack = "s" * 128  # as long as CloudFormation has them
    reason = signed("not needed " * 20, stack)
    made = shortened(
        replace(READING, workers=tuple(replace(w, maintenance_mode_reason=reason) for w in READING.workers)), 10
    )
    assert {signer(each.maintenance_mode_reason) for each in made.workers} == {stack}


def test_of_very_many_problems_twenty_are_kept_and_the_others_counted() -> None:
    made = shortened(replace(READING, problems=tuple(f"row {n} is odd" for n in range(1000))), 100)
    assert len(made.problems) == 22
    assert made.problems[-1] == "and 980 more that cannot be read"
