"""Fixtures every test may use; handlers read their settings when they are imported, as Lambda has them do."""

import os
from collections.abc import Callable
from typing import Any

import pytest

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "PEXIP_URL": "https://127.0.0.1:1",
    "PEXIP_SECRET_ARN": "pexip-credentials",
    "TAG_VALUE": "manager.example.com",
    "TABLE_NAME": "ledger",
    "MODE": "control",
    "THRESHOLD": "5",
    "LOCATION_THRESHOLDS": "{}",
    "MINIMUM_LIFETIME_MINUTES": "",
    "MAX_NODES": "0",
    "BOOT_LIMIT_MINUTES": "15",
    "REPLICATION_SECONDS": "90",
    "CHECK_REGISTRATIONS": "false",
    "TIME_ZONE": "Europe/London",
    "FORECASTING": "true",
    "CONFIDENCE": "0.99",
    "MAX_FORECAST_NODES": "0",
    "MEETING_SIZE": "5",
    "CAPACITY_REASONS": "capacity exceeded",
    "LICENCE_REASONS": "licen[cs]e",
    "START_NODE_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:headroom-start-node",
    "SET_OPEN_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:headroom-set-open",
    "RETIRE_NODE_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:headroom-retire-node",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:people",
    "HEADS_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:heads",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_METRICS_NAMESPACE": "Headroom",
    "POWERTOOLS_SERVICE_NAME": "headroom",
    "POWERTOOLS_DEV": "false",
}
os.environ |= ENVIRONMENT


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
