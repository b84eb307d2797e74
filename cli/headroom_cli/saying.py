"""The ways out to a terminal and to a spreadsheet: whatever is in a text, it moves no cursor and is no formula."""

import click

from headroom.domain.texts import line, lines

FORMULAE = ("=", "+", "-", "@")  # a spreadsheet takes a cell that begins so for a formula, unless a quote precedes it


def say(text: str, *, err: bool = False) -> None:
    """Print a text, which may have come from Pexip, from AWS or from people."""
    click.echo(lines(text), err=err)


def cell(text: str) -> str:
    """Write a text for a cell of a CSV file."""
    plain = line(text)
    return f"'{plain}" if plain.startswith(FORMULAE) else plain
