"""The way out to a terminal: whatever is in a text, it moves no cursor and changes no colour."""

import click

from headroom.domain.texts import lines


def say(text: str, *, err: bool = False) -> None:
    """Print a text, which may have come from Pexip, from AWS or from people."""
    click.echo(lines(text), err=err)
