"""How far a start has come."""

from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Power
from headroom.domain.fleet.lifecycle import (
    Action,
    Progress,
    judge_start,
)
from tests.support.builders import LONG_AGO, NOW, node

LIMIT = timedelta(minutes=15)
ASKED = NOW - timedelta(minutes=6)


@pytest.mark.parametrize(
    ("power", "more", "progress", "words"),
    [
        pytest.param(Power.RUNNING, {}, Progress.SERVING, "serves 15", id="up and in step"),
        pytest.param(Power.PENDING, {}, Progress.BOOTING, "Its instance is pending", id="EC2 still starts it"),
        pytest.param(Power.RUNNING, {"boot_time": LONG_AGO}, Progress.BOOTING, "not heard", id="a stale row"),
        pytest.param(Power.RUNNING, {"boot_time": None}, Progress.BOOTING, "not heard", id="never heard of"),
        pytest.param(Power.RUNNING, {"sync_status": "SYNCING"}, Progress.BOOTING, "SYNCING", id="not in step"),
        pytest.param(Power.RUNNING, {"sync_status": None}, Progress.SERVING, "serves", id="an old Pexip without sync"),
        pytest.param(Power.RUNNING, {"max_hd_calls": None}, Progress.BOOTING, "capacity", id="capacity unknown"),
        pytest.param(Power.RUNNING, {"alarm": "lost"}, Progress.BOOTING, "cannot reach", id="an alarm"),
        pytest.param(Power.RUNNING, {"upgrade_status": "UPGRADING"}, Progress.BOOTING, "upgrading", id="an upgrade"),
        pytest.param(Power.RUNNING, {"maintenance_mode_configured": True}, Progress.CLOSED, "maintenance", id="closed"),
        pytest.param(Power.RUNNING, {"maintenance_mode": True}, Progress.BOOTING, "is leaving", id="opening"),
        pytest.param(Power.TERMINATED, {}, Progress.FAILED, "terminated", id="terminated"),
        pytest.param(Power.STOPPED, {}, Progress.FAILED, "went back to stopped", id="fell back"),
    ],
)
def test_a_start_is_judged_from_both_sides(power: Power, more: dict[str, Any], progress: Progress, words: str) -> None:
    worker, instance = node(1, power, launched_at=ASKED, **more)
    verdict = judge_start(worker, instance, asked_at=ASKED, boot_limit=LIMIT, now=NOW)
    assert verdict.progress is progress
    assert words in verdict.reason


def test_a_public_address_that_changed_is_corrected_before_the_node_opens() -> None:
    worker, instance = node(1, Power.RUNNING, launched_at=ASKED, static_nat_address="192.0.2.1", public_ip="192.0.2.9")
    assert judge_start(worker, instance, asked_at=ASKED, boot_limit=LIMIT, now=NOW).progress is Progress.WRONG_ADDRESS


RESERVED: dict[str, Any] = {
    "maintenance_mode_configured": True,
    "maintenance_mode_reason": "Headroom: it comes up closed",
}


def test_a_reserve_has_come_far_enough_when_it_is_up_and_closed() -> None:
    worker, instance = node(1, Power.RUNNING, launched_at=ASKED, **RESERVED)
    verdict = judge_start(worker, instance, asked_at=ASKED, boot_limit=LIMIT, now=NOW, reserve=True)
    assert verdict.progress is Progress.IN_RESERVE


@pytest.mark.parametrize(
    ("addresses", "reserve", "progress"),
    [
        pytest.param({}, True, Progress.BOOTING, id="it stays closed while nothing needs it"),
        pytest.param({}, False, Progress.CLOSED, id="needed before it is up, it is opened while it boots"),
        pytest.param(
            {"static_nat_address": "192.0.2.1"}, False, Progress.BOOTING, id="not before its public address is known"
        ),
    ],
)
def test_a_reserve_is_opened_as_soon_as_it_is_needed(
    addresses: dict[str, Any], *, reserve: bool, progress: Progress
) -> None:
    worker, instance = node(1, Power.PENDING, launched_at=ASKED, **RESERVED, **addresses)
    verdict = judge_start(worker, instance, asked_at=ASKED, boot_limit=LIMIT, now=NOW, reserve=reserve)
    assert verdict.progress is progress


def test_a_node_that_does_not_serve_in_time_has_failed_and_says_what_is_missing() -> None:
    worker, instance = node(1, Power.RUNNING, launched_at=ASKED, boot_time=LONG_AGO)
    verdict = judge_start(worker, instance, asked_at=NOW - timedelta(minutes=16), boot_limit=LIMIT, now=NOW)
    assert verdict.progress is Progress.FAILED
    assert verdict.reason == ("It did not serve within 16 min: Pexip has not heard from it since it was started")


def test_an_instance_that_ec2_has_not_touched_yet_is_no_failure() -> None:
    worker, instance = node(1, Power.STOPPED)
    verdict = judge_start(worker, instance, asked_at=NOW - timedelta(seconds=10), boot_limit=LIMIT, now=NOW)
    assert verdict.progress is Progress.BOOTING


def test_what_an_action_wants_of_a_node() -> None:
    assert [str(action.wanted) for action in Action] == ["open", "closed", "open", "closed", "off"]
