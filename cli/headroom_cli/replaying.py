"""Play a load to the planner and to the policies that it is compared with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from headroom_replay.load import TraceError
from headroom_replay.run import Job, play_all
from headroom_replay.score import Result
from headroom_replay.sources import maker_of
from headroom_replay.work import Platform, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Which load is replayed, on how large a platform: the options of all commands that replay."""

    trace: Path
    seeds: int
    days: int | None
    meetings: bool
    zone: str
    always_on: int
    nodes: int
    node_hd: int
    fill_up: bool

    def maker(self) -> Callable[..., Work]:
        """Return what draws it for a seed; raise TraceError if it cannot be read."""
        size = Platform(always_on=self.always_on, nodes=self.nodes, node_hd=self.node_hd, fill_up=self.fill_up)
        return maker_of(self.trace, size, meetings=self.meetings, days=self.days, zone=self.zone)


def replayed(jobs: Sequence[Job]) -> list[Result]:
    """Play, with progress; raise TraceError for a load that cannot be replayed."""
    results: list[Result] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for found in progress.track(play_all(jobs), total=len(jobs), description="Replaying"):
            results += found
    return results


@contextmanager
def readable() -> Iterator[None]:
    """Say what is wrong with a load that cannot be replayed."""
    try:
        yield
    except TraceError as error:
        raise click.ClickException(str(error)) from error
