"""How far the Management Node's clock is from ours, by the Date of its answers (RFC 9110, 6.6.1: whole seconds)."""

from datetime import UTC, datetime, timedelta

import pytest

from headroom.adapters.pexip.fetching import clock_off

SENT = datetime(2026, 3, 2, 8, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "took", "off"),
    [
        pytest.param("Mon, 02 Mar 2026 08:00:00 GMT", 0.1, 0.0, id="the second in which it was asked"),
        pytest.param("Mon, 02 Mar 2026 08:00:01 GMT", 0.6, 0.0, id="the second in which it answered"),
        pytest.param("Mon, 02 Mar 2026 08:00:07 GMT", 9.0, 0.0, id="some time during a slow answer"),
        pytest.param("Mon, 02 Mar 2026 08:00:10 GMT", 1.5, 8.0, id="ahead"),
        pytest.param("Mon, 02 Mar 2026 07:58:00 GMT", 0.1, -119.5, id="behind"),
        pytest.param("Mon, 02 Mar 2026 07:58:00 -0000", 0.1, -119.5, id="a zone that is not known"),
        pytest.param("Mon, 02 Mar 2026 10:00:00 +0200", 0.1, 0.0, id="another zone"),
        pytest.param("", 0.1, None, id="none"),
        pytest.param("yesterday", 0.1, None, id="none that can be read"),
    ],
)
def test_a_clock_is_off_by_what_no_moment_between_asking_and_hearing_explains(
    date: str, took: float, off: float | None
) -> None:
    assert clock_off(date, SENT, SENT + timedelta(seconds=took)) == off
