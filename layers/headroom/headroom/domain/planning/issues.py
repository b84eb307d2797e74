"""What an operator should know, with what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import ceil

from headroom.domain.demand.calibration import SOURCES, in_words
from headroom.domain.fleet.fleet import ON, Node, NodeState, Source, needs_its_address
from headroom.domain.fleet.lifecycle import MOST_HUNG, Record, Wanted
from headroom.domain.fleet.limits import unknown
from headroom.domain.fleet.load import turned_away
from headroom.domain.fleet.reconciling import reconcile
from headroom.domain.fleet.signature import unsigned
from headroom.domain.planning.situation import Situation
from headroom.domain.policy import Mode
from headroom.domain.safety.permission import others_close, others_switch, unsure
from headroom.domain.safety.safety import why_clocks_differ

MINUTE = timedelta(minutes=1)
TOO_LONG = timedelta(minutes=30)
OWN = {"bursting_threshold": "Threshold", "bursting_min_lifetime": "MinimumLifetimeMinutes"}  # parameters
IF_UNREAD = {
    Record.NODE: "Headroom leaves {name} as it is until its record is written anew, with `headroom start {name}` or "
    "`headroom open {name}`. All other nodes are planned as usual.",
    Record.PROMISE: "Nothing is closed or stopped meanwhile, as any node may be promised. Make the promise anew with "
    "`headroom hold`, and end what cannot be read with `headroom release {name}`.",
    Record.LIFETIME: "The history may lack the end of that lifetime. Everything else goes on.",
    Record.PLAN: "Headroom plans on as if it had just been installed: what it knew of the last minutes' load is missing. "
    "`headroom verify` shows where the chain of plans continues.",
}
FORECASTS, OFF = 500, 0.01  # in a week, to judge them; how much less often than said they may hold
MISLEADING = {
    "bookings": "Look whether the calendar still says what takes place: `headroom why` shows what is booked.",
    "profile": "Nothing need be done: new days are learned every night, and old ones forgotten.",
    "trend": "Nothing need be done: it asks for less until it is right again.",
}
IF_NONE_IS_READ = {
    Record.PROMISE: "Nothing is closed or stopped meanwhile, as any node may be promised; no promise is kept. Headroom tries "
    "again every minute.",
    Record.LIFETIME: "The history may lack ends of lifetimes. Headroom tries again every minute, and everything else goes on.",
}


class Trouble(StrEnum):
    """The kind of an issue. Two issues of the same kind and `about` are the same issue at two times."""

    NO_NEWS = "no news"
    PAUSED = "paused"
    TWO_CONTROLLERS = "two controllers"
    INCOMPLETE = "incomplete answer"
    MISFIT = "misfit"
    NO_NODES = "no nodes"
    HOME_LOST = "home lost"
    NOT_COUNTED = "not counted"
    TURNED_AWAY = "calls turned away"
    FORECAST_WRONG = "forecasts hold less often than they say"
    MISLEADS = "a source misleads"
    NOT_ENOUGH = "not enough nodes"
    PROMISE_SHORT = "promise short"
    NOT_WRITTEN_DOWN = "not written down"
    DOES_NOT_SERVE = "does not serve"
    HANGS = "hangs at every start"
    DID_NOT_START = "did not come up at its last start"
    NOT_PROVED = "has not come up for long"
    CLOSED_BY_OTHERS = "closed by others"
    LEFT_CLOSED = "left closed"
    DATABASE = "distributed database"
    STUCK = "stuck"
    UPGRADED = "being upgraded"
    MOVED = "public address changed"
    CLOCKS = "clocks differ"
    UNREADABLE = "record unreadable"
    FOUND_AT_NIGHT = "found at night"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something an operator should know: what it is, and what to do. `about` is the node or location, if there is one."""

    what: str
    advice: str
    kind: Trouble = Trouble.OTHER
    about: str = ""

    @property
    def same(self) -> tuple[str, str]:
        """The issue's key; it stays the same while the numbers in its text change."""
        return self.kind, self.about or (self.what if self.kind in {Trouble.MISFIT, Trouble.INCOMPLETE} else "")


def issues_of(situation: Situation) -> Iterator[Issue]:
    """Yield what an operator should know, with what to do about it."""
    if situation.observation.unreachable:
        age = (situation.now - situation.reading.read_at).total_seconds() / 60
        source = situation.observation.silent
        yield Issue(
            kind=Trouble.NO_NEWS,
            about=source,
            what=f"No news from {source} for {age:.0f} min: {situation.observation.unreachable}",
            advice="Meanwhile Headroom closes and stops nothing. It starts nodes that are promised, "
            + (
                "and nodes for booked meetings and for what the same weekday of past weeks needed."
                if source is Source.PEXIP
                else "as soon as EC2 answers again."
            ),
        )
    yield from _issues_of_ourselves(situation)
    yield from _issues_of_the_reading(situation)
    for misfit in situation.fleet.misfits:
        yield Issue(kind=Trouble.MISFIT, what=misfit.what, advice=misfit.advice)
    if not situation.fleet.nodes and not situation.observation.unreachable:
        yield Issue(
            kind=Trouble.NO_NODES,
            what="There are no overflow nodes",
            advice="Tag the nodes' instances with pexip-cloud = the Management Node's hostname, as Pexip's guide says.",
        )
    for worker in situation.out_of_sight:
        if worker.is_being_changed:
            yield Issue(
                kind=Trouble.LEFT_CLOSED,
                about=worker.name,
                what=unsigned(worker.maintenance_mode_reason),
                advice="This is over when its workflow has ended. If that has failed, give the same command again: it goes on "
                "with what is there.",
            )
            continue
        yield Issue(
            kind=Trouble.LEFT_CLOSED,
            about=worker.name,
            what=f"{worker.name} is in maintenance mode in Headroom's name, but it is not one of the overflow nodes",
            advice="In control mode Headroom opens it, unless another stack of Headroom may have closed it; otherwise take it "
            "out of maintenance mode in Pexip. If it should be an overflow node, check its location, that location's primary "
            "overflow, and the tag of its instance.",
        )
    for finding in situation.observation.findings:
        yield Issue(kind=Trouble.FOUND_AT_NIGHT, about=finding.check, what=finding.evidence, advice=finding.advice)
    yield from _issues_of_homes(situation)
    yield from _issues_of_callers(situation)
    yield from _issues_of_forecasts(situation)
    for node in situation.fleet.nodes:
        yield from _issues_of_node(node)
        yield from _issues_of_starts(situation, node)
        yield from _issues_of_what_hangs(situation, node)
        if node.state is NodeState.CLOSED and situation.policy.mode is not Mode.CONTROL:
            yield Issue(
                kind=Trouble.LEFT_CLOSED,
                about=node.name,
                what=f"{node.name} was closed by Headroom, which opens no node by itself in {situation.policy.mode} mode",
                advice=f"Open it with `headroom open {node.name}`, or take it out of maintenance mode in Pexip.",
            )


def _issues_of_the_reading(situation: Situation) -> Iterator[Issue]:
    """Yield issues about what Pexip did not tell, and about what cannot be read of the ledger."""
    for unread in situation.commitments.unread:
        yield Issue(
            kind=Trouble.UNREADABLE,
            about=f"{unread.what} {unread.name}",
            what=f"The record of the {unread.what} {unread.name} cannot be read: {unread.why}"
            if unread.name
            else f"No record of a {unread.what} can be read: {unread.why}",
            advice=(IF_UNREAD[unread.what] if unread.name else IF_NONE_IS_READ[unread.what]).format(name=unread.name),
        )
    for problem in situation.reading.problems:
        yield Issue(
            kind=Trouble.INCOMPLETE, what=problem, advice="That part of Pexip's answer is left out of this plan."
        )
    if why := unsure(situation.reading):
        yield Issue(
            kind=Trouble.INCOMPLETE,
            what=why,
            advice="Headroom closes and stops nothing meanwhile, and starts nodes as ever.",
        )
    for name in unknown(situation.policy, situation.reading):
        value = getattr(situation.reading.settings, name)
        yield Issue(
            kind=Trouble.INCOMPLETE,
            what=f"Pexip does not tell its {name}",
            advice=f"Headroom takes Pexip's default, {value}. Set it in Pexip (Platform > Global settings), or deploy with "
            f"{OWN[name]}.",
        )
    if (off := situation.reading.clock_off) and (differ := why_clocks_differ(off)):
        yield Issue(
            kind=Trouble.CLOCKS,
            what=differ,
            advice="Headroom stops no node meanwhile, as it cannot tell how long a node has been empty. Check the NTP servers "
            "of the Management Node (System > NTP servers).",
        )


def _issues_of_ourselves(situation: Situation) -> Iterator[Issue]:
    """Yield issues about a pause, another controller, a wrong mode, and changes that the ledger missed."""
    if pause := situation.commitments.pause:
        by = f" by {pause.by}" if pause.by else ""
        ends = f"It ends by itself on {situation.policy.on_the_day(pause.until)}; end" if pause.until else "End"
        yield Issue(
            kind=Trouble.PAUSED,
            what=f"Headroom is paused{by}: {pause.reason}",
            advice="Headroom opens the nodes that it has closed. After that it "
            + ("only starts and opens nodes" if pause.still_starts else "changes nothing")
            + f". {ends} it now with `headroom resume`.",
        )
    if situation.may.other_stacks:
        yield Issue(
            kind=Trouble.TWO_CONTROLLERS,
            about="stack",
            what=others_close(situation.may.other_stacks),
            advice="Headroom closes and stops nothing meanwhile, and still starts nodes that are needed. Give the platform one "
            "stack. If the other one is gone, take its nodes out of maintenance mode in Pexip.",
        )
    if situation.may.switched_by_others:
        yield Issue(
            kind=Trouble.TWO_CONTROLLERS,
            what=others_switch(situation.may.switched_by_others),
            advice="Headroom closes and stops nothing until this has not happened for an hour. It still starts nodes that "
            "are needed. Find the other controller and switch it off.",
        )
    if situation.may.conflict:
        yield Issue(
            kind=Trouble.TWO_CONTROLLERS,
            about="mode",
            what=situation.may.conflict,
            advice="Meanwhile Headroom changes nothing and starts no node, even if capacity is needed. To change the mode "
            "and Pexip's setting together, use `headroom hand-over` or `headroom hand-back`.",
        )
    seen = situation.observation.instances
    found = reconcile(situation.fleet.nodes, situation.commitments, situation.now, instances=seen, is_read=bool(seen))
    for finding in found:
        if finding.what:
            yield Issue(kind=Trouble.NOT_WRITTEN_DOWN, about=finding.node, what=finding.what, advice=finding.advice)


def _issues_of_homes(situation: Situation) -> Iterator[Issue]:
    """Yield an issue for each principal location that has nothing left, and for each always-on node that offers nothing."""
    does = situation.may.frozen or "Headroom starts nodes for whoever dials again."
    if situation.policy.mode is Mode.OBSERVE:
        does = "In observe mode Headroom starts nothing."
    for load in situation.principals.values():
        if load.hd:
            continue
        name = load.location
        nodes = ", ".join(each.worker.name for each in situation.uncounted(name)) or "it has none any more"
        overflow = situation.overflow_of[name] or ""
        cover = situation.overflows.get(overflow)
        has = (
            f"{overflow} covers it: {cover.free} of {cover.hd} HD connections free, {cover.coming} coming"
            if cover
            else f"{overflow} has no overflow nodes, so nothing covers it"
        )
        yield Issue(
            kind=Trouble.HOME_LOST,
            about=name,
            what=f"{name} has no always-on node that can be counted on ({nodes}); {has}",
            advice=f"{does} Look at the always-on nodes in Pexip (Status > Alarms).",
        )
    for uncounted in situation.uncounted():
        yield Issue(
            kind=Trouble.NOT_COUNTED,
            about=uncounted.worker.name,
            what=f"{uncounted.worker.name} {uncounted.why}, so nothing is counted on there",
            advice=f"Headroom takes {uncounted.worker.location} to have that much less. Look at the node in Pexip.",
        )


def _issues_of_callers(situation: Situation) -> Iterator[Issue]:
    """Yield an issue for each principal location for which nothing is free anywhere, with an estimate of who was turned away."""
    if situation.may.stale:
        return
    for found in turned_away(situation.trail, situation.now):
        if found.full_since is None or not found.calls:
            continue
        name, calls = found.location, ceil(found.calls)
        since = situation.policy.on_the_clock(found.full_since)
        yield Issue(
            kind=Trouble.TURNED_AWAY,
            about=name,
            what=f"Nothing is free in {name} or {situation.overflow_of[name]} since {since}: "
            f"about {calls} calls were turned away so far (an estimate)",
            advice="`headroom nodes` says what is coming, and `headroom why` what each node waits for. Pexip's own count comes a "
            "quarter of an hour later, if its history records such calls.",
        )


def _issues_of_forecasts(situation: Situation) -> Iterator[Issue]:
    """Yield issues where forecasts held less often than they said in the last week, and where one source misled them."""
    outlooks = situation.prospects.outlooks
    for name, outlook in sorted((name, outlooks[name]) for name in situation.principals if name in outlooks):
        if outlook.held and outlook.held[0].told >= FORECASTS and outlook.held[0].held < outlook.held[0].sure - OFF:
            yield Issue(
                kind=Trouble.FORECAST_WRONG,
                about=name,
                what=f"Forecasts of {name} hold less often than they say: in the last week they {in_words(outlook.held)}",
                advice="They widen by themselves within days. If calls were turned away meanwhile, promise capacity for the rush "
                "with `headroom hold`, or raise CallTurnedAwayCost.",
            )
        believed = (
            ("bookings", outlook.trust.bookings),
            ("profile", outlook.trust.profile),
            ("trend", outlook.trust.trend),
        )
        for source, share in believed:
            if share < 1:
                yield Issue(
                    kind=Trouble.MISLEADS,
                    about=f"{name}, {SOURCES[source]}",
                    what=f"What {SOURCES[source]} say of {name} is believed by {100 * share:.0f} %: last week less came "
                    "than was said",
                    advice=MISLEADING[source],
                )


def _issues_of_what_hangs(situation: Situation, node: Node) -> Iterator[Issue]:
    """Yield issues about stops, openings and upgrades that take too long, and about changed addresses."""
    memory = situation.memory(node)
    refused = (situation.now - memory.refused_since) if memory.refused_since else timedelta()
    if refused >= TOO_LONG and memory.wanted is Wanted.OFF and node.state in ON:
        yield Issue(
            kind=Trouble.STUCK,
            about=node.name,
            what=f"{node.name} has not been needed for {refused / MINUTE:.0f} min, and cannot be stopped: "
            f"{memory.refused_why}",
            advice="This costs money, but harms no call. Headroom tries again every few minutes; docs/safety.md "
            "explains each rule.",
        )
    asked = memory.stop_asked_at
    if node.state is NodeState.STOPPING and asked and situation.now - asked >= TOO_LONG:
        yield Issue(
            kind=Trouble.STUCK,
            about=node.name,
            what=f"{node.name} has been stopping for {(situation.now - asked) / MINUTE:.0f} min",
            advice="It cannot be started until it has stopped. Look at it in EC2; there you can force-stop a stuck instance.",
        )
    if situation.hangs(node):
        yield Issue(
            kind=Trouble.STUCK,
            about=node.name,
            what=f"{node.name} is open in Pexip's configuration, but its status still says maintenance mode",
            advice="It does not count as capacity. Check its alarms and sync status in Pexip; restart it if it is not in sync.",
        )
    if node.state is NodeState.UPGRADING:
        yield Issue(
            kind=Trouble.UPGRADED,
            about=node.name,
            what=f"{node.name} is being upgraded by Pexip ({node.worker.upgrade_status})",
            advice="Headroom neither counts nor changes it until the upgrade ends. If that takes too long, look at it in Pexip.",
        )
    if node.closed_by_us and node.state in ON and needs_its_address(node.worker, node.instance):
        now, then = node.instance.public_ip, node.worker.static_nat_address
        yield Issue(
            kind=Trouble.MOVED,
            about=node.name,
            what=f"{node.name} has the public address {now}, but its static NAT address in Pexip is {then}",
            advice="It stays closed. Headroom corrects the address when it opens the node; while paused it does not.",
        )


def _issues_of_starts(situation: Situation, node: Node) -> Iterator[Issue]:
    """Yield an issue for a node that did not come up at its last start, hangs at every one, or could not be proved."""
    memory, drill = situation.memory(node), situation.policy.boot_drill
    awaits_drill = drill and situation.policy.mode is Mode.CONTROL and not (memory.is_doubtful or node.closed_by_others)
    if awaits_drill and memory.up_at and situation.now - memory.up_at > 2 * drill and node.state is NodeState.STOPPED:
        yield Issue(
            kind=Trouble.NOT_PROVED,
            about=node.name,
            what=f"{node.name} has not come up since {situation.policy.on_the_day(memory.up_at)}: no time was quiet enough for a "
            "boot drill",
            advice="Nobody knows whether it still boots. Start it once when few calls are in progress: "
            f"`headroom start {node.name}`. docs/policy.md, «Boot drills», says what counts as quiet.",
        )
    if memory.is_doubtful and memory.failed_at and node.state is NodeState.STOPPED and memory.hung < MOST_HUNG:
        why = "; ".join(filter(None, (memory.failed_why, memory.hung_why))) or "the history says why"
        yield Issue(
            kind=Trouble.DID_NOT_START,
            about=node.name,
            what=f"{node.name} did not come up at its last start, on {situation.policy.on_the_day(memory.failed_at)}: {why}",
            advice="It is started again where capacity is needed, but after all other nodes, and counts for less in promises. In "
            "control mode a boot drill tries it within a day or so. If it fails again, look at its console in EC2.",
        )
    if memory.hung >= MOST_HUNG:
        yield Issue(
            kind=Trouble.HANGS,
            about=node.name,
            what=f"{node.name} has hung at its last {memory.hung} starts, so Headroom starts it no more: "
            f"{memory.hung_why or 'EC2 was not asked why'}",
            advice=f"Look at its console in EC2. When it is mended, start it with `headroom start {node.name}`.",
        )


def _issues_of_node(node: Node) -> Iterator[Issue]:
    if node.state is NodeState.LATE:
        yield Issue(
            kind=Trouble.DOES_NOT_SERVE,
            about=node.name,
            what=f"{node.name} is on but does not serve",
            advice="It is not counted. If Headroom started it, Pexip has never heard from it and EC2 sees it send nothing, it is "
            "stopped after a while and tried again; else nobody can tell whether it is empty. Look at its console in EC2.",
        )
    if node.closed_by_others:
        why = node.worker.maintenance_mode_reason or "no reason given"
        yield Issue(
            kind=Trouble.CLOSED_BY_OTHERS,
            about=node.name,
            what=f"{node.name} is in maintenance mode, but not by Headroom ({why})",
            advice="Headroom leaves it alone. Take it out of maintenance mode to have it counted again.",
        )
    if node.worker.enable_distributed_database:
        yield Issue(
            kind=Trouble.DATABASE,
            about=node.name,
            what=f"{node.name} takes part in the distributed database",
            advice="Turn enable_distributed_database off for overflow nodes, as Pexip's guide says.",
        )
