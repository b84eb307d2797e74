"""`headroom demo`: a weekday morning, end to end."""

import sys
from datetime import date, time
from pathlib import Path

import click

BEGINS, ENDS = time(8, 28), time(10, 30)


@click.command()
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0.5, 60),
    help="1 is real time; it is slower while many workflows begin.",
)
@click.option("--trace", type=click.Path(dir_okay=False, path_type=Path), help="Play this file of timestamp,arrivals.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The day of the trace.")
@click.option("--until", default=f"{ENDS:%H:%M}", show_default=True, help="End at this local time.")
@click.option("--out", default="demo", show_default=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--stay", is_flag=True, help="Keep the stack after the morning until Ctrl-C, for the other commands.")
@click.option("--env", is_flag=True, help="Print the environment with which other commands work on the running demo.")
def demo(*, speed: float, trace: Path | None, day: date | None, until: str, out: Path, stay: bool, env: bool) -> None:
    """Play a weekday morning end to end: the real template on an embedded AWS, against a simulated Pexip platform."""
    from rich.console import Console

    from headroom_lab.demo import running
    from headroom_lab.demo.run import run
    from headroom_lab.demo.scenario import bundled, from_trace
    from headroom_replay.load import TraceError

    if env:
        click.echo(running.exports())
        return
    console = Console()
    try:
        ends = time.fromisoformat(until)
        if trace is None:
            scenario = bundled(BEGINS, ends)
        elif day is None:
            raise click.UsageError("A trace needs a day: --day 2003-10-20.")
        else:
            scenario = from_trace(trace, date(day.year, day.month, day.day), BEGINS, ends)
    except (TraceError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    try:
        sys.exit(run(scenario, speed, console, out, stay=stay))
    except KeyboardInterrupt:
        console.print("Stopped. All its processes have ended.")
        sys.exit(130)
