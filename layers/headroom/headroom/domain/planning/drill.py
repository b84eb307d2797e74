"""Boot drills: every node that is off is proved bootable now and then, at a quiet time, one at a time, and closed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from headroom.domain.fleet.fleet import ON, Node, NodeState
from headroom.domain.fleet.lifecycle import Action
from headroom.domain.planning.more import can_start
from headroom.domain.planning.needs import Need
from headroom.domain.planning.plans import Change
from headroom.domain.planning.situation import Situation
from headroom.domain.policy import Mode

QUIET = 0.5  # share of a home that may be in use, now and in the next AHEAD by past weeks
AHEAD = timedelta(minutes=70)
NIGHT = range(1, 5)  # hours that count as quiet where no past week is known
EARLY = 0.75  # share of BootDrillDays after which a node is due: a quiet time has to come first
AGAIN = timedelta(days=1)  # between a start that failed and the next drill
NEVER = datetime.min.replace(tzinfo=UTC)
OUT_OF_THE_WAY = {NodeState.LATE, NodeState.CLOSED_BY_OTHERS, NodeState.UPGRADING}  # on, and no drill of Headroom's


def drill(situation: Situation, needs: Sequence[Need]) -> Iterator[Change]:
    """Yield the start of the node that is to be proved next, if the time is quiet and nothing could need it.

    It comes up closed, and is stopped as any other node that is not needed.
    """
    policy = situation.policy
    if not policy.boot_drill or policy.mode is not Mode.CONTROL or not situation.may.take_away:
        return
    due = [node for node in situation.fleet.nodes if _is_due(situation, node)]
    if due and _is_quiet(situation, needs):
        node = min(due, key=lambda node: (not _is_late(situation, node), node.hd, _proved(situation, node), node.name))
        proved = situation.memory(node).up_at
        last = f"it last came up on {policy.on_the_day(proved)}" if proved else "nobody has seen it come up yet"
        yield Change(
            node=node.name,
            action=Action.START_CLOSED,
            reason=f"A boot drill: {last}; it comes up closed, and is stopped again when it was seen",
        )


def _is_quiet(situation: Situation, needs: Sequence[Need]) -> bool:
    """Say whether nothing asks for capacity, nothing is promised soon, and every home is, and stays, at most half full."""
    if any(node.state in ON - OUT_OF_THE_WAY or node.state is NodeState.STOPPING for node in situation.fleet.nodes):
        return False  # one at a time, and never beside nodes that are needed
    if situation.claims or any(need.rule != "none" or need.keep_hd or need.keep_open_hd for need in needs):
        return False
    if any(hold.begins - situation.now < AHEAD for hold in situation.commitments.holds if not hold.out):
        return False
    return all(_has_room(situation, name) for name in situation.principals if situation.overflow_of.get(name))


def _has_room(situation: Situation, name: str) -> bool:
    load, usual = situation.principals[name], situation.prospects.usual_peak(name, AHEAD)
    if usual is None:
        is_night = situation.now.astimezone(ZoneInfo(situation.policy.zone)).hour in NIGHT
        usual = 0.0 if is_night else float(load.hd)
    return max(load.used, usual) < QUIET * load.hd and not situation.unsettled(situation.overflow_of[name] or "")


def _is_due(situation: Situation, node: Node) -> bool:
    failed_at = situation.memory(node).failed_at
    tried = failed_at is not None and situation.now - failed_at < AGAIN
    is_old = situation.now - _proved(situation, node) >= EARLY * situation.policy.boot_drill
    has_home = bool(situation.prospects.sources_of(node.location))  # else nobody knows when its time is quiet
    return is_old and not tried and has_home and can_start(situation, node)


def _is_late(situation: Situation, node: Node) -> bool:
    return situation.now - _proved(situation, node) >= situation.policy.boot_drill


def _proved(situation: Situation, node: Node) -> datetime:
    return situation.memory(node).up_at or NEVER
