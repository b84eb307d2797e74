"""The `headroom` command.

A command's module is imported when the command is asked for, and imports what it works with when it runs: `headroom --help`
does not wait for boto3. Other distributions add commands by an entry point of the group `headroom.commands`.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

import click

import headroom

COMMANDS = {
    "See": {
        "status": "show:status",
        "nodes": "show:nodes",
        "issues": "show:issues",
        "history": "show:history",
        "why": "explain:why",
        "page": "page:page",
        "doctor": "doctor:doctor",
    },
    "Act": {
        "start": "act:start",
        "hold": "act:hold",
        "expect": "act:expect",
        "release": "act:release",
        "open": "act:open_",
        "close": "act:close",
        "take-out": "act:take_out",
        "reinstate": "act:reinstate",
        "pause": "act:pause",
        "resume": "act:resume",
    },
    "Switch over": {"hand-over": "operate:hand_over", "hand-back": "operate:hand_back"},
    "Change the fleet": {
        "provision": "provision:provision",
        "convert": "provision:convert",
        "remove": "provision:remove",
        "upgrade": "upgrade:upgrade",
    },
    "Look back": {
        "report": "report:report",
        "export": "report:export",
        "verify": "explain:verify",
        "replay-decision": "explain:replay_decision",
    },
    "Install": {"install": "install:install", "uninstall": "install:uninstall"},
    "Try without a stack": {"replay": "replay:replay", "tune": "replay:tune", "size": "replay:size"},
}
ADDED = "headroom.commands"
LONGEST = 200  # characters of a command's first sentence


class Commands(click.Group):
    """Our own commands by their titles, then those that other distributions add."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click has it
        """Return every command's name."""
        return [name for _, names in _titled() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click has it
        """Import a command; None if there is none of that name."""
        for commands in COMMANDS.values():
            if cmd_name in commands:
                module, _, attribute = commands[cmd_name].partition(":")
                found: click.Command = getattr(import_module(f"headroom_cli.commands.{module}"), attribute)
                return found
        return next((entry.load() for entry in _added() if entry.name == cmd_name), None)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what its error says is printed as any other text is."""
        from headroom.domain.texts import lines  # noqa: PLC0415 - as commands import what they work with

        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = lines(error.message)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, one section a title."""
        for title, names in _titled():
            known = [(name, command) for name in names if (command := self.get_command(ctx, name))]
            with formatter.section(title):
                formatter.write_dl([(name, command.get_short_help_str(LONGEST)) for name, command in known])


def _added() -> list[EntryPoint]:
    return sorted(entry_points(group=ADDED), key=lambda entry: entry.name)


def _titled() -> Iterator[tuple[str, list[str]]]:
    yield from ((title, list(commands)) for title, commands in COMMANDS.items())
    if added := [entry.name for entry in _added()]:
        yield "Laboratory", added


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(headroom.__version__)
def main() -> None:
    """Keep enough free HD connections ready on Pexip Infinity's overflow Conferencing Nodes in EC2.

    The commands find a deployed stack by its name, with your AWS profile and region.
    """
