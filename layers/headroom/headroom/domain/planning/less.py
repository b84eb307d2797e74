"""Where less is needed: stop closed nodes that look empty, close nodes that are not needed, and say why others stay on."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from math import ceil

from headroom.domain.fleet.fleet import ON, Node, NodeState
from headroom.domain.fleet.home import AWAITED
from headroom.domain.fleet.lifecycle import Action, many
from headroom.domain.fleet.limits import minimum_lifetime
from headroom.domain.planning.needs import Need
from headroom.domain.planning.plans import Change, Left
from headroom.domain.planning.situation import Situation
from headroom.domain.safety.safety import gap, why_clocks_differ, witnessed_at

HOUR, TRYING = timedelta(hours=1), timedelta(minutes=5)


def less(situation: Situation, need: Need) -> Iterator[Change | Left]:
    """Yield which nodes of a location to stop or close, and for each other node why it stays."""
    yield from _stops(situation, need)
    yield from _closes(situation, need)


def _why_unsettled(situation: Situation, location: str) -> str:
    """Say why nothing is taken away beside a home that has lost something lately: what dials again, or moves back, comes late."""
    home = situation.unsettled(location)
    if home is None or home.missed_at is None:
        return ""
    until = situation.policy.on_the_clock(home.missed_at + AWAITED)
    if home.left < home.nodes:
        return f"{home.location} has lost always-on nodes, so nothing is closed or stopped before {until}"
    return f"{home.location} had lost always-on nodes and is only just whole again: nothing is closed or stopped before {until}"


def _stops(situation: Situation, need: Need) -> Iterator[Change | Left]:
    """Stop closed nodes that look empty, as long as what is left covers keep_hd; `retire_node` proves them empty."""
    load = situation.overflows[need.location]
    left = load.free + load.coming + load.reserve
    for node in situation.nodes[need.location]:
        if node.state is not NodeState.CLOSED:
            continue
        if why := _why_not_stopped(situation, need, node, left - node.room):
            yield Left(node=node.name, reason=why)
            continue
        left -= node.room
        yield Change(
            node=node.name,
            action=Action.STOP,
            reason=f"It is closed and looks empty; {left} HD connections stay in {need.location}, "
            + (f"{need.keep_hd} are needed ({need.why_kept})" if need.keep_hd else "none are needed"),
        )


def hung(situation: Situation, need: Need) -> Iterator[Change]:
    """Take back closed nodes that Headroom started and Pexip has never heard from; `retire_node` proves them empty."""
    for node in situation.nodes[need.location]:
        if reason := why_taken_back(situation, node):
            yield Change(node=node.name, action=Action.STOP, reason=reason)


def why_taken_back(situation: Situation, node: Node) -> str:
    """Say why a closed node that never came up is to be stopped now; empty if it is not."""
    since = situation.hung_since(node)
    if (
        since is None
        or not node.worker.closed
        or node.name in situation.claims
        or why_not_witnessed(situation, node)
        or not _is_tried_again(situation, node)
    ):
        return ""
    started = situation.policy.on_the_clock(since)
    return f"It was started at {started}, and Pexip has never heard from it; it is stopped, and tried again later"


def _is_tried_again(situation: Situation, node: Node) -> bool:
    """Say whether to try again to stop a start that hangs, once an hour: what it has sent since its launch stays sent."""
    refused = situation.memory(node).refused_since
    return refused is None or (situation.now - refused) % HOUR < TRYING


def _why_not_stopped(situation: Situation, need: Need, node: Node, without: int) -> str:
    """Say why a closed node is not stopped; `without` is what would be left of its location without it."""
    if situation.is_coming(node):
        return "It is being opened"
    if why := _why_kept(situation, need, node):
        return why
    off = situation.reading.clock_off
    if off is not None and (differ := why_clocks_differ(off)):
        return f"{differ}, so nobody can tell how long it has been empty"
    if not node.looks_empty:
        return f"It is closed, and still carries {node.worker.carries}"
    if without < need.keep_hd:
        return (
            f"It is kept as a reserve: without it {need.location} would have {without} HD connections, but "
            f"{need.keep_hd} are needed ({need.why_kept})"
        )
    return (
        _why_unsettled(situation, need.location)
        or _why_too_young(situation, node)
        or why_not_witnessed(situation, node)
    )


def _why_kept(situation: Situation, need: Need, node: Node) -> str:
    if node.name in need.names:
        return f"It is held: {situation.held.reason(node.name)}"
    if situation.is_unread(node):
        return "What is remembered of it cannot be read, so it is left as it is: see `headroom issues`"
    claim = situation.claims.get(node.name)
    return f"The workflow {claim.token} is at work on it" if claim else ""


def _why_too_young(situation: Situation, node: Node) -> str:
    until = node.instance.launched_at + minimum_lifetime(situation.policy, situation.reading)
    clock_of = situation.policy.on_the_clock
    return f"Its minimum lifetime lasts until {clock_of(until)}" if situation.now < until else ""


def why_not_witnessed(situation: Situation, node: Node) -> str:
    """Say why a retirement has to wait: EC2's NetworkOut figure would not be there by the second look."""
    closed_at, replication = situation.memory(node).closed_at, situation.policy.replication
    if closed_at is None:
        return ""
    witnessed = witnessed_at(closed_at, replication)
    if situation.now + gap(replication) >= witnessed:
        return ""
    return f"It is closed and looks empty; its NetworkOut figure is due by {situation.policy.on_the_clock(witnessed)}"


def _why_not_calm(situation: Situation, location: str) -> str:
    if not situation.wanted_more_lately(location):
        return ""
    minutes = f"{situation.policy.calm_before_closing.total_seconds() / 60:g} min"
    return f"{location} needed more within the last {minutes}, so nothing is closed"


def _closes(situation: Situation, need: Need) -> Iterator[Change | Left]:
    """Close the emptiest nodes first, as long as what stays open is enough and a little more."""
    serving = [node for node in situation.nodes[need.location] if node.state is NodeState.SERVING]
    open_nodes = [node for node in serving if not situation.is_leaving(node)]
    yield from (
        Left(node=node.name, reason=_why_kept(situation, need, node)) for node in serving if node not in open_nodes
    )
    if why_none := _why_unsettled(situation, need.location) or _why_not_calm(situation, need.location):
        yield from (Left(node=node.name, reason=why_none) for node in open_nodes)
        return
    free = sum(node.free for node in open_nodes)
    left, closed, why_no_fuller = len(open_nodes), 0, ""
    for node in sorted(open_nodes, key=lambda node: (node.used, node.hd, node.name)):
        if why_no_fuller:  # it would take longer to become empty
            yield Left(node=node.name, reason=why_no_fuller)
        elif why := _why_enough_only_with(situation, need, node, free, left, closed):
            why_no_fuller = f"{node.name} is no fuller and would be closed first, but stays open: {why}"
            yield Left(node=node.name, reason=why)
        elif why := _why_kept(situation, need, node) or _why_too_young(situation, node):
            yield Left(node=node.name, reason=why)
        else:
            free, left, closed = free - node.free, left - 1, closed + 1
            wanted = f"{need.keep_open_hd} are needed" if need.keep_open_hd else "none are needed"
            why = need.why_kept if need.keep_open_hd else need.reason
            yield Change(
                node=node.name,
                action=Action.CLOSE,
                reason=f"Without it {free} HD connections stay free in {node.location}, {wanted} ({why})",
            )


def _why_enough_only_with(situation: Situation, need: Need, node: Node, free: int, left: int, closed: int) -> str:
    """Say why neither this open node nor a fuller one can be closed; `free`, `left` and `closed` count so far."""
    policy = situation.policy
    margin = policy.hysteresis + situation.prospects.leavers_of(node)
    keep = need.keep_open_hd + margin if need.keep_open_hd else 0
    if free - node.free < keep:
        return (
            f"Without it {free - node.free} HD connections would stay free in {node.location}, but {ceil(keep)} are needed "
            f"({need.why_kept})"
        )
    if left <= need.nodes:
        serve = "serves" if left == 1 else "serve"
        return f"{many(left)} {serve} in {node.location}, and a hold asks for at least as many ({need.reason})"
    return f"One plan closes at most {closed} nodes" if closed >= policy.max_closes_per_plan else ""


def left_as_they_are(
    situation: Situation, needs: Sequence[Need], changed: set[str], wanted: set[str], why: Mapping[str, str]
) -> Iterator[Left]:
    """Yield every node that is on and not changed, with the reason.

    `wanted` names those whose change is put off, `why` holds what was found while changes were looked for.
    """
    short = {need.location: need for need in needs}
    for node in situation.fleet.nodes:
        if node.state in ON and node.name not in changed:
            reason = _why_by_its_state(situation, node) or situation.may.why_not_taken_away
            if not reason and node.name in wanted:
                reason = "This plan has reached its limit of changes; a later plan changes this node"
            reason = reason or why.get(node.name) or f"More is needed in {node.location}: {short[node.location].reason}"
            yield Left(node=node.name, reason=reason)


def _why_by_its_state(situation: Situation, node: Node) -> str:
    match node.state:
        case NodeState.STARTING:
            return f"It has been booting since {situation.policy.on_the_clock(node.instance.launched_at)}"
        case NodeState.LATE:
            return "It is on but does not serve, so Pexip cannot confirm that it is empty"
        case NodeState.OPENING:
            return "It is being opened"
        case NodeState.CLOSED_BY_OTHERS:
            return (
                f"It is in maintenance mode, but not by Headroom ({node.worker.maintenance_mode_reason or 'no reason'})"
            )
        case NodeState.UPGRADING:
            return f"Pexip is upgrading it ({node.worker.upgrade_status})"
    return ""
