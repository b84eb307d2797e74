"""What an operator should know, with what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass

from headroom.domain.fleet import Node, NodeState
from headroom.domain.policy import Mode
from headroom.domain.reconciling import reconcile
from headroom.domain.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something an operator should know: what it is, and what to do."""

    what: str
    advice: str


def issues_of(situation: Situation) -> Iterator[Issue]:
    """Yield what an operator should know, with what to do about it."""
    if situation.observation.unreachable:
        age = (situation.now - situation.reading.read_at).total_seconds() / 60
        source = "EC2" if situation.observation.unreachable.startswith("EC2") else "Pexip"
        yield Issue(
            what=f"No news from {source} for {age:.0f} min: {situation.observation.unreachable}",
            advice="Headroom holds still meanwhile: nothing is closed or stopped; only promised nodes are started.",
        )
    yield from _issues_of_ourselves(situation)
    for problem in situation.reading.problems:
        yield Issue(what=problem, advice="That part of Pexip's answer is left out of this plan.")
    for misfit in situation.fleet.misfits:
        yield Issue(what=misfit.what, advice=misfit.advice)
    if not situation.fleet.nodes and not situation.observation.unreachable:
        yield Issue(
            what="There are no overflow nodes",
            advice="Tag their instances with pexip-cloud = the Management Node's hostname, as Pexip's guide says.",
        )
    for node in situation.fleet.nodes:
        yield from _issues_of_node(node)
        if node.state is NodeState.CLOSED and situation.policy.mode is not Mode.CONTROL:
            yield Issue(
                what=f"{node.name} was closed by Headroom, which does not control it in {situation.policy.mode} mode",
                advice="Open it: run set_open by hand with open = true, or take it out of maintenance mode in Pexip.",
            )


def _issues_of_ourselves(situation: Situation) -> Iterator[Issue]:
    """What holds Headroom still, and what it had not written down."""
    if situation.pause:
        by = f" by {situation.pause.by}" if situation.pause.by else ""
        yield Issue(
            what=f"Headroom is paused{by}: {situation.pause.reason}",
            advice="It opens what it has closed and then "
            + ("only starts and opens" if situation.pause.still_starts else "changes nothing")
            + ". Resume with `headroom resume`.",
        )
    if situation.meddled_with:
        yield Issue(
            what=f"Somebody else starts and stops nodes, too: {', '.join(situation.meddled_with)}",
            advice="Headroom closes and stops nothing until an hour has passed without. Find the other controller and "
            "switch it off; Headroom goes on starting what is needed.",
        )
    is_read = bool(situation.observation.instances)
    for finding in reconcile(situation.fleet.nodes, situation.commitments, situation.now, is_read=is_read):
        if finding.what:
            yield Issue(what=finding.what, advice=finding.advice)


def _issues_of_node(node: Node) -> Iterator[Issue]:
    if node.state is NodeState.LATE:
        yield Issue(
            what=f"{node.name} is on but does not serve",
            advice="It is not counted and not stopped, as Pexip cannot say that it is empty. Look at its console.",
        )
    if node.closed_by_others:
        why = node.worker.maintenance_mode_reason or "no reason given"
        yield Issue(
            what=f"{node.name} is in maintenance mode, but not by Headroom ({why})",
            advice="Headroom leaves it alone. Take it out of maintenance mode to have it counted again.",
        )
    if node.worker.enable_distributed_database:
        yield Issue(
            what=f"{node.name} takes part in the distributed database",
            advice="Turn enable_distributed_database off for overflow nodes, as Pexip's guide says.",
        )
