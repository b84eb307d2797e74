"""A month's bill, from what hours used: the table that `make cost` prints, and docs/cost.md."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headroom import clock
from headroom.observability import ALWAYS
from headroom_lab.aws.translated import ROOT, translated
from headroom_lab.cost.counting import AWS_TAKES, BUSY, LASTS, LOGGED, PEXIP_TAKES, QUIET, VCPU_AT, Hours

PAGE = ROOT / "docs/cost.md"
PRICES = tomllib.loads(Path(__file__).with_name("prices.toml").read_text())
HOURS, WEEKDAYS, BUSY_HOURS = 730, 22, 6  # of a month; busy ones of a weekday
WHOLE = 10  # from here on without decimals
KEPT = 35 / 30.4  # months that readings and plans are kept
MOST = 5.0  # dollars a month that a small site may cost, after what is always free, without its network
NETWORK = {
    "outside a VPC, or in one with a NAT gateway that is there": 0.0,
    "DynamoDB's gateway endpoint (`RouteTableIds`)": 0.0,
    "an endpoint for the secret (`CreateSecretsEndpoint`), for each subnet": 7.3,
    "a NAT gateway of its own": 32.9,
}
TITLES = {
    "gb_seconds": "Lambda, GB-seconds",
    "invocations": "Lambda, invocations",
    "transitions": "Step Functions, state transitions",
    "write_units": "DynamoDB, write units",
    "read_units": "DynamoDB, read units",
    "stored_gb": "DynamoDB, GB stored",
    "recovery_gb": "DynamoDB, GB that can be restored",
    "ticks": "EventBridge Scheduler, invocations",
    "events": "EventBridge, events",
    "messages": "SNS, messages",
    "queue_requests": "SQS, requests",
    "metrics": "CloudWatch, metrics",
    "alarms": "CloudWatch, alarms",
    "log_gb": "CloudWatch, GB of logs",
    "secrets": "Secrets Manager, secrets",
    "secret_calls": "Secrets Manager, requests",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that AWS bills: how much of it, at list price, and after what is always free."""

    title: str
    used: float
    at_list: float
    due: float


def month(hours: Hours) -> list[Row]:
    """Return the bill of a month with that many busy hours."""
    busy = WEEKDAYS * BUSY_HOURS
    used = {
        name: (HOURS - busy) * hours.used[QUIET].get(name, 0.0) + busy * hours.used[BUSY].get(name, 0.0)
        for name in hours.used[QUIET] | hours.used[BUSY]
    }
    stored = (
        used["write_units"] * 1024 / 1e9 * KEPT
    )  # at the most: a unit writes a kilobyte or less, and much is overwritten
    used |= {"stored_gb": stored, "recovery_gb": stored, "secrets": 1, "metrics": len(ALWAYS) + 1, "alarms": _alarms()}
    return [_row(name, used.get(name, 0.0)) for name in TITLES]


def _alarms() -> int:
    made = translated()["Resources"].values()
    return sum(one["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in one for one in made)


def _row(name: str, used: float) -> Row:
    price, free = PRICES[name]["price"], PRICES[name]["free"]
    return Row(TITLES[name], used, used * price, max(0.0, used - free) * price)


def due(rows: Iterable[Row]) -> float:
    """Return what is to be paid after what is always free."""
    return sum(row.due for row in rows)


def page(bills: dict[str, list[Row]]) -> str:
    """Write docs/cost.md; `bills` by the site's words."""
    lines = [
        "# What Headroom costs",
        "",
        f"Made by `make cost`, {clock.now():%Y-%m-%d}: a quiet and a busy hour are played with the shipped functions and",
        f"workflows, and what they asked for is counted. A month has {WEEKDAYS * BUSY_HOURS} busy hours ({BUSY_HOURS} on each of",
        f"{WEEKDAYS} weekdays) and {HOURS - WEEKDAYS * BUSY_HOURS} quiet ones. Prices are those of us-east-1 in",
        "`lab/headroom_lab/cost/prices.toml`; other regions are up to a fifth dearer. No bill of AWS's has been seen yet.",
        "",
    ]
    for site, rows in bills.items():
        lines += [
            f"## {site}",
            "",
            "| | a month | list price | after what is always free |",
            "|---|---|---|---|",
            *(f"| {row.title} | {_count(row.used)} | ${row.at_list:.2f} | ${row.due:.2f} |" for row in rows),
            f"| **in all** | | **${sum(row.at_list for row in rows):.2f}** | **${due(rows):.2f}** |",
            "",
        ]
    lines += [
        "## Beside it",
        "",
        "| network | a month |",
        "|---|---|",
        *(f"| {what} | ${cost:.2f} |" for what, cost in NETWORK.items()),
        "",
        "`DetailedMetrics` adds about $0.30 for each metric (three a location; about twenty others), and $0.10 for each of",
        "three alarms. The nodes themselves are not included: EC2 bills them by the second while they are on, and their volumes",
        "all the time. Boot drills (`BootDrillDays`) turn each node on once in about two weeks, for its boot, its minimum",
        "lifetime and the ten minutes that a stop takes: about a third of a node-hour a node.",
        "",
        "## What is assumed",
        "",
        "- A function computes as much slower than on the machine that made this page as its memory gives it of a processor (a",
        f"  whole one at {VCPU_AT} MB). A request to AWS takes {1000 * AWS_TAKES:g} ms, one to Pexip {1000 * PEXIP_TAKES:g} ms.",
        "  What a function sleeps is counted as it is.",
        "- Control mode, and otherwise a new stack's settings and a new Pexip's, but for boot drills: they add a start and",
        "  a stop of each node in two weeks.",
        f"- A call takes {LASTS:g} minutes, and calls come in rushes. An invocation logs {LOGGED} bytes beside its metrics.",
        "- Everything is stored for as long as readings and plans are, and nothing is overwritten: both make the table dearer",
        "  than it is.",
        "",
    ]
    return "\n".join(lines)


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= WHOLE else f"{number:.2g}"
