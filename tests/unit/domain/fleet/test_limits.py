"""Which limits apply, and which node is meant."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headroom.domain.fleet.fleet import PexipSettings, UnknownNodeError, find_worker
from headroom.domain.fleet.limits import SHORTEST, minimum_lifetime, promised_lifetime, threshold, unknown
from headroom.domain.policy import Mode, Policy
from tests.support.builders import node, observe

PEXIPS = observe(node(1), settings=PexipSettings(bursting_threshold=7, bursting_min_lifetime=40)).reading


@pytest.mark.parametrize(
    ("policy", "applies"),
    [
        pytest.param(Policy(), 7, id="Pexip's own"),
        pytest.param(Policy(threshold=9), 9, id="the operator's"),
        pytest.param(Policy(threshold=9, thresholds={"Oslo": 0}), 0, id="the location's"),
        pytest.param(Policy(thresholds={"Bergen": 3}), 7, id="another location's"),
    ],
)
def test_the_threshold_that_applies(policy: Policy, applies: int) -> None:
    assert threshold(policy, PEXIPS, "Oslo") == applies


def test_the_minimum_lifetime_that_applies() -> None:
    own, pexips = Policy(minimum_lifetime=timedelta()), timedelta(minutes=40)
    assert minimum_lifetime(own, PEXIPS) == promised_lifetime(own, PEXIPS) == timedelta()
    for mode in Mode:
        usual = pexips if mode is Mode.ASSIST else SHORTEST
        assert minimum_lifetime(Policy(mode=mode), PEXIPS) == usual
        assert minimum_lifetime(Policy(mode=mode, pexips_lifetime=True), PEXIPS) == pexips


def test_a_promise_without_an_end_lasts_as_long_as_people_know_it_from_pexip() -> None:
    for mode in Mode:
        assert promised_lifetime(Policy(mode=mode), PEXIPS) == timedelta(minutes=40)


def test_what_pexip_does_not_tell_matters_where_it_applies() -> None:
    untold = replace(PEXIPS, untold=("bursting_min_lifetime",))
    assert unknown(Policy(mode=Mode.ASSIST), untold) == ["bursting_min_lifetime"]
    assert unknown(Policy(mode=Mode.CONTROL, pexips_lifetime=True), untold) == ["bursting_min_lifetime"]
    assert unknown(Policy(mode=Mode.CONTROL), untold) == []
    assert unknown(Policy(mode=Mode.ASSIST, minimum_lifetime=timedelta(minutes=9)), untold) == []


def test_a_node_is_found_by_name_among_overflow_nodes_only() -> None:
    assert find_worker(PEXIPS, "burst-1").name == "burst-1"
    for other in ("burst-2", "conf-Stockholm"):
        with pytest.raises(UnknownNodeError, match=f"No overflow node is called '{other}'; there are: burst-1"):
            find_worker(PEXIPS, other)
    with pytest.raises(UnknownNodeError, match="there are: none"):
        find_worker(replace(PEXIPS, workers=()), "burst-1")
