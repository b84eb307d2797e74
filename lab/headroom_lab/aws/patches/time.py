"""One clock for the whole stack: what AWS does over time runs on Headroom's clock, and so as fast as the lab wants.

Lambda's own timeouts stay in real seconds: a handler computes no faster because the lab's clock does.
"""

import time
from datetime import datetime, tzinfo
from time import struct_time
from typing import Any, Self

from ministack.core import responses
from ministack.services import (
    cloudwatch,
    cloudwatch_logs,
    dynamodb,
    ec2,
    eventbridge,
    scheduler,
    sns,
    sqs,
    stepfunctions,
)

from headroom import clock
from headroom_lab.aws.patches import replace

KEPT = 0.05  # real seconds that the pace is kept before its file is read again


class LabTime:
    """The `time` module, with the lab's clock."""

    def __init__(self) -> None:
        self.read_at, self.pace = 0.0, clock.REAL_TIME

    def time(self) -> float:
        """Return the lab's epoch second."""
        real = time.time()
        if real - self.read_at > KEPT:
            self.read_at, self.pace = real, clock.pace()
        return self.pace.at(real)

    def sleep(self, duration: float) -> None:
        """Sleep lab seconds."""
        clock.sleep(duration)

    def gmtime(self, seconds: float | None = None) -> struct_time:
        """Split up a time, the lab's if none is given."""
        return time.gmtime(self.time() if seconds is None else seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


LAB_TIME = LabTime()


class LabDatetime(datetime):
    """`datetime`, whose now is the lab's."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return the lab's time."""
        return cls.fromtimestamp(LAB_TIME.time(), tz)


def apply() -> None:
    """Give every service that shows or waits for time the lab's clock."""
    for module in (
        cloudwatch,
        cloudwatch_logs,
        dynamodb,
        ec2,
        eventbridge,
        scheduler,
        sns,
        sqs,
        stepfunctions,
    ):
        replace(module, "time", lambda _: LAB_TIME)
    for module in (cloudwatch, cloudwatch_logs, eventbridge, responses, scheduler, stepfunctions):
        replace(module, "datetime", lambda _: LabDatetime)
