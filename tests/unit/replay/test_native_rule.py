"""Pexip's own rule, written a second time from its guide alone: what Headroom is compared with must be right."""

import heapq
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom_replay import controllers
from headroom_replay.site import Site
from headroom_replay.suite import cases_of
from headroom_replay.switches import Switches
from headroom_replay.work import PRINCIPAL, Failing, Platform, Work
from headroom_replay.world import Call

BOOT, LOOK, LIFETIME = 300, 15, 50 * 60


def by_the_guide(  # noqa: C901 - one loop, as the guide tells it
    calls: Sequence[tuple[float, float]], size: Platform, begins: float, ends: float, *, either: bool, waits: bool
) -> dict[str, Any]:
    """Play `(arrival, length)` pairs second by second, from the guide's sentences.

    Free ≤ threshold in the principal location starts one node; then the overflow location's free ≤ threshold starts the
    next, and the principal one's is ignored (or not: `either`). A node serves five minutes after its start, and is
    stopped when it hosts nothing, not before its minimum lifetime.
    """
    home: list[float] = []
    nodes: list[dict[str, Any]] = [{"on": None, "calls": []} for _ in range(size.nodes)]
    waiting = sorted(calls)
    rejected = starts = 0
    seconds = 0.0

    def leave(now: float) -> None:
        for pool in (home, *(node["calls"] for node in nodes)):
            while pool and pool[0] <= now:
                heapq.heappop(pool)

    def place(at: float, length: float) -> bool:
        leave(at)
        up = (node for node in nodes if node["on"] is not None and at >= node["on"] + BOOT)
        serving = [node for node in up if len(node["calls"]) < size.node_hd]
        if len(home) < size.always_on:
            heapq.heappush(home, at + length)
        elif serving:
            heapq.heappush(min(serving, key=lambda node: len(node["calls"]))["calls"], at + length)
        else:
            return False
        return True

    look = begins
    while look < ends:
        while waiting and waiting[0][0] <= look:
            rejected += not place(*waiting.pop(0))
        leave(look)
        on = [node for node in nodes if node["on"] is not None]
        up = [node for node in on if look >= node["on"] + BOOT]
        principal_short = size.always_on - len(home) <= size.threshold
        overflow_short = sum(size.node_hd - len(node["calls"]) for node in up) <= size.threshold
        short = overflow_short or (either and principal_short) if on else principal_short
        if short and not (waits and len(up) < len(on)) and len(on) < len(nodes):
            next(node for node in nodes if node["on"] is None)["on"] = look
            starts += 1
        for node in up:
            if not node["calls"] and look - node["on"] >= LIFETIME:
                seconds += look - node["on"]
                node["on"] = None
        look += LOOK
    seconds += sum(ends - node["on"] for node in nodes if node["on"] is not None)
    return {"rejected": rejected, "starts": starts, "node_seconds": pytest.approx(seconds, abs=1)}


READINGS = {
    "overflow only": (partial(controllers.native), {"either": False, "waits": True}),
    "either": (partial(controllers.native_either), {"either": True, "waits": True}),
    "impatient": (partial(controllers.native_impatient), {"either": False, "waits": False}),
}


def both(work: Work, reading: str) -> tuple[dict[str, Any], dict[str, Any]]:
    controller, options = READINGS[reading]
    site = Site(work, 1, Switches(boot_mean=BOOT, boot_jitter=0), failing=Failing(refused=0, slow=0))
    site.run(controller(site), LOOK)
    world = site.world
    ours = {
        "rejected": world.tally.rejected,
        "starts": world.tally.starts,
        "node_seconds": world.node_seconds(),
    }
    calls = [(call.at, call.seconds) for call in work.calls]
    return ours, by_the_guide(calls, work.platform, work.begins, work.ends, **options)


@pytest.mark.parametrize(("number", "reading"), [*((0, reading) for reading in READINGS), (1, "overflow only")])
def test_two_days_go_the_same_way_by_both(number: int, reading: str) -> None:
    """Two days of calls, and two of meetings."""
    ours, theirs = both(cases_of(None, 2)[number](seed=3), reading)
    assert theirs["starts"] > 0
    assert ours == theirs


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7200), st.integers(30, 5000)), min_size=1, max_size=80),
    st.sampled_from(list(READINGS)),
)
def test_any_two_hours_go_the_same_way_by_both(drawn: list[tuple[int, int]], reading: str) -> None:
    calls = [
        Call(1_772_442_000.0 + at + 0.5 + number / 1000, f"call {number}", PRINCIPAL, float(length))
        for number, (at, length) in enumerate(sorted(drawn))
    ]
    size = Platform(always_on=8, nodes=3, node_hd=5)
    work = Work(name="drawn", zone="UTC", platform=size, calls=tuple(calls), bookings=(), history=())
    ours, theirs = both(work, reading)
    assert ours == theirs
