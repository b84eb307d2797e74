"""Never late: where a location is at its threshold and a node can be started, a plan starts or opens one, whatever else is odd.

The situations are random. What is free, and what can be started, is judged here from the raw rows, not by the planner's words.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.domain.fleet.fleet import Instance, Location, PexipSettings, Power, Reading, Worker
from headroom.domain.fleet.lifecycle import Action, Commitments, Memory, Pause, Pausing
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Mode, Policy
from tests.support.builders import CONTROL, LONG_AGO, NOW, claimed, closed, node, principal
from tests.support.builders import observe as seen_by

POLICY = replace(CONTROL, threshold=5, boot_limit=timedelta(minutes=15))
MINUTE = timedelta(minutes=1)
UNHEARD: dict[str, Any] = {"boot_time": LONG_AGO - timedelta(days=1)}
Pair = tuple[Worker, Instance]

HOMES: dict[str, dict[str, Any]] = {  # what may be wrong with an always-on node: it offers nothing then
    "closed": {"maintenance_mode": True, "maintenance_mode_configured": True, "maintenance_mode_reason": "repair"},
    "about to be closed": {"maintenance_mode_configured": True},
    "unreachable": {"alarm": "connectivity lost"},
    "out of step": {"sync_status": "FAILED"},
    "upgraded": {"upgrade_status": "INSTALLING"},
    "no capacity": {"max_hd_calls": None},
    "no load": {"media_tokens_used": None},
    "silent": {"contacted_at": NOW - timedelta(hours=1)},
}


@dataclass(frozen=True)
class There:
    """An overflow node, what it gives now or soon, and whether a plan could start or open it."""

    make: Callable[[int], Pair]
    gives: int = 0
    startable: bool = False
    memory: Callable[[int], Memory] = lambda number: Memory(node=f"burst-{number}")


def _failed(minutes: float, hung: int = 0) -> Callable[[int], Memory]:
    return lambda number: Memory(node=f"burst-{number}", failed_at=NOW - minutes * MINUTE, hung=hung)


NODES: dict[str, There] = {
    "off": There(node, startable=True),
    "off, closed by us": There(lambda n: closed(n, power=Power.STOPPED), startable=True),
    "off, closed by others": There(lambda n: closed(n, power=Power.STOPPED, maintenance_mode_reason="repair")),
    "off, never heard of": There(lambda n: node(n, boot_time=None, max_hd_calls=None), startable=True),
    "off, just failed": There(node, memory=_failed(1)),
    "off, failed a while ago": There(node, memory=_failed(6), startable=True),
    "off, hung once": There(node, memory=_failed(21, hung=1), startable=True),
    "off, hung three times": There(node, memory=_failed(600, hung=3)),
    "off, being started": There(node, gives=15, memory=lambda n: claimed(n, Action.START)),
    "stopping": There(lambda n: node(n, Power.STOPPING)),
    "serving, full": There(lambda n: node(n, Power.RUNNING, used=15)),
    "serving, empty": There(lambda n: node(n, Power.RUNNING), gives=15),
    "closed by us, empty": There(closed, startable=True),
    "closed by us, full": There(lambda n: closed(n, used=15)),
    "closed by others": There(lambda n: closed(n, maintenance_mode_reason="repair")),
    "booting": There(lambda n: node(n, Power.RUNNING, launched_at=NOW - 2 * MINUTE, **UNHEARD), gives=15),
    "late": There(lambda n: node(n, Power.RUNNING, **UNHEARD)),
    "given up": There(
        lambda n: node(n, Power.RUNNING, launched_at=NOW - 2 * MINUTE, **UNHEARD),
        memory=lambda n: Memory(node=f"burst-{n}", given_up_at=NOW),
    ),
    "upgraded": There(lambda n: node(n, Power.RUNNING, upgrade_status="INSTALLING")),
    "out of step": There(lambda n: node(n, Power.RUNNING, sync_status="FAILED")),
}

AROUND: dict[str, dict[str, Any]] = {  # what else may be odd, and must not keep a node from being started
    "nothing": {},
    "a pause of stops": {"pause": Pause(reason="a drill", holding=Pausing.STOPS_ONLY)},
    "others switch nodes": {"switched": True},
    "a row could not be read": {"problems": ("the alarms cannot be read",)},
    "clocks differ": {"clock_off": 200.0},
    "no Date": {"clock_off": None},
    "assist mode": {"policy": replace(POLICY, mode=Mode.ASSIST), "settings": PexipSettings(bursting_enabled=True)},
    "a strange instance": {"stranger": True},
    "no forecast": {"policy": replace(POLICY, forecasting=False)},
    "no reserve": {"policy": replace(POLICY, reserve=False)},
}


@dataclass(frozen=True)
class Case:
    home: tuple[tuple[int, str], ...]  # of each always-on node: HD connections free of 20, and what is wrong with it
    nodes: tuple[str, ...]
    around: str

    @property
    def policy(self) -> Policy:
        policy: Policy = AROUND[self.around].get("policy", POLICY)
        return policy

    @property
    def free_at_home(self) -> int:
        return sum(free for free, wrong in self.home if not wrong)

    @property
    def free_or_coming(self) -> int:
        return sum(NODES[what].gives for what in self.nodes)

    @property
    def startable(self) -> int:
        opens = self.policy.mode is not Mode.ASSIST
        return sum(NODES[what].startable and (opens or not what.startswith("closed")) for what in self.nodes)

    def planned(self) -> Plan:
        more = AROUND[self.around]
        home = tuple(
            replace(
                principal(free, 20), id=50 + n, status_id=150 + n, name=f"conf-{n}", address=f"10.1.0.{n}",
                **({"contacted_at": NOW} | HOMES.get(wrong, {})),
            )
            for n, (free, wrong) in enumerate(self.home)
        )  # fmt: skip
        pairs = [NODES[what].make(n) for n, what in enumerate(self.nodes, 1)]
        made = seen_by(*pairs, settings=more.get("settings", PexipSettings()), clock_off=more.get("clock_off", 0.0))
        reading: Reading = replace(
            made.reading, workers=(*home, *(worker for worker, _ in pairs)), problems=more.get("problems", ())
        )
        reading = replace(reading, locations=(*reading.locations, Location(name="elsewhere")))
        stranger = (node(99)[1],) if more.get("stranger") else ()
        memories = [NODES[what].memory(n) for n, what in enumerate(self.nodes, 1)]
        if more.get("switched"):
            memories += [Memory(node=name, switched_by_others_at=NOW) for name in ("gone-1", "gone-2")]
        commitments = Commitments(memories=tuple(memories), pause=more.get("pause"))
        return plan(replace(made, reading=reading, instances=made.instances + stranger), commitments, self.policy, NOW)


cases = st.builds(
    Case,
    home=st.lists(
        st.tuples(st.integers(0, 20), st.sampled_from(["", "", *HOMES])), min_size=1, max_size=3
    ).map(tuple),
    nodes=st.lists(st.sampled_from(sorted(NODES)), min_size=1, max_size=5).map(tuple),
    around=st.sampled_from(sorted(AROUND)),
)  # fmt: skip
GIVES = {Action.START, Action.OPEN}


def is_silent_alone(case: Case) -> bool:
    """A node is only silent beside peers that are not."""
    wrongs = [wrong for _, wrong in case.home]
    return "silent" in wrongs and set(wrongs) == {"silent"}


def test_at_the_threshold_with_a_node_that_can_be_started_a_plan_starts_or_opens_one() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=3000, deadline=None)
    @given(cases)
    def holds(case: Case) -> None:
        if case.free_at_home > 5 or case.free_or_coming > 5 or not case.startable or is_silent_alone(case):
            return
        made = case.planned()
        seen.update([case.around, *case.nodes, *(wrong or "well" for _, wrong in case.home)])
        assert [change for change in made.changes if change.action in GIVES], made.reason

    holds()
    anything = {*AROUND, *HOMES, *(what for what in NODES if NODES[what].gives == 0)}
    assert anything - set(seen) == set(), "of what was never drawn it says nothing"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        pytest.param({"upgrading": True}, "Pexip is being upgraded", id="Pexip is upgraded"),
        pytest.param({"pause": Pause(reason="a drill")}, "Paused: a drill", id="paused"),
        pytest.param({"settings": PexipSettings(bursting_enabled=True)}, "bursting", id="Pexip bursts itself"),
        pytest.param({"policy": replace(POLICY, max_nodes=1)}, "Nothing to change", id="MaxNodes is reached"),
    ],
)
def test_what_keeps_a_node_from_being_started_is_said(wrong: dict[str, Any], why: str) -> None:
    """The exceptions, as docs/safety.md lists them."""
    upgrading, given_settings = wrong.get("upgrading", False), wrong.get("settings", PexipSettings())
    full = node(2, Power.RUNNING, used=15)
    made = seen_by(node(1), full, free=0, upgrading=upgrading, settings=given_settings)
    found = plan(made, Commitments(pause=wrong.get("pause")), wrong.get("policy", POLICY), NOW)
    assert not any(change.action in GIVES for change in found.changes)
    assert why in found.reason
    assert found.issues or found.frozen
