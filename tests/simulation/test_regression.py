"""The planner gets no worse: three sites that a seed draws, each with the score that it had when it was measured."""

import pytest

from headroom_replay.families import of_family
from headroom_replay.oracle import schedule
from headroom_replay.run import play

DAYS, SLACK = 3, 0.02
MEASURED = {"calls": 0.660, "meetings, booked": 0.707, "lessons": 0.627}  # with the failing starts that each seed draws


@pytest.mark.parametrize("family", MEASURED)
def test_the_score_of_a_family_does_not_fall(family: str) -> None:
    """If it rises, raise the figure here; if it falls, the change is none."""
    work = of_family(family, seed=11, played=DAYS)
    found = play(work, "headroom", 11, schedule(work, 11))
    assert found.score >= MEASURED[family] - SLACK
    assert found.cut == 0
