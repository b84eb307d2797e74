"""AWS where it is less punctual, and less kind, than its embedded stand-in: times, figures and errors as they are read."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from headroom.adapters.ec2 import Ec2, NotStartableError, ThrottledError, as_ec2_error
from headroom.adapters.ledger.codec import moment, wait_until

NOW = datetime(2026, 3, 2, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize("micros", [0, 1, 499_999, 999_999])
def test_a_workflow_waits_until_a_whole_second_and_never_too_short(micros: int) -> None:
    """Step Functions cuts the time of a Wait state to the second."""
    until = NOW.replace(microsecond=micros)
    waits = moment(wait_until(until))
    assert waits is not None
    assert timedelta() <= waits - until < timedelta(seconds=1)
    assert waits.microsecond == 0


@pytest.mark.parametrize(("minutes_ago", "counts"), [(6, False), (7, True), (12, True)])
def test_a_period_counts_two_minutes_after_its_end(minutes_ago: int, *, counts: bool) -> None:
    """Until then CloudWatch may still add to it: with detailed monitoring it comes minute by minute."""
    begins = NOW - timedelta(minutes=minutes_ago)
    ec2 = Ec2("manager.example.com")
    points = {"Datapoints": [{"Timestamp": begins, "Sum": 1.2e6}]}
    vars(ec2)["cloudwatch"] = SimpleNamespace(get_metric_statistics=lambda **_: points)
    assert ec2.network_out("i-1", begins, NOW) == (240_000 if counts else None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, ThrottledError) for code in ("ServiceUnavailable", "Unavailable", "InternalError", "InternalFailure")),
        ("IncorrectSpotRequestState", NotStartableError),
    ],
)
def test_what_passes_by_itself_is_tried_again(code: str, kind: type[Exception]) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "please try again"}}, "StartInstances")
    assert type(as_ec2_error(error)) is kind
