"""Answers «may this instance be stopped now?»: all rules that keep the promise that a call is never cut.

Only the stop step of `retire_node` asks, and nothing else in Headroom may stop an instance. Each rule answers with
the reason why not; when none objects, the stop is allowed. Missing, stale or contradictory data is an objection.

A node that Headroom started and that Pexip has never heard from since has no status that could say that it is empty. It
has rules of its own: EC2's NetworkOut of every period since its launch must say that not even one call's sound left it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from headroom.domain.fleet.fleet import canonical, is_up_since
from headroom.domain.fleet.lifecycle import Claim, Hold, Wanted
from headroom.domain.fleet.signature import is_ours
from headroom.domain.policy import FRESH, Mode
from headroom.domain.safety.permission import others_close, others_switch

GAP = timedelta(seconds=120)  # least time between the two looks that find a node empty
SHOWN = timedelta(seconds=30)  # time until Pexip's status shows a call that was placed on a node
LOOK_AGE = timedelta(seconds=60)  # highest age of the second look when the instance is stopped
ASK_AGE = timedelta(seconds=10)  # the same of the last question: an opening takes longer to bring a call
CLOCKS = timedelta(seconds=3)  # how far two clocks may differ
MB = 1e6  # bytes
BOOTS_FOR = timedelta(minutes=10)  # after its launch an instance may send more, as it boots
QUIET_PERIODS = 3  # at least, of a node that has never come up
PERIOD = timedelta(minutes=5)  # of EC2's metrics with basic monitoring
PUBLISHED = timedelta(minutes=2)  # after its end a period usually has its figure by then; Headroom waits for later ones


def gap(replication: timedelta) -> timedelta:
    """Return the least time between two looks that find a node empty.

    Calls placed by nodes that had not yet learned of the closing at the first look are visible at the second.
    """
    return max(GAP, replication + SHOWN)


def next_period(since: datetime) -> datetime:
    """Return the beginning of the first CloudWatch period that starts then or later."""
    return since + (datetime.min.replace(tzinfo=since.tzinfo) - since) % PERIOD


def witnessed_from(closed_at: datetime, replication: timedelta) -> datetime:
    """Return the beginning of the first CloudWatch period that starts after the closing has reached every node."""
    return next_period(closed_at + replication)


def witnessed_at(closed_at: datetime, replication: timedelta) -> datetime:
    """Return when CloudWatch should have the first NetworkOut figure from after the closing."""
    return witnessed_from(closed_at, replication) + PERIOD + PUBLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyCheck:
    """One look at a node through complete, live lists; `complete` is False if any of them could not be read."""

    at: datetime
    address: str = ""  # of the node that was looked at, whose name or instance may be another's by now
    complete: bool
    listed: bool = False  # every list was read, and its configuration: all but its own status, which it may not have
    synced: bool
    boot_time: datetime | None
    closed: bool  # by its status, as is the reason
    closed_reason: str
    configured_closed: bool = False  # by its configuration, which changes before its status does
    configured_reason: str = ""
    shards: int
    media: int
    signalling: int
    proxied: int
    backplanes: int
    signaling_count: int
    registrations: int | None = None  # None where the switch does not ask for them
    alarm: str = ""  # what an alarm says that mentions the node, whatever it is about
    trouble: str = ""
    clock_off: float | None = None  # seconds by which the Management Node's clock was ahead, None if it did not say

    @property
    def carries(self) -> str:
        """What is on the node, in words; empty if nothing is."""
        counts = {
            "conferences": self.shards,
            "calls with their media here": self.media,
            "calls with their signalling here": max(self.signalling, self.signaling_count),
            "calls proxied here": self.proxied,
            "backplanes": self.backplanes,
            "registrations": self.registrations or 0,
        }
        return ", ".join(f"{what}: {count}" for what, count in counts.items() if count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The last question before a stop: what the node's live configuration said. `at` is before it was asked."""

    at: datetime
    closed: bool
    reason: str
    address: str = ""  # as in a look
    clock_off: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the rules of a stop are given."""

    now: datetime
    mode: Mode
    stack: str  # which closed the node, if Headroom did
    other_stacks: tuple[str, ...]  # of Headroom, on the same platform
    paused: str
    upgrading: bool
    conflict: str  # why the mode contradicts Pexip's own settings, empty if it does not
    switched_by_others: tuple[str, ...]
    tagged: bool
    addresses: frozenset[str]  # of the instance
    launched_at: datetime
    minimum_lifetime: timedelta
    replication: timedelta
    token: str
    claim: Claim | None
    wanted: Wanted | None
    planned_at: datetime | None
    holds: tuple[Hold, ...]
    promises_unread: str  # why any node may be on hold, empty if every promise can be read
    closed_at: datetime | None
    checks: tuple[EmptyCheck, ...]
    asked: Asked | None
    alarm: str  # by the newest reading, as are the next three
    reading_shows: str
    reading_says_open: bool  # its configuration, which changes before its status does
    reading_age: timedelta
    network_out: float | None  # bytes a minute since it was closed everywhere, None if EC2 has no figure of that yet
    idle_out: float  # bytes a minute that an empty node may send
    boot_limit: timedelta = timedelta(minutes=15)
    started_by_us: bool = False  # this launch is what Headroom had asked for
    heard_since: bool = True  # a reading since this launch has shown it up
    sent_since: tuple[float, ...] | None = (
        None  # bytes a minute of each period since it has booted, None if one is missing
    )

    @property
    def never_came_up(self) -> bool:
        """Whether no look has shown a boot since this launch."""
        return bool(self.checks) and not any(is_up_since(look.boot_time, self.launched_at) for look in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Allowed, or the reason why not."""

    allowed: bool
    reason: str


def may_stop(evidence: Evidence) -> Answer:
    """Answer whether the instance may be stopped now, with the first objection if not."""
    for rule in HUNG_RULES if evidence.never_came_up else RULES:
        objection = rule(evidence)
        if objection:
            return Answer(allowed=False, reason=objection)
    if evidence.never_came_up:
        return Answer(
            allowed=True, reason="Pexip has never heard from it since Headroom started it, and it sends nothing"
        )
    return Answer(allowed=True, reason="closed, found empty twice, and nothing needs it")


def _only_in_control(e: Evidence) -> str:
    return "" if e.mode is Mode.CONTROL else f"In {e.mode} mode Headroom stops no nodes"


def _only_one_controller(e: Evidence) -> str:
    return e.conflict or others_close(e.other_stacks) or others_switch(e.switched_by_others)


def _only_its_tagged_instance(e: Evidence) -> str:
    if any(canonical(each.address) not in e.addresses for each in (*e.checks, e.asked) if each):
        return "What was looked at has another address than its instance: names or addresses were changed meanwhile"
    return "" if e.tagged else "The instance does not carry the pexip-cloud tag"


def _not_while_paused(e: Evidence) -> str:
    return f"Headroom is paused: {e.paused}" if e.paused else ""


def _not_while_upgrading(e: Evidence) -> str:
    return "Pexip is being upgraded" if e.upgrading else ""


def _not_before_its_lifetime(e: Evidence) -> str:
    left = e.launched_at + e.minimum_lifetime - e.now
    return f"Its minimum lifetime lasts another {left.total_seconds() / 60:.0f} min" if left > timedelta() else ""


def _only_with_the_claim(e: Evidence) -> str:
    if e.claim is None or e.claim.token != e.token:
        return "Another workflow has the claim on this node"
    return "The claim on this node has expired" if not e.claim.runs(e.now) else ""


def _only_what_the_newest_plan_wants(e: Evidence) -> str:
    if e.wanted is not Wanted.OFF:
        return f"The newest plan wants it {e.wanted or 'as it is'}"
    if e.planned_at is None or e.now - e.planned_at > FRESH:
        return f"There is no plan newer than {FRESH.seconds} s"
    return ""


def _not_on_hold(e: Evidence) -> str:
    return e.promises_unread or next((f"It is held: {hold.reason}" for hold in e.holds if hold.covers(e.now)), "")


def _only_long_closed(e: Evidence) -> str:
    if e.closed_at and not all(look.closed and is_ours(look.closed_reason, e.stack) for look in e.checks):
        return "Pexip's status does not say that Headroom closed it"
    return _only_closed_in_its_configuration(e)


def _only_closed_in_its_configuration(e: Evidence) -> str:
    """All that can be asked of a node without a status: it is closed for the case that it comes up after all."""
    if e.closed_at is None:
        return "Headroom did not close it"
    if e.reading_says_open:
        return "Its configuration says that it is open"
    if not all(look.configured_closed and is_ours(look.configured_reason, e.stack) for look in e.checks):
        return "Its live configuration did not say at each look that Headroom closed it"
    first = min((look.at for look in e.checks), default=e.now)
    return "It was looked at before its closing had reached every node" if first < e.closed_at + e.replication else ""


def _not_opened_since(e: Evidence) -> str:
    if e.asked is None:
        return "Its live configuration was not asked for last of all"
    if not (e.asked.closed and is_ours(e.asked.reason, e.stack)):
        return "It was opened, or closed by somebody else, after the looks"
    return f"Its live configuration was asked for more than {ASK_AGE.seconds} s ago" if is_old(e.asked, e.now) else ""


def is_old(asked: Asked, now: datetime) -> bool:
    """Say whether the last question must be asked again before a stop."""
    return now - asked.at > ASK_AGE


def _only_by_clocks_that_agree(e: Evidence) -> str:
    for answer in (*e.checks, e.asked):
        if answer and (off := why_clocks_differ(answer.clock_off)):
            return off
    seen = [*(look.at for look in e.checks), e.asked and e.asked.at, e.planned_at, e.now - e.reading_age]
    ahead = max(at - e.now for at in seen if at)
    return f"Clocks of Headroom's functions differ by {ahead.total_seconds():.0f} s or more" if ahead > CLOCKS else ""


def why_clocks_differ(off: float | None) -> str:
    """Say how far the Management Node's clock is from ours; empty if they agree."""
    if off is None:
        return "The Management Node does not say what time it is, so the time between two looks is not certain"
    if off > CLOCKS.total_seconds():
        return f"The Management Node's clock is {off:.0f} s ahead of Headroom's"
    return f"The Management Node's clock is {-off:.0f} s behind Headroom's" if -off > CLOCKS.total_seconds() else ""


def _only_twice_empty(e: Evidence) -> str:
    looks = sorted(e.checks, key=lambda look: look.at)
    if len(looks) < 2 or looks[-1].at - looks[0].at < gap(e.replication):  # noqa: PLR2004 - the rule says twice
        return f"It has not been looked at twice, at least {gap(e.replication).seconds} s apart"
    if e.now - looks[-1].at > LOOK_AGE:
        return "The last look at it is too old"
    return next((f"It carries {look.carries}" for look in looks if look.carries), "")


def _only_on_good_sight(e: Evidence) -> str:
    for look in e.checks:
        if unsure := _why_unsure(look, e.checks[0]):
            return unsure
    return f"Pexip cannot reach it: {e.alarm}" if e.alarm else _why_by_the_reading(e)


def _why_by_the_reading(e: Evidence) -> str:
    if e.reading_shows:
        return f"The newest reading of Pexip shows something on it ({e.reading_shows})"
    return "The newest reading of Pexip is too old" if e.reading_age > FRESH else ""


def _why_unsure(look: EmptyCheck, first: EmptyCheck) -> str:
    """Say why a look is no proof of what is on the node, whatever it found; empty if it is one."""
    if not look.complete:
        return f"Pexip's answer about it was incomplete: {look.trouble or 'its status does not fit'}"
    if not look.synced:
        return "It is not in sync with the Management Node, so what Pexip shows may be old"
    if look.boot_time is None or look.boot_time != first.boot_time:
        return "It restarted between the looks, or Pexip does not say when it booted"
    return f"Pexip raises an alarm about it: {look.alarm}" if look.alarm else ""


def _not_against_the_network(e: Evidence) -> str:
    if e.network_out is None:
        return "EC2 has no NetworkOut figure yet for the time since it was closed"
    if e.network_out > e.idle_out:
        sent = f"It sent {e.network_out / MB:.1f} MB a minute lately, more than the {e.idle_out / MB:g} MB of an empty node"
        return f"{sent}: a call has just ended there, or a call is on it that Pexip does not show"
    return ""


RULES: tuple[Callable[[Evidence], str], ...] = (
    _only_in_control,
    _only_one_controller,
    _only_its_tagged_instance,
    _not_while_paused,
    _not_while_upgrading,
    _only_with_the_claim,
    _only_what_the_newest_plan_wants,
    _not_on_hold,
    _not_before_its_lifetime,
    _only_long_closed,
    _not_opened_since,
    _only_on_good_sight,
    _only_by_clocks_that_agree,
    _only_twice_empty,
    _not_against_the_network,
)


# A node that never came up


def _only_what_headroom_started(e: Evidence) -> str:
    if not e.started_by_us:
        return "Pexip has not heard from it since it was started, and Headroom did not start it"
    return "Pexip has heard from it since it was started" if e.heard_since else ""


def _not_before_twice_the_boot_limit(e: Evidence) -> str:
    left = e.launched_at + 2 * e.boot_limit - e.now
    return f"It may still come up for another {left.total_seconds() / 60:.0f} min" if left > timedelta() else ""


def _only_with_every_list(e: Evidence) -> str:
    for look in e.checks:
        if not look.listed:
            return f"Pexip's answer about it was incomplete: {look.trouble or 'a list is missing'}"
    return _why_by_the_reading(e)


def _only_silent_since_its_launch(e: Evidence) -> str:
    if e.sent_since is None or len(e.sent_since) < QUIET_PERIODS:
        return f"EC2 has no NetworkOut figure for every period since it was launched, {QUIET_PERIODS} at least"
    most = max(e.sent_since)
    if most > e.idle_out:
        return f"It has sent {most / MB:.1f} MB a minute since it was launched: calls may be on it that Pexip does not show"
    return ""


HUNG_RULES: tuple[Callable[[Evidence], str], ...] = (
    _only_in_control,
    _only_one_controller,
    _only_its_tagged_instance,
    _not_while_paused,
    _not_while_upgrading,
    _only_with_the_claim,
    _only_what_the_newest_plan_wants,
    _only_what_headroom_started,
    _not_before_its_lifetime,
    _not_before_twice_the_boot_limit,
    _only_closed_in_its_configuration,
    _not_opened_since,
    _only_with_every_list,
    _only_by_clocks_that_agree,
    _only_twice_empty,
    _not_against_the_network,
    _only_silent_since_its_launch,
)
