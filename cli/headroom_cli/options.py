"""Options that several commands have."""

from pathlib import Path

import click

stack_option = click.option(
    "--stack",
    default="headroom",
    show_default=True,
    help="Name of the deployed stack, in AWS_PROFILE's account and AWS_REGION.",
)
json_option = click.option("--json", "wants_json", is_flag=True, help="Print JSON for a program (docs/schemas).")


def _in_a_folder(_context: object, _parameter: object, page: Path | None) -> Path | None:
    """Refuse a page that could not be written, before a replay of minutes."""
    if page and not page.absolute().parent.is_dir():
        raise click.BadParameter(f"There is no folder {page.absolute().parent}.")
    return page


html_option = click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_in_a_folder,
    help="Write it as a page with charts, too.",
)
