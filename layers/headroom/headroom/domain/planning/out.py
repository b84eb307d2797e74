"""Nodes that a person has taken out: closed, emptied and stopped whatever is needed, and off until they are put back."""

from collections.abc import Iterator, Sequence

from headroom.domain.fleet.fleet import ON, Node, NodeState
from headroom.domain.fleet.lifecycle import Action, Hold
from headroom.domain.planning.less import why_not_witnessed, why_taken_back
from headroom.domain.planning.needs import Need
from headroom.domain.planning.plans import Change, Left
from headroom.domain.planning.situation import Situation


def taken_out(situation: Situation, needs: Sequence[Need]) -> Iterator[Change | Left]:
    """Yield what each node that is out and on needs next, or why it has to wait."""
    need_of = {need.location: need for need in needs}
    for node in situation.fleet.nodes:
        hold = situation.out.get(node.name)
        if hold is not None and node.state in ON:
            why = f"Taken out by {hold.by}: {hold.reason}"
            if why_taken_back(situation, node):
                yield Change(node=node.name, action=Action.STOP, reason=f"{why}; it has never come up")
            elif wait := _why_not_yet(situation, node, hold, need_of[node.location]):
                yield Left(node=node.name, reason=f"{why}; {wait}")
            elif node.worker.closed:
                yield Change(node=node.name, action=Action.STOP, reason=f"{why}; it is closed and looks empty")
            else:
                yield Change(node=node.name, action=Action.CLOSE, reason=why)


def _why_not_yet(situation: Situation, node: Node, hold: Hold, need: Need) -> str:
    """Say why nothing is done to a node now; empty if it is to be closed, or, once it is closed, stopped."""
    if situation.is_unread(node):
        return "what is remembered of it cannot be read, so it is left as it is"
    if claim := situation.claims.get(node.name):
        return f"the workflow {claim.token} is at work on it"
    if held := _held(situation, node):
        return f"it is held: {held.reason}; `headroom release {held.id}` ends that promise"
    return _why_not_stopped(situation, node) if node.worker.closed else _why_still_open(situation, node, hold, need)


def _why_not_stopped(situation: Situation, node: Node) -> str:
    if node.state is not NodeState.CLOSED:
        return f"it is {node.state}"
    if not node.looks_empty:
        return f"it is closed, and still carries {node.worker.carries}"
    wait = why_not_witnessed(situation, node)
    return wait[:1].lower() + wait[1:]


def _held(situation: Situation, node: Node) -> Hold | None:
    """Return the promise that keeps a node from being closed, as it names it, or, once it is closed, from being stopped."""
    here = (other for other in situation.fleet.nodes if other.location == node.location and other is not node)
    serving = sum(other.state is NodeState.SERVING for other in here)
    found = situation.commitments.holds_on(node.name, node.location, serving)
    return next((one for one in found if one.covers(situation.now) and (node.worker.closed or one.nodes)), None)


def _why_still_open(situation: Situation, node: Node, hold: Hold, need: Need) -> str:
    """Others take its place first, within the boot limit: what is short now is started or opened by the same plan."""
    load = situation.overflows[node.location]
    short = need.open_hd - load.free
    waited = situation.now - hold.begins
    if node.state is NodeState.SERVING and short > 0 and waited < situation.policy.boot_limit:
        return f"it stays open until others take its place: {short} HD connections are short without it ({need.reason})"
    return ""
