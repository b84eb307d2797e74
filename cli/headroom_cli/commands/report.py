"""`headroom report` and `export`: on recorded days, for people, as a page, or for a program."""

from datetime import datetime
from pathlib import Path

import click

from headroom_cli.options import html_option, json_option, stack_option


@click.command()
@click.option(
    "--month",
    metavar="MONTH",
    type=click.DateTime(["%Y-%m"]),
    help="A whole month, as 2026-10, in the site's time zone.",
)
@click.option(
    "--days",
    default=28,
    show_default=True,
    type=click.IntRange(1, 400),
    help="Without --month: how many days up to now.",
)
@click.option(
    "--price", type=click.FloatRange(0), help="Price of a node per hour; the stack's NodeHourPrice by default."
)
@html_option
@click.option("--to-s3", metavar="s3://BUCKET/KEY", help="Put the page into this S3 object.")
@click.option("--to-topic", metavar="ARN", help="Publish the figures to this SNS topic.")
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

    This also works in observe mode: run Headroom beside Pexip's bursting for a week or more, and read the report before
    you switch over. Calls that Pexip recorded as turned away are counted. As Pexip may not record them, calls turned away
    are estimated from the load as well.
    """
    from rich.console import Console

    from headroom_cli.looking import as_json
    from headroom_cli.reporting import made
    from headroom_cli.reporting.page import tables_of
    from headroom_cli.stack import stack_of

    target = made.target_of(to_s3) if to_s3 else None
    deployed = stack_of(stack)
    found = made.report_on(deployed, made.period_of(month, days, deployed.zone), price)
    if html:
        html.write_text(made.page_of(found, deployed.zone))
    made.send(found, deployed.zone, target, to_topic)
    if wants_json:
        click.echo(as_json(found))
    else:
        Console().print(*tables_of(found), sep="\n\n")


@click.command()
@stack_option
@click.option("--location", help="The principal location; not needed if there is only one.")
@click.option("--days", default=56, show_default=True, type=click.IntRange(1, 400), help="How many days up to now.")
def export(stack: str, location: str | None, days: int) -> None:
    """Write the recorded load, minute by minute, as CSV that `headroom replay` and `headroom tune` read."""
    import csv
    import sys
    from datetime import timedelta

    from headroom import clock
    from headroom_cli.saying import cell
    from headroom_cli.stack import ledger_of, spoken

    ledger = ledger_of(stack)
    with spoken():
        reading = ledger.last_reading()
        known = [place.name for place in reading.locations if place.overflow_location] if reading else []
        if not known:
            raise click.ClickException("Headroom has recorded nothing yet: come back after some days.")
        if location not in known and (location or len(known) > 1):
            raise click.UsageError(f"Choose a --location: {', '.join(known)}.")
        writer = csv.writer(sys.stdout)
        writer.writerow(["at", "location", "used", "booked", "hd"])
        place = location or known[0]
        shown = cell(place)
        for sample in ledger.samples(place, clock.now() - timedelta(days=days), clock.now()):
            writer.writerow([sample.at.isoformat(), shown, sample.used, sample.booked, sample.hd])
