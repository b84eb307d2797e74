"""mutmut's answers are counted by file."""

from headroom_lab.mutants import count, page

RESULTS = """
    headroom.domain.safety.safety.x_may_stop__mutmut_1: killed
    headroom.domain.safety.safety.x__only_tagged__mutmut_2: survived
    headroom.domain.planning.planning.xǁPlanǁsamples__mutmut_4: no tests
    headroom.domain.planning.planning.x_plan__mutmut_1: killed
    headroom.domain.planning.more.x_more__mutmut_1: killed
    headroom.domain.planning.less.x_less__mutmut_1: killed
"""


def test_mutants_are_counted_by_file_and_fate_and_told() -> None:
    counted = count(RESULTS)
    assert counted["safety/safety"] == {"killed": 1, "survived": 1}
    assert counted["planning/planning"] == {"killed": 1, "no tests": 1}
    assert "| domain/safety/safety.py | 2 | 1 | 50.0 % |" in page(counted, ["one"])
