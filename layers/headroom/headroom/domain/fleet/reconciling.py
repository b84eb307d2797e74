"""Compare EC2, Pexip and the ledger: what the ledger missed, and how it is corrected."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from headroom.domain.fleet.fleet import Node, NodeState, Power
from headroom.domain.fleet.lifecycle import OURS_FOR, Commitments, Memory, was_ours

OVERDUE = timedelta(minutes=5)  # after the end of its lease a workflow that nobody relieved may be merely slow
MESSAGE_TAKES = timedelta(minutes=2)  # until EC2's message of a change of state has been written down


class Found(StrEnum):
    """What was found, in an operator's words."""

    NO_LIFETIME = "running with no lifetime"
    NO_INSTANCE = "lifetime with no instance"
    CLOSED = "closed, but not in the ledger"
    OPEN = "closed in the ledger, but open"
    NO_WORKFLOW = "claimed by nobody"
    SERVES = "serves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not fit; `what` is empty where it is no surprise, and only has to be written down."""

    found: Found
    node: str
    launched_at: datetime | None = None  # of the lifetime that is missing, or was left open
    hd: int = 0
    by_others: bool = False  # somebody else started or stopped the instance just now
    what: str = ""
    advice: str = ""


def reconcile(
    nodes: Sequence[Node], commitments: Commitments, now: datetime, *, is_read: bool = True
) -> Iterator[Finding]:
    """Compare what is there with what is remembered; `is_read` says that EC2 has told what is there."""
    memories = {memory.node: memory for memory in commitments.memories}
    if is_read:
        there = {node.name for node in nodes}
        for memory in commitments.memories:
            if memory.lifetime and memory.node not in there:
                yield _left_open(memory, memory.lifetime, now)
        for node in nodes:
            memory = memories.get(node.name) or Memory(node=node.name)
            yield from _lifetimes(node, memory, now)
            yield from _openness(node, memory)
            if node.state is NodeState.SERVING and (memory.hd != node.hd or memory.given_up_at):
                yield Finding(found=Found.SERVES, node=node.name, hd=node.hd)
    for memory in commitments.memories:
        if memory.claim and memory.claim.until + OVERDUE <= now:
            yield Finding(
                found=Found.NO_WORKFLOW,
                node=memory.node,
                what=f"The workflow {memory.claim.token} on {memory.node} ended without a word",
                advice="Its claim is taken back and the next plan decides anew. The execution's history says what happened.",
            )


def _lifetimes(node: Node, memory: Memory, now: datetime) -> Iterator[Finding]:
    """Whoever switched a node on or off, its lifetimes shall be right."""
    launched_at = node.instance.launched_at
    is_on = node.instance.power in {Power.PENDING, Power.RUNNING}
    is_off = not is_on and node.state is not NodeState.STOPPING
    was_written = memory.stopped_at is not None and memory.stopped_at >= launched_at
    goes_down = node.state is NodeState.STOPPING and not was_written  # its launch is still to be seen, for a minute
    is_seen = is_on or goes_down
    if memory.lifetime and (is_off or (is_seen and memory.lifetime != launched_at)):
        yield _left_open(memory, memory.lifetime, now)
    if is_seen and memory.lifetime != launched_at:
        unseen = now - launched_at > MESSAGE_TAKES
        by_others = now - launched_at < OURS_FOR and not was_ours(memory.start_asked_at, launched_at)
        yield Finding(
            found=Found.NO_LIFETIME,
            node=node.name,
            launched_at=launched_at,
            by_others=by_others,
            what=f"{node.name} runs since {launched_at:%H:%M} UTC and nobody wrote it down" if unseen else "",
            advice="Its lifetime is written now; who started it is not known.",
        )


def _left_open(memory: Memory, launched_at: datetime, now: datetime) -> Finding:
    ours = was_ours(memory.stop_asked_at, now)
    return Finding(
        found=Found.NO_INSTANCE,
        node=memory.node,
        launched_at=launched_at,
        by_others=not ours,
        what="" if ours else f"{memory.node} is off, and nobody wrote down that it stopped",
        advice="Its lifetime ends now in the ledger. Calls on it were cut unless it was empty: ask who stopped it.",
    )


def _openness(node: Node, memory: Memory) -> Iterator[Finding]:
    """What a person opened or closed while no workflow was at work there."""
    if memory.claim is not None:
        return
    if node.closed_by_us and memory.closed_at is None:
        yield Finding(found=Found.CLOSED, node=node.name)
    elif not node.worker.closed and memory.closed_at:
        yield Finding(found=Found.OPEN, node=node.name)
