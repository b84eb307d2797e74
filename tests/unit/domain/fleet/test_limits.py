"""Which limits apply, and which node is meant."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headroom.domain.fleet.fleet import PexipSettings, UnknownNodeError, find_worker
from headroom.domain.fleet.limits import minimum_lifetime, threshold
from headroom.domain.policy import Policy
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
    assert minimum_lifetime(Policy(), PEXIPS) == timedelta(minutes=40)
    assert minimum_lifetime(Policy(minimum_lifetime=timedelta()), PEXIPS) == timedelta()


def test_a_node_is_found_by_name_among_overflow_nodes_only() -> None:
    assert find_worker(PEXIPS, "burst-1").name == "burst-1"
    for unknown in ("burst-2", "conf-Stockholm"):
        with pytest.raises(UnknownNodeError, match=f"No overflow node is called '{unknown}'; there are: burst-1"):
            find_worker(PEXIPS, unknown)
    with pytest.raises(UnknownNodeError, match="there are: none"):
        find_worker(replace(PEXIPS, workers=()), "burst-1")
