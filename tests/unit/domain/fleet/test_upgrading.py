"""Whether an upgrade of the platform is over, and else what it waits for."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from headroom.domain.fleet.fleet import Reading, Worker
from headroom.domain.fleet.upgrading import what_is_left

OLD, NEW = "37 (80989.0.0)", "38 (82000.0.0)"


def worker(name: str, **more: Any) -> Worker:
    made = Worker(id=1, status_id=1, name=name, address="10.0.0.1", location="burst", sync_status="SYNCED", version=NEW)
    return replace(made, **more)


READING = Reading(
    platform="manager", read_at=datetime(2026, 3, 2, tzinfo=UTC), version=NEW, workers=(worker("a"), worker("b"))
)


def test_it_is_over_when_all_have_the_new_version_and_are_idle_and_in_sync() -> None:
    assert what_is_left(READING, ["a", "b"], OLD) == ""


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (replace(READING, upgrading=True), "the Management Node is being upgraded"),
        (replace(READING, version=""), "does not say which version"),
        (replace(READING, version=OLD), "still has version 37"),
        (replace(READING, workers=READING.workers[:1]), "Pexip does not show b"),
        (
            replace(READING, workers=(worker("a"), worker("b", upgrade_status="UPGRADING"))),
            "1 of 2 nodes are being upgraded: b",
        ),
        (replace(READING, workers=(worker("a"), worker("b", version=OLD))), r"another version than 38 .*: b \(37"),
        (replace(READING, workers=(worker("a", version=""), worker("b"))), r"a \(unknown\)"),
        (replace(READING, workers=(worker("a"), worker("b", sync_status="SYNCING"))), "b is not in sync yet"),
        (
            replace(READING, workers=(worker("a", sync_status="X"), worker("b", sync_status="X"))),
            "a, b are not in sync",
        ),
    ],
)
def test_what_it_waits_for_is_said(reading: Reading, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        assert not what_is_left(reading, ["a", "b"], OLD)
