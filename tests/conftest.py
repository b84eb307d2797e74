"""Fixtures every test may use; handlers read their settings when they are imported, as Lambda has them do."""

import os

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
