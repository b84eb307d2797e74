"""Two yardsticks that know the future: a bound that nothing can undercut, and a schedule that really turns nobody away.

The bound: at every moment at least `calls in progress - always-on` calls are on overflow nodes, wherever they were
placed, so at least that many nodes' worth of them must be on, and each has booted first. Covering those needs, where
every start costs a boot, is solved exactly, level by level: only a gap shorter than a boot is bridged.

The oracle is a controller like the others, in the same world (principal location first, then the least loaded open node;
nothing moves; opening and closing take their 90 s), but it sees every arrival and length beforehand, every boot takes
the mean, and no start fails. It closes the node whose last call ends first as soon as the others suffice for a while,
re-opens a closed node rather than start another, and starts one just in time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from headroom_replay.site import Moment, Site
from headroom_replay.switches import Switches
from headroom_replay.work import Failing, Work
from headroom_replay.world import Node

BOOT = 300.0
CELL = 60.0  # seconds; the load of a cell is the most within it
BOOT_CELLS, START_AHEAD, OPEN_AHEAD = 5, 7, 3  # cells: a boot, or a re-opening, and the cell it is decided in
PATIENCE = (10, 20)  # cells in which a closed node must not be missed; the better schedule counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What the oracle needed, and the calls that it turned away all the same."""

    node_hours: float
    starts: int
    rejected: int
    course: tuple[Moment, ...] = ()


def schedule(work: Work, seed: int, watch: tuple[float, float] | None = None) -> Schedule:
    """Return the best feasible schedule found, with its course over what is watched."""
    found = []
    for patience in PATIENCE:
        site = oracle_site(work, seed)
        site.run(oracle(site, patience), CELL, watch)
        tally = site.world.tally
        found.append(
            Schedule(
                node_hours=site.world.node_seconds() / 3600,
                starts=tally.starts,
                rejected=tally.rejected,
                course=tuple(site.tally.course),
            )
        )
    return min(found, key=lambda one: one.node_hours + 3 * one.rejected)


def oracle_site(work: Work, seed: int) -> Site:
    """A site for the oracle: no jitter, no failed start."""
    return Site(work, seed, Switches(boot_mean=BOOT, boot_jitter=0), failing=Failing(refused=0, slow=0))


def loads(work: Work, location: str) -> list[int]:
    """Return a location's calls in progress if none is turned away: the most within each cell."""
    cells = int((work.ends - work.begins) / CELL) + 2
    highest = [0] * cells
    calls = [call for call in work.calls if call.location == location]
    changes = sorted(chain(((call.at, 1) for call in calls), ((call.at + call.seconds, -1) for call in calls)))
    used = cell = 0
    for at, change in changes:
        here = min(cells - 1, int((at - work.begins) / CELL))
        for skipped in range(cell + 1, here + 1):
            highest[skipped] = used
        cell = here
        used += change
        highest[cell] = max(highest[cell], used)
    return highest


def oracle(site: Site, patience: int) -> Callable[[], None]:
    """The clairvoyant controller."""
    by_location = {name: loads(site.work, name) for name in site.work.platform.homes}
    return _Oracle(site, by_location, patience).step


class _Oracle:
    def __init__(self, site: Site, loads: Mapping[str, Sequence[int]], patience: int) -> None:
        self.site, self.loads, self.patience = site, loads, patience
        self.cells = min(map(len, loads.values()))
        self.size = site.work.platform

    def step(self) -> None:
        """Look once."""
        here = int((self.site.now - self.site.work.begins) / CELL)
        self._have_enough(here)
        self._have_no_more(here)
        self._stop_what_is_empty(here)

    def _closed(self) -> list[Node]:
        return [node for node in self.site.overflow if node.on and node.closed.now]

    def _shortage(self, first: int, last: int, closed: Sequence[Node]) -> int:
        """HD connections missing at worst in these cells, if these nodes are and stay closed."""
        ready = [node.ready_at for node in self.site.overflow if node.on and node not in closed]
        carried = {name: [0.0] for name in self.loads}  # when the calls of each location on closed nodes end
        for call in (call for node in closed for call in node.calls.values()):
            carried[call.location].append(call.at + call.seconds)
        worst = -self.size.always_on
        for cell in range(first, min(last + 1, self.cells)):
            begins = self.site.work.begins + CELL * cell
            beyond = sum(
                max(0, load[cell] - sum(end > begins + CELL for end in carried[name]) - self.size.homes[name])
                for name, load in self.loads.items()
            )
            worst = max(worst, beyond - self.size.node_hd * sum(at <= begins for at in ready))
        return worst

    def _have_enough(self, here: int) -> None:
        while (closed := self._closed()) and self._shortage(here, here + OPEN_AHEAD, closed) > 0:
            self.site.world.set_closed(max(closed, key=_last_end), closed=False, reason="")
        while self._shortage(here + BOOT_CELLS, here + START_AHEAD, closed := self._closed()) > _room(closed):
            off = next((node for node in self.site.overflow if not node.on), None)
            if off is None:
                return
            self.site.start(off)

    def _have_no_more(self, here: int) -> None:
        ready = [node for node in self.site.overflow if node.ready(self.site.now) and not node.closed.now]
        for node in sorted(ready, key=_last_end):
            if self._shortage(here, here + self.patience, [*self._closed(), node]) > 0:
                return
            self.site.world.set_closed(node, closed=True, reason="not needed")

    def _stop_what_is_empty(self, here: int) -> None:
        world = self.site.world
        for node in self._closed():
            spread = self.site.now - node.closed.changed_at >= world.switches.configuration_delay
            others = [other for other in self._closed() if other is not node]
            if spread and not node.calls and self._shortage(here, here + START_AHEAD, self._closed()) <= _room(others):
                world.power_off(node)
                world.set_closed(node, closed=False, reason="")


def _last_end(node: Node) -> float:
    return max((call.at + call.seconds for call in node.calls.values()), default=0.0)


def _room(nodes: Sequence[Node]) -> int:
    return sum(node.hd - len(node.calls) for node in nodes)
