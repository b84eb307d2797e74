"""mutmut's answers are counted by file."""

import pytest

from headroom_lab import mistakes
from headroom_lab.mutants import WHY_UNNOTICED, count, page, unexplained

RESULTS = """
    headroom.domain.safety.safety.x_may_stop__mutmut_1: killed
    headroom.domain.safety.safety.x__only_its_tagged_instance__mutmut_2: survived
    headroom.domain.planning.planning.xǁPlanǁsamples__mutmut_4: no tests
    headroom.domain.planning.planning.x_plan__mutmut_1: killed
    headroom.domain.planning.more.x_more__mutmut_1: killed
    headroom.domain.planning.less.x_less__mutmut_1: killed
"""


def test_mutants_are_counted_by_file_and_fate_and_told() -> None:
    counted = count(RESULTS)
    assert counted["safety/safety"] == {"killed": 1, "survived": 1}
    assert counted["planning/planning"] == {"killed": 1, "no tests": 1}
    [explained] = list(WHY_UNNOTICED)[:1]
    told = page(counted, {"headroom.domain.planning.more.x__preference__mutmut_1": explained})
    assert "| domain/safety/safety.py | 2 | 1 |" in told
    assert f"| `{explained}` | {WHY_UNNOTICED[explained]} |" in told


def test_a_mistake_that_nobody_notices_needs_a_reason_and_in_safety_none_is_accepted() -> None:
    [line] = list(WHY_UNNOTICED)[:1]
    assert unexplained({"headroom.domain.planning.more.x_one": line}) == []
    assert unexplained({"headroom.domain.planning.more.x_one": "left = None"}) == [
        "headroom.domain.planning.more.x_one: left = None"
    ]
    assert unexplained({"headroom.domain.safety.safety.x_one": line}) == [
        f"headroom.domain.safety.safety.x_one: {line}"
    ]


@pytest.mark.parametrize("mistake", mistakes.MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_can_still_be_made_and_its_test_is_there(mistake: mistakes.Mistake) -> None:
    assert mistake.old in (mistakes.ROOT / mistake.file).read_text()
    file, _, test = mistake.test.partition("::")
    assert f"def {test}(" in (mistakes.ROOT / file).read_text() or not test
