"""Compare EC2, Pexip and the ledger: what the ledger missed, and how it is corrected."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from headroom.domain.fleet.fleet import ON, Instance, Node, NodeState, Power, is_up_since
from headroom.domain.fleet.lifecycle import OURS_FOR, Commitments, Life, Memory, was_ours

OVERDUE = timedelta(minutes=5)  # a workflow may only be slow until this long after its lease ended
MESSAGE_TAKES = timedelta(minutes=2)  # until EC2's message about a state change has been recorded


_OR_UNSEEN = ", or its instance is gone or has lost its pexip-cloud tag"


class Found(StrEnum):
    """What was found, in an operator's words."""

    NO_LIFETIME = "running with no lifetime"
    NO_INSTANCE = "lifetime with no instance"
    CLOSED = "closed, but not in the ledger"
    OPEN = "closed in the ledger, but open"
    NO_WORKFLOW = "claimed by nobody"
    SERVES = "serves"
    UP = "has come up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference. `what` is empty if it is expected and only has to be recorded; otherwise it is shown as an issue."""

    found: Found
    node: str
    life: Life | None = None  # the lifetime that is missing, or was left open
    hd: int = 0
    by_others: bool = False  # somebody else started or stopped the instance just now
    what: str = ""
    advice: str = ""


def reconcile(
    nodes: Sequence[Node],
    commitments: Commitments,
    now: datetime,
    *,
    instances: Sequence[Instance] = (),
    is_read: bool = True,
) -> Iterator[Finding]:
    """Compare the nodes, and the tagged `instances`, with what the ledger remembers; `is_read` says that EC2 could be read.

    Of a node whose memory cannot be read only its lifetimes are compared, as they are its instances'; who switched those is not
    known then. While no lifetime can be read, none is missing.
    """
    for finding in _compared(nodes, commitments, now, instances, is_read=is_read):
        if finding.found is Found.NO_LIFETIME and not commitments.knows_lives:
            continue
        if finding.node not in commitments.unread_nodes:
            yield finding
        elif finding.life:
            yield replace(finding, by_others=False)


def _compared(
    nodes: Sequence[Node], commitments: Commitments, now: datetime, instances: Sequence[Instance], *, is_read: bool
) -> Iterator[Finding]:
    memories = {memory.node: memory for memory in commitments.memories}
    if is_read:
        lives = commitments.all_lives
        yield from _lives_left_open(nodes, instances, lives, memories, now)
        for node in nodes:
            memory = memories.get(node.name) or Memory(node=node.name)
            yield from _unseen_life(node, memory, lives, now)
            yield from _openness(node, memory)
            if _has_come_up(node, memory):
                yield Finding(found=Found.UP, node=node.name)
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


def _has_come_up(node: Node, memory: Memory) -> bool:
    """Say whether this reading is the first since its launch that shows the node up, whatever else it shows."""
    launched = node.instance.launched_at
    is_on = node.state in ON and is_up_since(node.worker.boot_time, launched)
    return is_on and (memory.up_at is None or memory.up_at < launched)


def _is_written(memory: Memory, instance: Instance) -> bool:
    """Say whether the stop of an instance that still goes down was heard of already."""
    return memory.stopped_at is not None and memory.stopped_at >= instance.launched_at


def _lives_left_open(
    nodes: Sequence[Node],
    instances: Sequence[Instance],
    lives: Sequence[Life],
    memories: Mapping[str, Memory],
    now: datetime,
) -> Iterator[Finding]:
    """Yield the lifetimes whose instance is off, gone or started anew, whatever its node is called by now."""
    by_id = {each.id: each for each in (*instances, *(node.instance for node in nodes))}
    name_of = {node.instance.id: node.name for node in nodes}
    by_name = {node.name: node.instance for node in nodes}
    for life in lives:
        instance = by_id.get(life.instance) if life.instance else by_name.get(life.node)
        name = name_of.get(instance.id, life.node) if instance else life.node
        memory = memories.get(name) or Memory(node=name)
        if instance is None or _is_over(life, instance, memory):
            asked = (each.stop_asked_at for each in (memory, memories.get(life.node)) if each)
            ours = any(was_ours(at, now) for at in asked)
            yield Finding(
                found=Found.NO_INSTANCE,
                node=name,
                life=life,
                by_others=not ours,
                what="" if ours else f"{name} is off{'' if instance else _OR_UNSEEN}, but the ledger missed its stop",
                advice="Headroom ends its lifetime in the ledger now. If it carried calls, they were cut: find out who stopped "
                "it.",
            )


def _is_over(life: Life, instance: Instance, memory: Memory) -> bool:
    """Say whether an instance is off, or was launched again since."""
    match instance.power:
        case Power.STOPPED | Power.TERMINATED:
            return True
        case Power.STOPPING | Power.SHUTTING_DOWN:
            return life.launched_at != instance.launched_at and not _is_written(memory, instance)
        case _:
            return life.launched_at != instance.launched_at


def _unseen_life(node: Node, memory: Memory, lives: Sequence[Life], now: datetime) -> Iterator[Finding]:
    """Yield that a node is on and has no lifetime, no matter who switched it on."""
    instance = node.instance
    is_on = instance.power in {Power.PENDING, Power.RUNNING}
    # What goes down can be seen for a minute
    is_seen = is_on or (node.state is NodeState.STOPPING and not _is_written(memory, instance))
    its = [life for life in lives if life.is_of(instance, node.name) and life.launched_at == instance.launched_at]
    if not is_seen or any(life.instance for life in its):
        return
    known = bool(its)  # as version 0.1 kept it
    unseen = now - instance.launched_at > MESSAGE_TAKES and not known
    by_others = now - instance.launched_at < OURS_FOR and not was_ours(memory.start_asked_at, instance.launched_at)
    yield Finding(
        found=Found.NO_LIFETIME,
        node=node.name,
        life=Life(instance=instance.id, node=node.name, launched_at=instance.launched_at),
        by_others=by_others and not known,
        what=f"{node.name} has run since {instance.launched_at:%H:%M} UTC, but the ledger missed it" if unseen else "",
        advice="Headroom records its lifetime now. It is not known who started it.",
    )


def _openness(node: Node, memory: Memory) -> Iterator[Finding]:
    """Yield a finding if a person opened or closed the node while no workflow had the claim."""
    if memory.claim is not None:
        return
    if node.closed_by_us and memory.closed_at is None:
        yield Finding(found=Found.CLOSED, node=node.name)
    elif not node.worker.closed and memory.closed_at:
        yield Finding(found=Found.OPEN, node=node.name)
