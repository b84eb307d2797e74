"""Make a report of a deployed stack, and send it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import boto3
import click
from rich.console import Console

from headroom import clock
from headroom_cli.replaying import replayed
from headroom_cli.reporting.figures import Report, report_of
from headroom_cli.reporting.page import page_of, tables_of
from headroom_cli.stack import Deployed, spoken
from headroom_replay import compare
from headroom_replay.load import TraceError

__all__ = ["page_of", "period_of", "report_on", "send", "target_of"]

type Period = tuple[datetime, datetime]


def period_of(month: datetime | None, days: int, zone: str) -> Period:
    """Return the period to report on: a month in the site's time zone, up to now at most, or the last `days` days."""
    now = clock.now()
    if month is None:
        return now - timedelta(days=days), now
    begins = datetime(month.year, month.month, 1, tzinfo=ZoneInfo(zone))
    following = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=ZoneInfo(zone))
    if begins > now:
        raise click.UsageError(f"{month:%Y-%m} has not begun.")
    return begins.astimezone(UTC), min(following.astimezone(UTC), now)


def target_of(text: str) -> tuple[str, str]:
    """Return bucket and key of s3://BUCKET/KEY; raise UsageError if it is not one."""
    bucket, _, key = text.removeprefix("s3://").partition("/")
    if not (bucket and key):
        raise click.UsageError("Write s3://BUCKET/KEY.")
    return bucket, key


def report_on(deployed: Deployed, period: Period, price: float | None) -> Report:
    """Read what was recorded, replay it, and put both together; the price of a node's hour is the stack's if None."""
    since, until = period
    try:
        with spoken():
            recorded = compare.recorded_days(deployed.ledger, since, until)
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    compared = []
    for each in recorded:
        try:
            results = replayed(compare.jobs_of(each, deployed.zone))
        except TraceError as error:  # for example no calls; the other locations are still reported
            click.echo(f"Not replayed: {error}", err=True)
            results = []
        compared.append((each, compare.lines_of(each, results)))
    with spoken():
        return report_of(deployed.ledger, compared, since, until, deployed.price if price is None else price)


def send(report: Report, zone: str, target: tuple[str, str] | None, topic: str | None) -> None:
    """Put the page into a bucket, and publish the figures to a topic."""
    with spoken():
        if target:
            bucket, key = target
            body = page_of(report, zone).encode()
            boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/html; charset=utf-8")
        if topic:
            text = Console(width=100, record=True, file=None)
            with text.capture() as captured:
                text.print(*tables_of(report), sep="\n\n")
            subject = f"Headroom: report on {report.since:%Y-%m-%d} to {report.until:%Y-%m-%d}"
            boto3.client("sns").publish(TopicArn=topic, Subject=subject, Message=captured.get())
