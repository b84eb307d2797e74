"""Options that several commands have."""

import click

stack_option = click.option(
    "--stack",
    default="headroom",
    show_default=True,
    help="Name of the deployed stack, in AWS_PROFILE's account and AWS_REGION.",
)
json_option = click.option("--json", "wants_json", is_flag=True, help="Print JSON for a program (docs/schemas).")
