"""Every interleaving of a small model of Headroom, up to stated bounds; and that it needs every rule."""

import gc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headroom.domain.fleet.lifecycle import Action, Memory
from headroom.domain.planning import needs
from headroom.domain.safety import claims, safety
from headroom.domain.safety.claims import Comparison, Condition
from headroom_lab.proof.explore import Explored, explore
from headroom_lab.proof.model import Model
from headroom_lab.proof.shipped import POLICY
from headroom_lab.proof.state import MINUTE, OPEN, OURS, THIS, UNSEEN, Budget, Node, State

ENOUGH = Budget(minutes=4, ticks=2, calls=1)  # a retirement takes two minutes, a stop one; one more for what comes late


def retiring(model: Model, left: Budget = ENOUGH, **first: Any) -> State:
    """The first node is closed, empty and not needed, so that the next plan retires it; the second is off."""
    given: dict[str, Any] = {
        "age": model.oldest,
        "since": model.replication,
        "closed": model.replication,
        "door": OURS,
        "up": True,
    }
    node = Node(name="burst-1", on=True, life=THIS, **(given | first))
    return State(nodes=(node, Node(name="burst-2", since=model.replication)), left=left)


def open_and_idle(model: Model, left: Budget) -> State:
    """It is open and nothing needs it: it is closed first."""
    return retiring(model, left, door=OPEN, closed=None)


def just_closed(model: Model, left: Budget) -> State:
    """It has just been closed, and a call that was placed before others knew of it does not show yet."""
    return retiring(model, left, since=0, closed=0, call=UNSEEN)


def both_on(model: Model, left: Budget) -> State:
    """Both are on, one of them open, in a rush that may end."""
    begun = retiring(model, left)
    return begun.but(nodes=(begun.nodes[0], open_and_idle(model, left).nodes[0].but(name="burst-2")))


def hung(model: Model, left: Budget) -> State:
    """It was started long ago, was closed since, and Pexip has never heard from it; whether it is up, nobody knows."""
    return retiring(model, left, up=False, age=model.hung_for - MINUTE)


FAMILIES = {
    "a start that hangs, or is up unheard": (hung, ENOUGH.but(minutes=5, strays=1, sights=1)),
    "a rush that comes or goes": (retiring, ENOUGH.but(flips=1)),
    "a rush that comes or goes, and one fault": (retiring, ENOUGH.but(minutes=3, flips=1, faults=1, calls=0)),
    "one act of a person": (retiring, ENOUGH.but(people=1)),
    "one act of a person, and one fault": (retiring, ENOUGH.but(minutes=3, people=1, faults=1, calls=0)),
    "Pexip's own controller, enabled meanwhile": (retiring, ENOUGH.but(people=1, others=2)),
    "a node that is closed first, and one fault": (open_and_idle, ENOUGH.but(minutes=6, ticks=3, faults=1)),
    "a call that was placed before the closing reached every node, and two faults": (
        just_closed,
        ENOUGH.but(minutes=6, ticks=3, faults=2),
    ),
    "a direct call, a lapse of Pexip's sight and one fault": (
        retiring,
        ENOUGH.but(strays=1, sights=1, faults=1),
    ),
    "two nodes on": (both_on, ENOUGH),
    "three faults": (retiring, ENOUGH.but(minutes=6, ticks=3, faults=3)),
}
CONTROLLER = "Pexip's own controller, enabled meanwhile"


def explored(name: str) -> Explored:
    gc.disable()  # of this process: nothing in millions of states is a cycle
    begin, left = FAMILIES[name]
    model = Model(only="bursting" if name == CONTROLLER else "")
    return explore(model, [begin(model, left)])


@pytest.fixture(scope="module")
def all_explored() -> dict[str, Explored]:
    with ProcessPoolExecutor() as pool:
        return dict(zip(FAMILIES, pool.map(explored, FAMILIES), strict=True))


@pytest.mark.timeout(900)  # the first of them explores all families
@pytest.mark.parametrize("name", FAMILIES)
def test_whatever_happens_in_whatever_order_nothing_is_cut_lost_or_stuck(
    name: str, all_explored: dict[str, Explored], figure: Callable[[str], None]
) -> None:
    found = all_explored[name]
    counted = f"{found.states:,} states, {found.transitions:,} transitions, {found.settled:,} brought to rest"
    figure(f"model, {name}: {counted}")
    assert found.trace == []
    assert found.states > 1000


# What breaks when a rule is missing

PERSON = ENOUGH.but(people=1)
STRAY = ENOUGH.but(strays=1)
NEEDED: dict[str, tuple[str, Budget, str]] = {
    "_only_in_control": ("the mode becomes observe", PERSON, "outside control mode"),
    "_only_one_controller": ("bursting", PERSON, "beside Pexip's own controller"),
    "_only_its_tagged_instance": ("loses its tag", PERSON, "without the tag"),
    "_not_while_paused": ("pauses", PERSON, "while paused"),
    "_not_while_upgrading": ("upgrade", PERSON, "during an upgrade"),
    "_only_with_the_claim": ("invokes", PERSON, "without its claim"),
    "_only_what_the_newest_plan_wants": ("", ENOUGH.but(minutes=5, faults=1), "on an old plan"),
    "_not_on_hold": ("promised", PERSON, "what is promised"),
    "_not_before_its_lifetime": ("restarts", PERSON.but(minutes=6), "before its minimum lifetime"),
    "_only_long_closed": ("sets", ENOUGH.but(people=2), "what a person had closed"),
    "_not_opened_since": ("open", PERSON.but(calls=1), "a call was cut"),
    "_only_on_good_sight": ("", STRAY.but(sights=1), "a call was cut"),
    "_only_by_clocks_that_agree": ("", STRAY.but(minutes=5, faults=1), "a call was cut"),
    "_only_twice_empty": ("", STRAY.but(minutes=5, faults=1), "a call was cut"),
    "_not_against_the_network": ("", STRAY.but(sights=1), "a call was cut"),
}


HUNG = ENOUGH.but(minutes=5)
NEEDED_OF_STARTS: dict[str, tuple[str, Budget, str]] = {
    "_not_before_twice_the_boot_limit": ("retires", HUNG.but(people=1), "may still come up"),
    "_not_against_the_network": ("", HUNG.but(strays=1, sights=1), "a call was cut"),
}


@pytest.mark.parametrize("name", NEEDED_OF_STARTS)
def test_without_a_rule_about_starts_the_model_finds_how_its_promise_is_broken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {name, "_only_silent_since_its_launch"} if name == "_not_against_the_network" else {name}
    kept = tuple(rule for rule in safety.HUNG_RULES if rule.__name__ not in names)
    monkeypatch.setattr(safety, "HUNG_RULES", kept)
    only, left, words = NEEDED_OF_STARTS[name]
    model = Model(only=only)
    begun = hung(model, left)
    if name == "_not_before_twice_the_boot_limit":
        node = begun.nodes[0].but(age=model.lifetime)
        begun = begun.but(nodes=(node, begun.nodes[1]))
    found = explore(model, [begun], settle=False)
    assert found.broken, f"nothing in {found.states} states needs {name}"
    assert words in found.trace[-1], found.trace


def test_every_rule_has_a_way_in_which_it_is_needed() -> None:
    assert set(NEEDED) == {rule.__name__ for rule in safety.RULES}


def without_a_claim(token: str, version: int, now: Any) -> Condition:
    """The last word, spoken whoever has the claim."""
    return ((Comparison("wanted", claims.Compare.IS, "off"),), *claims.is_unchanged(version))


@pytest.mark.parametrize("name", NEEDED)
def test_without_a_rule_the_model_finds_how_its_promise_is_broken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "RULES", tuple(rule for rule in safety.RULES if rule.__name__ != name))
    if name == "_only_with_the_claim":  # the last word demands it, too
        monkeypatch.setattr(claims, "is_the_last_word", without_a_claim)
    only, left, words = NEEDED[name]
    model = Model(only=only)
    if name == "_not_before_its_lifetime":  # as long as the looks take, one that restarts is never stopped before it
        model = Model(replace(POLICY, minimum_lifetime=timedelta(seconds=5 * MINUTE)), only=only)
    if name == "_only_twice_empty":  # the stop function asks for the second look's age, too, last of all
        model.look_age = 60 * model.look_age
    found = explore(model, [retiring(model, left)], settle=False)
    assert found.broken, f"nothing in {found.states} states needs {name}"
    assert words in found.trace[-1], found.trace


def test_without_the_threshold_rule_the_model_finds_that_capacity_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "_threshold_rule", lambda situation, location, margin=0: needs.NOTHING)
    model = Model()
    found = explore(model, [retiring(model, RUSH)], settle=False)
    assert found.broken
    assert found.trace[-1] == "capacity is missing, and a plan neither starts nor opens burst-1, burst-2"


ALWAYS: Condition = ()


PERSON_AT_WORK, FAULT, RUSH = PERSON, ENOUGH.but(faults=1), ENOUGH.but(flips=1)
CONDITIONS: dict[str, tuple[str, Any, Budget, str]] = {
    "claims need not be free": ("is_free", lambda now: ALWAYS, PERSON_AT_WORK, "two workflows at work"),
    "claims need not be held": ("is_claimed_by", lambda token: ALWAYS, PERSON_AT_WORK, "two workflows at work"),
    "plans may be old": ("is_unchanged", lambda version: ALWAYS, PERSON.but(strays=1), "since it had read"),
    "there is no last word": ("is_the_last_word", lambda *any_: ALWAYS, RUSH, "wants otherwise"),
    "a lease lasts no step": ("LEASE", timedelta(), FAULT, "never comes to rest"),
}


@pytest.mark.parametrize(("what", "instead", "left", "words"), CONDITIONS.values(), ids=CONDITIONS)
def test_without_a_condition_on_claims_the_model_finds_what_goes_wrong(
    what: str, instead: Any, left: Budget, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, what, instead)
    model = Model(only="retires")
    found = explore(model, [retiring(model, left)])
    assert found.broken, f"{found.states} states, and nothing is missed"
    assert words in found.trace[-1], found.trace


@pytest.mark.parametrize("begin", [retiring, open_and_idle])
def test_a_workflow_that_does_not_rest_must_not_be_relieved(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or one that has the last word stops what another opens, and one that is about to close a node closes it after all."""
    monkeypatch.setattr(claims, "is_resting", lambda token, now: claims.is_claimed_by(token))
    monkeypatch.setattr(
        Memory,
        "is_relieved_by",
        lambda self, action, now: (
            action is Action.OPEN and self.claim is not None and self.claim.action in {Action.CLOSE, Action.STOP}
        ),
    )
    model = Model()
    found = explore(model, [begin(model, RUSH)], settle=False)
    assert found.broken
    assert "two workflows at work on one node" in found.trace[-1]
