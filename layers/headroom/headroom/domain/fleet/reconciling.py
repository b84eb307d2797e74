"""Compare EC2, Pexip and the ledger: what the ledger missed, and how it is corrected."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from headroom.domain.fleet.fleet import Node, NodeState, Power
from headroom.domain.fleet.lifecycle import OURS_FOR, Commitments, Memory, was_ours

OVERDUE = timedelta(minutes=5)  # a workflow may only be slow until this long after its lease ended
MESSAGE_TAKES = timedelta(minutes=2)  # until EC2's message about a state change has been recorded


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
    """One difference. `what` is empty if it is expected and only has to be recorded; otherwise it is shown as an issue."""

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
    """Compare the nodes with what the ledger remembers; `is_read` says that EC2 could be read."""
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
                what=f"The workflow {memory.claim.token} on {memory.node} ended without a result",
                advice="Headroom frees its claim, and the next plan decides again. See the execution in Step Functions.",
            )


def _lifetimes(node: Node, memory: Memory, now: datetime) -> Iterator[Finding]:
    """Yield what corrects a node's lifetimes, no matter who switched it on or off."""
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
            what=f"{node.name} has run since {launched_at:%H:%M} UTC, but the ledger missed it" if unseen else "",
            advice="Headroom records its lifetime now. It is not known who started it.",
        )


def _left_open(memory: Memory, launched_at: datetime, now: datetime) -> Finding:
    ours = was_ours(memory.stop_asked_at, now)
    return Finding(
        found=Found.NO_INSTANCE,
        node=memory.node,
        launched_at=launched_at,
        by_others=not ours,
        what="" if ours else f"{memory.node} is off, but the ledger missed its stop",
        advice="Headroom ends its lifetime in the ledger now. If it carried calls, they were cut: find out who stopped it.",
    )


def _openness(node: Node, memory: Memory) -> Iterator[Finding]:
    """Yield a finding if a person opened or closed the node while no workflow had the claim."""
    if memory.claim is not None:
        return
    if node.closed_by_us and memory.closed_at is None:
        yield Finding(found=Found.CLOSED, node=node.name)
    elif not node.worker.closed and memory.closed_at:
        yield Finding(found=Found.OPEN, node=node.name)
