"""Evaluate the template's alarms on what the functions print, as CloudWatch documents it for its metrics and log filters."""

import json
import operator
import re
from collections import defaultdict
from collections.abc import Callable
from io import TextIOBase
from typing import Any

from tests.support import template as stack

ALARMS = stack.resources("AWS::CloudWatch::Alarm")
STATISTICS: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max}
COMPARISONS = {"GreaterThanThreshold": operator.gt, "LessThanThreshold": operator.lt}


NAMESPACE = "Headroom/headroom"  # of a stack that is called headroom


def matches(pattern: str, line: dict[str, Any]) -> bool:
    """Say whether a log filter for JSON takes a line: comparisons of text with wildcards, joined by && and ||."""

    def compared(found: re.Match[str]) -> str:
        field, sign, wanted = found.groups()
        value = line.get(field)
        if not isinstance(value, str):
            return "False"  # as CloudWatch has it of a field that is not there, whatever is compared
        fits = re.fullmatch(re.escape(wanted).replace(r"\*", ".*"), value, re.DOTALL) is not None
        return str(fits is (sign == "="))

    text = re.sub(r'\$\.(\w+) (!?=) "([^"]*)"', compared, pattern.strip("{} ")).replace("&&", "and").replace("||", "or")
    return bool(eval(text))


class Prints(TextIOBase):
    """What functions print, read as CloudWatch reads it: metrics in the embedded format, and lines that a filter counts."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.seconds = seconds
        self.points: dict[tuple[str, frozenset[tuple[str, str]]], list[tuple[float, float]]] = defaultdict(list)
        self.filters = list(stack.resources("AWS::Logs::MetricFilter").values())

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.startswith("{"):
                self._take(json.loads(line))
        return len(text)

    def _take(self, line: dict[str, Any]) -> None:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert directive["Namespace"] == NAMESPACE
            for names in directive["Dimensions"]:
                dimensions = frozenset((name, str(line[name])) for name in names)
                for metric in directive["Metrics"]:
                    for value in line[metric["Name"]]:
                        self.add(metric["Name"], dimensions, value)
        for one in self.filters:
            if matches(one["FilterPattern"], line):
                for made in one["MetricTransformations"]:
                    self.add(made["MetricName"], frozenset(), float(made["MetricValue"]))

    def add(self, metric: str, dimensions: frozenset[tuple[str, str]], value: float) -> None:
        self.points[metric, dimensions].append((self.seconds(), value))

    def states(self, name: str, since: float, until: float) -> list[str]:
        """Return the alarm's state minute by minute: ALARM when every one of its periods breaches, as it counts missing ones."""
        alarm = ALARMS[name]
        assert alarm["Namespace"] in ({"Fn::Sub": "Headroom/${AWS::StackName}"}, "AWS/SQS")
        dimensions = frozenset((each["Name"], str(each["Value"])) for each in alarm.get("Dimensions", []))
        points = self.points.get((alarm["MetricName"], dimensions), [])
        found, minute = [], since + alarm["Period"] * alarm["EvaluationPeriods"]
        while minute <= until:
            breaches = []
            for number in range(alarm["EvaluationPeriods"]):
                end = minute - number * alarm["Period"]
                values = [value for at, value in points if end - alarm["Period"] <= at < end]
                breaches.append(self._breaches(alarm, values))
            found.append("ALARM" if all(breaches) else "OK")
            minute += 60
        return found

    @staticmethod
    def _breaches(alarm: dict[str, Any], values: list[float]) -> bool:
        if not values:
            return bool(alarm["TreatMissingData"] == "breaching")
        compared = COMPARISONS[alarm["ComparisonOperator"]]
        return bool(compared(STATISTICS[alarm["Statistic"]](values), alarm["Threshold"]))


def fires_and_clears(states: list[str]) -> bool:
    """It is well at first, then an alarm, and well again at the end."""
    return states[0] == states[-1] == "OK" and "ALARM" in states
