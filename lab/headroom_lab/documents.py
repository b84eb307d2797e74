"""The documents that are made from the code: `python -m headroom_lab.documents` writes them, a test compares them.

docs/parameters.md comes from template.yaml, docs/commands.md from the commands' help.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from samtranslator.yaml_helper import yaml_parse

from headroom_cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
MADE = "This page is made from {} (`python -m headroom_lab.documents`)."
HEAD = ("| parameter | what it is | allowed | default |", "|---|---|---|---|")


def parameters(text: str) -> str:
    """Return docs/parameters.md for a template."""
    template = yaml_parse(text)
    given: dict[str, dict[str, Any]] = template["Parameters"]
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    lines = [
        "# Parameters",
        "",
        "What `headroom install --set NAME=VALUE` takes, at first or later. What is not given keeps the value that the "
        "stack has, or has its default.",
        MADE.format("`template.yaml`"),
    ]
    for group in groups:
        lines += [
            "",
            f"## {group['Label']['default']}",
            "",
            "| parameter | what it is | allowed | default |",
            "|---|---|---|---|",
        ]
        for name in group["Parameters"]:
            parameter = given[name]
            lines.append(
                f"| `{name}` | {_cell(parameter['Description'])} | {_allowed(parameter)} | {_default(parameter)} |"
            )
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _allowed(parameter: dict[str, Any]) -> str:
    if values := parameter.get("AllowedValues"):
        return ", ".join(f"`{value}`" if value != "" else "empty" for value in values)
    least, most = parameter.get("MinValue"), parameter.get("MaxValue")
    if least is not None or most is not None:
        return f"{least} to {most}" if most is not None else f"{least} or more"
    return ""


def _default(parameter: dict[str, Any]) -> str:
    if "Default" not in parameter:
        return "must be given"
    return f"`{parameter['Default']}`" if parameter["Default"] != "" else "empty"


def commands() -> str:
    """Return docs/commands.md."""
    lines = [
        "# Commands",
        "",
        "`headroom COMMAND --help` says the same in a terminal. Commands find the stack by its name (`--stack`), with your AWS",
        "profile (`AWS_PROFILE`) in your region (`AWS_REGION`). What `--json` prints is described in [schemas](schemas).",
        MADE.format("the commands"),
    ]
    ours = {name for names in COMMANDS.values() for name in names}
    added = [name for name in main.list_commands(click.Context(main)) if name not in ours]
    for title, names in [*COMMANDS.items(), ("In a checkout only: the laboratory", added)]:
        lines += ["", f"## {title}"]
        for name in names:
            lines += ["", *_command(name)]
    return "\n".join(lines) + "\n"


def _command(name: str) -> Iterator[str]:
    context = click.Context(main, info_name="headroom")
    command = main.get_command(context, name)
    if command is None:
        raise LookupError(name)
    inner = click.Context(command, info_name=name, parent=context)
    yield f"### headroom {name}"
    yield ""
    yield f"`{' '.join(['headroom', name, *command.collect_usage_pieces(inner)])}`"
    yield ""
    yield re.sub(r"\n(?!\n)", " ", command.help or "").replace("  ", "\n\n").strip()
    records = [
        record for each in command.params if (record := each.get_help_record(inner)) and record[0] != "-h, --help"
    ]
    if records:
        yield ""
        yield "| option | |"
        yield "|---|---|"
        yield from (f"| `{option}` | {_cell(text)} |" for option, text in records)


def write() -> None:
    """Write them."""
    (ROOT / "docs/parameters.md").write_text(parameters((ROOT / "template.yaml").read_text()))
    (ROOT / "docs/commands.md").write_text(commands())


if __name__ == "__main__":
    write()
