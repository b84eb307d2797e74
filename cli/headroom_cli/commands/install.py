"""`headroom install` and `uninstall`: the first hour on an account, and the last."""

from pathlib import Path

import click

from headroom_cli.options import stack_option


def _pairs(_context: object, _parameter: object, given: tuple[str, ...]) -> dict[str, str]:
    """Read NAME=VALUE, as often as it is given."""
    if wrong := [each for each in given if "=" not in each]:
        raise click.BadParameter(f"{wrong[0]} has no value: write NAME=VALUE.")
    return dict(each.split("=", 1) for each in given)


@click.command()
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="A parameter (docs/parameters.md), instead of a question.",
)
@click.option(
    "--secret",
    "credentials",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with the Management API's credentials, instead of questions.",
)
@click.option(
    "--template",
    type=click.Path(dir_okay=False, path_type=Path),
    default="template.yaml",
    show_default=True,
    help="The template: a checkout's, or a release's packaged one.",
)
@click.option(
    "--provisioning", is_flag=True, help="Deploy the optional stack, by which Headroom may make and remove nodes."
)
@stack_option
def install(stack: str, template: Path, given: dict[str, str], credentials: Path | None, *, provisioning: bool) -> None:
    """Deploy Headroom to your AWS account, by five questions the first time.

    It checks each answer, builds, deploys in observe mode, asks for the Management API's credentials, and waits for the first
    reading. Later it updates the stack; parameters that are not given keep the values that the stack has.
    """
    from headroom_cli.installing import guide, optional

    if provisioning:
        optional.install(stack, template.with_name("provisioning") / "template.yaml", given)
        return
    guide.install(stack, template, given, credentials)


@click.command()
@click.option("--force", is_flag=True, help="Do not hand the nodes back first, for instance as Pexip is gone.")
@stack_option
def uninstall(stack: str, *, force: bool) -> None:
    """Hand the nodes back and delete the stack. The ledger's table is kept.

    Policies that people have, your rules on the event bus and running workflows are taken away before, as AWS would not.
    """
    from headroom_cli.installing import removing

    removing.uninstall(stack, force=force)
