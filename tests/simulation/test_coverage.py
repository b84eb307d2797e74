"""After eight weeks forecasts hold as often as they say, on sites that a seed draws."""

import pytest

from headroom_lab.coverage import covered

pytestmark = pytest.mark.timeout(900)  # a minute of one processor, of which the deployed stack's tests leave little
HALF_A_POINT, UNSEEN = 0.005, 301  # a draw that nothing was chosen by
FORECASTS = 2000


@pytest.mark.parametrize("family", ["lessons"])
def test_after_eight_weeks_forecasts_hold_as_often_as_they_say(family: str) -> None:
    """`make bench ONLY=coverage` shows all families."""
    held = covered(family, UNSEEN).held
    assert held.told > FORECASTS
    assert held.held == pytest.approx(held.sure, abs=HALF_A_POINT)
