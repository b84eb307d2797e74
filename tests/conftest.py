"""Fixtures every test may use; handlers read their settings when they are imported, as Lambda has them do."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from headroom import clock
from headroom_lab.proof.environment import ENVIRONMENT as DESK

REAL = (clock.seconds, clock.sleep)

ENVIRONMENT = DESK | {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "PEXIP_URL": "https://127.0.0.1:1",
    "PEXIP_SECRET_ARN": "pexip-credentials",
    "THRESHOLD": "5",
    "MINIMUM_LIFETIME_MINUTES": "",
    "LOOKS_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/looks",
    "START_NODE_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:headroom-start-node",
    "SET_OPEN_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:headroom-set-open",
    "RETIRE_NODE_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:headroom-retire-node",
    "PREWARM_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:headroom-prewarm",
    "PREWARM_STATE": "ENABLED",
    "PREWARM_SCHEDULE": "cron(50 8 ? * MON-FRI *)",
    "NODE_HOUR_PRICE": "0.5",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:people",
    "HEADS_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:heads",
    "CHAT_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:chat",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_DEV": "false",
}
os.environ |= ENVIRONMENT
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # no test asks for one, and each would make moto's 1,300 anew

# How long an example takes says how busy the machine is.
settings.register_profile("headroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("chaos", settings.get_profile("headroom"), max_examples=12 * 200)  # `make chaos`
settings.load_profile("headroom")


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a number that a test has reached printed at the end of the run."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    figures = [text for report in reports for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.write_line(text)


@pytest.fixture(autouse=True)
def the_clock_is_put_back() -> Iterator[None]:
    """A test that leaves simulated time behind would have others fail far from it."""
    yield
    assert (clock.seconds, clock.sleep) == REAL, "the clock was not put back"
