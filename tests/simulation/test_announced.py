"""An operator says that more will come than usual: as it is typed, on the shipped functions."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from headroom.domain.history.events import Kind
from headroom.domain.people.orders import Do
from headroom.domain.planning.promises import BadRequestError
from headroom.usecases.order import Order
from tests.simulation.conftest import Deployed


def announced(**given: Any) -> Order:
    return Order(do=Do.EXPECT, **given)


def test_an_announced_event_has_its_nodes_and_can_be_taken_back(deployed: Deployed) -> None:
    stage = deployed.stage
    stage.after(0, stage.every_minute)
    stage.minutes(3)
    order = announced(hd=40, ready_by=stage.moment() + timedelta(minutes=6), reason="all-hands")
    done = deployed.operator().carry_out(order, "anna")
    assert done.sentence.startswith("40 HD connections more in Oslo from ")
    stage.minutes(2)
    need = stage.ledger.plan().needs[0]
    assert need.rule == "said"
    assert need.forecasts[0].told.said == pytest.approx(21.9, abs=0.1)  # about half of them join within a boot
    assert {Kind.RESERVE_WANTED, Kind.START_WANTED} & {event.kind for event in stage.ledger.events("2026-03-29")}
    [hold] = re.findall(r"headroom release (\S+?)`", done.sentence)
    assert deployed.operator().carry_out(Order(do=Do.RELEASE, hold=hold), "anna").sentence == "Released: all-hands"
    stage.minutes(2)
    assert stage.ledger.plan().needs[0].rule != "said"
    assert stage.findings == []


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (lambda now: announced(), "Say how many HD connections"),
        (lambda now: announced(hd=10_001), "Say how many HD connections"),
        (lambda now: announced(hd=5, until=now), "It ends before it begins"),
        (lambda now: announced(hd=5, until=now.replace(year=2300)), "more than 366 days ahead"),
        (lambda now: announced(hd=5, ready_by=now.replace(year=9999, month=12, day=31, hour=23)), "more than 366 days"),
        (lambda now: announced(hd=5, locations=("Paris",)), "Name one principal location; there are Oslo"),
        (lambda now: announced(hd=5, locations=("Oslo", "Oslo")), "Name one principal location"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(
    deployed: Deployed, order: Callable[[datetime], Order], why: str
) -> None:
    deployed.stage.minutes(2)
    with pytest.raises(BadRequestError, match=why):
        deployed.operator().carry_out(order(deployed.stage.moment()), "anna")
    assert deployed.ledger.holds(deployed.stage.moment()) == []
