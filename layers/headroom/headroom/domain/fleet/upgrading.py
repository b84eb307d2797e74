"""An upgrade of the platform, which upgrades the nodes that are on: whether it is over, and else what it waits for."""

from collections.abc import Iterable, Iterator

from headroom.domain.fleet.fleet import Reading, is_in_step
from headroom.domain.texts import listed


def what_is_left(reading: Reading, nodes: Iterable[str], before: str) -> str:
    """Say what an upgrade waits for first; empty when it is over.

    `before` is the version that the Management Node had, `nodes` are those that have to have its new one.
    """
    return next(_left(reading, sorted(nodes), before), "")


def _left(reading: Reading, nodes: list[str], before: str) -> Iterator[str]:
    if reading.upgrading:
        yield "the Management Node is being upgraded"
    if not reading.version:
        yield "Pexip does not say which version the Management Node has"
    if reading.version == before:
        yield f"the Management Node still has version {before}"
    workers = {worker.name: worker for worker in reading.workers}
    if missing := [name for name in nodes if name not in workers]:
        yield f"Pexip does not show {listed(missing)}"
    ours = [workers[name] for name in nodes if name in workers]
    if busy := [worker.name for worker in ours if worker.upgrading]:
        yield f"{len(busy)} of {len(ours)} nodes are being upgraded: {listed(busy)}"
    if old := [
        f"{worker.name} ({worker.version or 'unknown'})" for worker in ours if worker.version != reading.version
    ]:
        yield f"{len(old)} of {len(ours)} nodes have another version than {reading.version}: {listed(old)}"
    if out := [worker.name for worker in ours if not is_in_step(worker.sync_status)]:
        yield f"{listed(out)} {'is' if len(out) == 1 else 'are'} not in sync yet"
