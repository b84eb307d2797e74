"""`headroom report`: on a month or on the last days, for people, as a page, or for a program."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import boto3
import click
from rich.console import Console
from rich.progress import Progress

from headroom import clock
from headroom_lab.cli.show import as_json, json_option
from headroom_lab.cli.stack import Deployed, spoken, stack_of, stack_option
from headroom_lab.load import TraceError
from headroom_lab.replay.run import Job, play_all
from headroom_lab.replay.score import Result


def period_of(month: datetime | None, days: int, zone: str) -> tuple[datetime, datetime]:
    """Return the moments between which to report: a whole month of the site's, up to now, or the last days."""
    now = clock.now()
    if month is None:
        return now - timedelta(days=days), now
    begins = datetime(month.year, month.month, 1, tzinfo=ZoneInfo(zone))
    following = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=ZoneInfo(zone))
    if begins > now:
        raise click.UsageError(f"{month:%Y-%m} has not begun.")
    return begins.astimezone(UTC), min(following.astimezone(UTC), now)


def replayed(jobs: Sequence[Job]) -> list[Result]:
    """Play, with progress; a load that cannot be replayed is said in a sentence."""
    results: list[Result] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for found in progress.track(play_all(jobs), total=len(jobs), description="Replaying"):
            results += found
    return results


@click.command()
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="A whole month, as 2026-10, in the site's time.")
@click.option("--days", default=28, show_default=True, type=click.IntRange(1, 400), help="Else so many days up to now.")
@click.option(
    "--price", type=click.FloatRange(0), help="What a node costs an hour; the stack's NodeHourPrice if left out."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write it as a page, too.")
@click.option("--to-s3", metavar="s3://BUCKET/KEY", help="Put that page there.")
@click.option("--to-topic", metavar="ARN", help="Tell this SNS topic the figures.")
@json_option
@stack_option
def report(
    stack: str,
    month: datetime | None,
    days: int,
    price: float | None,
    html: Path | None,
    to_s3: str | None,
    to_topic: str | None,
    *,
    wants_json: bool,
) -> None:
    """Report on a month: hours on and needed, money, boots, promises, and what Pexip's own rule would have done.

    Made for observe mode, too: run Headroom beside Pexip's bursting for a week or more, and read this before you switch
    over. Calls that Pexip recorded as turned away are counted; as it may not record them, they are estimated from the load.
    """
    from headroom_lab.replay import compare  # noqa: PLC0415 - only this command needs them
    from headroom_lab.reporting.figures import report_of  # noqa: PLC0415 - likewise: charts take a second to import
    from headroom_lab.reporting.page import page_of, tables_of  # noqa: PLC0415 - likewise: charts take a second to import

    bucket, _, key = (to_s3 or "").removeprefix("s3://").partition("/")
    if to_s3 and not (bucket and key):
        raise click.UsageError("Write s3://BUCKET/KEY.")
    deployed = stack_of(stack)
    zone = deployed.parameters.get("TimeZone", "UTC")
    price = _price(deployed) if price is None else price
    since, until = period_of(month, days, zone)
    try:
        with spoken():
            recorded = compare.recorded_days(deployed.ledger, since, until)
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    compared = []
    for each in recorded:
        try:
            results = replayed(compare.jobs_of(each, zone))
        except TraceError as error:  # as where nobody called: the other locations are reported on all the same
            click.echo(f"Not replayed: {error}", err=True)
            results = []
        compared.append((each, compare.lines_of(each, results)))
    with spoken():
        found = report_of(deployed.ledger, compared, since, until, price)
    if html:
        html.write_text(page_of(found, zone))
    with spoken():
        if to_s3:
            body = page_of(found, zone).encode()
            boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/html; charset=utf-8")
        if to_topic:
            text = Console(width=100, record=True, file=None)
            with text.capture() as captured:
                text.print(*tables_of(found), sep="\n\n")
            subject = f"Headroom: report on {since:%Y-%m-%d} to {until:%Y-%m-%d}"
            boto3.client("sns").publish(TopicArn=to_topic, Subject=subject, Message=captured.get())
    if wants_json:
        click.echo(as_json(found))
    else:
        Console().print(*tables_of(found), sep="\n\n")


def _price(deployed: Deployed) -> float | None:
    """What the stack says a node costs an hour; 0 is nothing said."""
    return float(deployed.parameters.get("NodeHourPrice") or 0) or None
