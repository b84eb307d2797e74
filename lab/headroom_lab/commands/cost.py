"""`headroom cost`: what a month costs."""

import sys

import click


@click.command()
def cost() -> None:
    """Play hours of a small and a large site, and write what a month of each costs (`make cost`)."""
    from headroom_lab.cost import bill
    from headroom_lab.cost.counting import LARGE, SMALL, play

    bills = {f"A {site.name} site: {site.size}": bill.month(play(site)) for site in (SMALL, LARGE)}
    for title, rows in bills.items():
        click.echo(title)
        for row in rows:
            click.echo(f"  {row.title:<40} {row.used:>14,.1f}  list ${row.at_list:>6.2f}  due ${row.due:>6.2f}")
        click.echo(
            f"  {'in all':<40} {'':>14}  list ${sum(row.at_list for row in rows):>6.2f}  due ${bill.due(rows):>6.2f}"
        )
    bill.PAGE.write_text(bill.page(bills))
    sys.exit(0 if bill.due(next(iter(bills.values()))) <= bill.MOST else 1)
