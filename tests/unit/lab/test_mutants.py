"""mutmut's answers are counted by file."""

from headroom_lab.mutants import count, page

RESULTS = """
    headroom.domain.safety.safety.safety.x_may_stop__mutmut_1: killed
    headroom.domain.safety.safety.safety.x__only_tagged__mutmut_2: survived
    headroom.domain.planning.planning.planning.xǁPlanǁsamples__mutmut_4: no tests
    headroom.domain.planning.planning.planning.x_plan__mutmut_1: killed
"""


def test_mutants_are_counted_by_file_and_fate_and_told() -> None:
    counted = count(RESULTS)
    assert counted["safety/safety"] == {"killed": 1, "survived": 1}
    assert counted["planning/planning"] == {"killed": 1, "no tests": 1}
    assert "| domain/safety/safety.py | 2 | 1 | 50.0 % |" in page(counted, ["one"])
