"""Decide which events are notified and when: starts are batched, storms are rate-limited, nothing is lost.

Urgent events are sent at once. All others are gathered: a problem is told when it begins, at most once a quarter of
an hour while it lasts, and once more when it has been over for a while.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from headroom.domain.history.events import Event, Kind
from headroom.domain.planning.issues import Trouble
from headroom.domain.texts import line

AGAIN = timedelta(minutes=15)  # people are told of the same problem at most this often
OVER_FOR = timedelta(minutes=5)  # how long it must be over before that is told: it may come back
QUIET, LONGEST = timedelta(minutes=3), timedelta(minutes=10)  # news waits for more of its kind, but not for ever
MOST = 3  # messages in a quarter of an hour, not counting urgent ones
NAMED = 8  # most nodes or reasons that a message names; it counts the others
KEPT = 200  # most events that are kept one by one until they are sent
SUBJECT = 99  # ASCII characters: Amazon SNS takes less than 100


class Weight(StrEnum):
    """How urgently people are told of an event."""

    URGENT = "urgent"
    PROBLEM = "problem"
    OVER = "over"
    NEWS = "news"
    SILENT = "silent"  # only in the history


WEIGHTS = {  # of every kind of event
    Kind.PROMISE_MISSED: Weight.URGENT,
    Kind.PROMISE_REFUSED: Weight.URGENT,
    Kind.CONTROL_REFUSED: Weight.URGENT,
    Kind.HOME_LOST: Weight.URGENT,
    Kind.ISSUE: Weight.PROBLEM,
    Kind.ISSUE_OVER: Weight.OVER,
    Kind.GIVEN_UP: Weight.PROBLEM,
    Kind.SERVING: Weight.NEWS,
    Kind.IN_RESERVE: Weight.NEWS,
    Kind.STOPPED: Weight.NEWS,
    Kind.HOLD: Weight.NEWS,
    Kind.WOULD_HOLD: Weight.NEWS,
    Kind.PROMISE_KEPT: Weight.NEWS,
    Kind.HELD_STILL: Weight.NEWS,
    Kind.PROVISIONED: Weight.NEWS,
    Kind.CONVERTED: Weight.NEWS,
    Kind.REMOVED: Weight.NEWS,
    **dict.fromkeys(
        (
            *(Kind.START_WANTED, Kind.RESERVE_WANTED, Kind.OPEN_WANTED, Kind.CLOSE_WANTED, Kind.STOP_WANTED),
            *(Kind.TAKEN_OVER, Kind.CLAIM_FREED, Kind.START_ASKED, Kind.START_REFUSED),
            *(Kind.CLOSED, Kind.OPENED, Kind.ADDRESS_CORRECTED),
            *(Kind.NO_LONGER_WANTED, Kind.STOP_REFUSED, Kind.REOPENED, Kind.NOT_SET),
            *(Kind.INSTANCE_PENDING, Kind.INSTANCE_RUNNING, Kind.INSTANCE_STOPPING, Kind.INSTANCE_STOPPED),
            *(Kind.INSTANCE_SHUTTING_DOWN, Kind.INSTANCE_TERMINATED),
            *(Kind.ASKED_TO_START, Kind.ASKED_TO_HOLD, Kind.ASKED_TO_RELEASE, Kind.ASKED_TO_EXPECT),
            *(Kind.ASKED_TO_TAKE_OUT, Kind.ASKED_TO_REINSTATE),
            *(Kind.ASKED_TO_OPEN, Kind.ASKED_TO_CLOSE),
            *(Kind.ASKED_TO_PAUSE, Kind.ASKED_TO_RESUME, Kind.ASKED_TO_HAND_OVER, Kind.ASKED_TO_HAND_BACK),
            Kind.UNKNOWN,
        ),
        Weight.SILENT,
    ),
}
TITLES: dict[str, str] = {  # of every kind of event that is told, and of every kind of issue
    Kind.PROMISE_MISSED: "promise missed",
    Kind.PROMISE_REFUSED: "promise refused",
    Kind.CONTROL_REFUSED: "control refused",
    Kind.HOME_LOST: "a location has lost its always-on nodes",
    Kind.HELD_STILL: "held still",
    Kind.GIVEN_UP: "starts given up",
    Kind.SERVING: "started",
    Kind.IN_RESERVE: "started as a reserve",
    Kind.STOPPED: "stopped",
    Kind.HOLD: "promised",
    Kind.WOULD_HOLD: "not promised, as nothing starts in observe mode",
    Kind.PROMISE_KEPT: "promise kept",
    Kind.PROVISIONED: "new overflow node",
    Kind.CONVERTED: "converted",
    Kind.REMOVED: "removed for ever",
    Trouble.NO_NEWS: "Pexip or EC2 cannot be read",
    Trouble.PAUSED: "paused",
    Trouble.TWO_CONTROLLERS: "control refused",
    Trouble.INCOMPLETE: "Pexip's answer is incomplete",
    Trouble.MISFIT: "nodes and instances do not match",
    Trouble.NO_NODES: "there are no overflow nodes",
    Trouble.HOME_LOST: "a location has lost its always-on nodes",
    Trouble.NOT_COUNTED: "an always-on node is not counted",
    Trouble.TURNED_AWAY: "calls are being turned away",
    Trouble.FORECAST_WRONG: "forecasts hold less often than they say",
    Trouble.MISLEADS: "what a forecast is made from misleads",
    Trouble.NOT_ENOUGH: "not enough nodes",
    Trouble.PROMISE_SHORT: "a promise is short",
    Trouble.NOT_WRITTEN_DOWN: "a change that the ledger missed",
    Trouble.DOES_NOT_SERVE: "on but not serving",
    Trouble.HANGS: "hangs at every start",
    Trouble.DID_NOT_START: "did not come up at the last start",
    Trouble.NOT_PROVED: "not proved to boot for long",
    Trouble.CLOSED_BY_OTHERS: "closed by others",
    Trouble.LEFT_CLOSED: "left closed",
    Trouble.UPGRADED: "being upgraded",
    Trouble.CLOCKS: "clocks differ",
    Trouble.MOVED: "public address has changed",
    Trouble.STUCK: "cannot be stopped, or is stuck",
    Trouble.DATABASE: "takes part in the distributed database",
    Trouble.UNREADABLE: "a record that cannot be read",
    Trouble.FOUND_AT_NIGHT: "something of the site to mend",
    Trouble.OTHER: "another problem",
}
DOES: dict[str, str] = {
    Kind.PROMISE_MISSED: "It keeps trying until the promise ends. If a number of nodes was promised, it starts another node "
    "when one fails.",
    Kind.PROMISE_REFUSED: "Nothing: no node was started for it.",
    Kind.CONTROL_REFUSED: "It closes and stops nothing until that is over. The sentence above says whether it still starts "
    "nodes. Nodes that are on stay on, open nodes stay open.",
    Kind.HOME_LOST: "It starts overflow nodes for what the location carried, as those who were cut off dial again at once. Until "
    "half an hour after the location is whole again it closes and stops none of them.",
    Kind.GIVEN_UP: "It starts another node where capacity is needed, and tries this node again later. If this node still "
    "comes up, it stays closed; Headroom proves it empty and stops it.",
}
SHOULD: dict[str, str] = {
    Kind.PROMISE_MISSED: "Look at the nodes named above with `headroom why`; docs/operating.md, «Promise missed».",
    Kind.PROMISE_REFUSED: "Correct the schedule's parameters, or start the nodes by hand with `headroom start`.",
    Kind.CONTROL_REFUSED: "See `headroom issues`; docs/operating.md, «Control refused».",
    Kind.HOME_LOST: "Look at the location's always-on nodes in Pexip (Status > Alarms, Status > Conferencing Nodes), and with "
    "`headroom status` at what covers it. docs/operating.md, «Home lost».",
    Kind.GIVEN_UP: "If EC2 refused the start, its message is above. If a node did not serve, look at its console in EC2. "
    "docs/operating.md, «Start failures».",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem that people are told of: `there` names what has it now, `fresh` are its events that were not sent yet."""

    subject: str
    begun: datetime
    last: datetime
    told: datetime | None = None
    there: tuple[str, ...] = ()
    fresh: tuple[Event, ...] = ()
    more: int = 0  # further fresh events, beyond those that are kept one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What is remembered from one run of `notify` to the next."""

    problems: tuple[Problem, ...] = ()
    news: tuple[Event, ...] = ()
    unsent: tuple["Message", ...] = ()  # messages that could not be sent; the next run sends them first
    sent: tuple[datetime, ...] = ()
    looked: datetime | None = None
    seen: tuple[tuple[str, datetime], ...] = ()  # ids that were taken already, while they may come again


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: plain text, and what a chat needs to thread it."""

    subject: str
    body: str
    urgent: bool = False
    topic: str = ""


def tell(
    happened: Iterable[Event], memo: Memo, now: datetime, keep: timedelta, clock_of: Callable[[datetime], str]
) -> tuple[list[Message], Memo]:
    """Return the messages to send now, and what to remember. An event that was taken within `keep` is not taken again."""
    known = {seen for seen, _ in memo.seen}
    worth = (one for one in happened if WEIGHTS[one.kind] is not Weight.SILENT and one.id not in known)
    fresh = sorted(worth, key=lambda one: (one.at, one.id))
    seen = (*((each, at) for each, at in memo.seen if now - at < 2 * keep), *((one.id, now) for one in fresh))
    memo = replace(memo, looked=now, seen=seen, sent=tuple(at for at in memo.sent if now - at < AGAIN))
    urgent = [one for one in fresh if WEIGHTS[one.kind] is Weight.URGENT]
    messages = [
        _urgent(kind, [one for one in urgent if one.kind == kind], clock_of)
        for kind in dict.fromkeys(one.kind for one in urgent)
    ]
    for one in fresh:
        memo = _taken(memo, one)
    due = [problem for problem in memo.problems if _is_due(problem, now)]
    over = [problem for problem in memo.problems if _is_over(problem, now) and (not problem.fresh or problem in due)]
    news = memo.news if memo.news and _is_ripe(memo.news, now) else ()
    if (due or over or news) and len(memo.sent) < (MOST if due else MOST - 1):  # the last is kept for a problem
        messages.append(_gathered(due, over, news, now, clock_of))
        left = [
            replace(problem, told=now, fresh=(), more=0) if problem in due else problem
            for problem in memo.problems
            if problem not in over
        ]
        memo = replace(memo, problems=tuple(left), news=() if news else memo.news, sent=(*memo.sent, now))
    return messages, memo


def _taken(memo: Memo, one: Event) -> Memo:
    """Add what happened to what people are still to be told."""
    match WEIGHTS[one.kind]:
        case Weight.NEWS:
            return replace(memo, news=(*memo.news, one)[-KEPT:])
        case Weight.PROBLEM | Weight.OVER:
            return _with_problem(memo, one)
        case Weight.URGENT if one.topic:  # it was sent at once; its end will be sent, too
            told = Problem(subject=one.topic, begun=one.at, last=one.at, told=one.at, there=(one.node or one.about,))
            return replace(memo, problems=(*(each for each in memo.problems if each.subject != one.topic), told))
        case _:
            return memo


def _with_problem(memo: Memo, one: Event) -> Memo:
    is_over = WEIGHTS[one.kind] is Weight.OVER
    before = next((problem for problem in memo.problems if problem.subject == one.subject), None)
    if before is None and is_over:
        return memo
    before = before or Problem(subject=one.subject, begun=one.at, last=one.at)
    name = one.node or one.about
    there = tuple(each for each in before.there if each != name) if is_over else (*before.there, name)
    problem = replace(before, last=one.at, there=tuple(dict.fromkeys(there)))
    if not is_over and len(before.fresh) < KEPT:
        problem = replace(problem, fresh=(*before.fresh, one))
    elif not is_over:
        problem = replace(problem, more=before.more + 1)
    return replace(memo, problems=(*(each for each in memo.problems if each.subject != one.subject), problem))


def _is_due(problem: Problem, now: datetime) -> bool:
    return bool(problem.fresh) and (problem.told is None or now - problem.told >= AGAIN)


def _is_over(problem: Problem, now: datetime) -> bool:
    """An issue ends with an event of its own; any other problem is over when it has not recurred for a while."""
    is_issue = problem.subject not in WEIGHTS
    if is_issue and problem.there:
        return False
    return now - problem.last >= (OVER_FOR if is_issue else AGAIN)


def _is_ripe(news: Sequence[Event], now: datetime) -> bool:
    return now - max(one.at for one in news) >= QUIET or now - min(one.at for one in news) >= LONGEST


def _urgent(kind: str, all_of_it: Sequence[Event], clock_of: Callable[[datetime], str]) -> Message:
    what = all_of_it[-1].reason
    lines = [*_cut([f"{clock_of(one.at)} {one.reason}" for one in all_of_it]), "", *_sequel(kind)]
    return Message(
        subject=subject_of(f"Headroom: {TITLES[kind]}: {what}"), body="\n".join(lines), urgent=True, topic=kind
    )


def _gathered(
    due: Sequence[Problem],
    over: Sequence[Problem],
    news: Sequence[Event],
    now: datetime,
    clock_of: Callable[[datetime], str],
) -> Message:
    titles, parts = [], []
    for problem in due:
        if problem not in over:
            named = _names(one.node for one in problem.fresh)
            title = TITLES.get(problem.subject, problem.subject)
            titles.append(f"{title} ({named})" if named else title)
        lines = list(dict.fromkeys(f"{clock_of(one.at)} {one.reason}" for one in problem.fresh))
        parts.append("\n".join([*_cut(lines, problem.more), "", *_sequel(problem.subject)]).rstrip())
    for problem in over:
        title = TITLES.get(problem.subject, problem.subject)
        titles.append(f"over: {title}")
        lasted = (now - problem.begun).total_seconds() / 60
        parts.append(f"Over: {title}. It began at {clock_of(problem.begun)}, {lasted:.0f} min ago.")
    if news:
        counts = Counter(one.kind for one in news)
        titles += [f"{count} {TITLES[kind]}" for kind, count in counts.items()]
        for kind in counts:
            of_it = [one for one in news if one.kind == kind]
            reasons = _cut([reason for reason, _ in Counter(one.reason for one in of_it).most_common()])
            named = _names(one.node for one in of_it)
            parts.append(
                "\n".join([f"{TITLES[kind].capitalize()}: {named}" if named else TITLES[kind].capitalize(), *reasons])
            )
    first = due[0].subject if due else over[0].subject if over else news[0].kind
    return Message(subject=subject_of(f"Headroom: {'; '.join(titles)}"), body="\n\n".join(parts), topic=first)


def _cut(lines: Sequence[str], more: int = 0) -> list[str]:
    """Return the first lines, and how many more there are."""
    left = len(lines) - NAMED + more if len(lines) > NAMED else more
    return [*lines[:NAMED], *([f"… and {left} more: `headroom history`."] if left else [])]


def _sequel(kind: str) -> list[str]:
    """Return the lines that say what Headroom does now and what people should do."""
    does, should = DOES.get(kind), SHOULD.get(kind)
    return [
        *([f"What Headroom does now: {does}"] if does else []),
        *([f"What you should do: {should}"] if should else []),
    ]


def _names(nodes: Iterable[str]) -> str:
    names = sorted({node for node in nodes if node})
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} nodes"


def subject_of(text: str) -> str:
    """Return a text as Amazon SNS takes it for a subject: one line of ASCII, of under a hundred characters."""
    plain = line(text).encode("ascii", "replace").decode()
    return plain if len(plain) <= SUBJECT else f"{plain[: SUBJECT - 3]}..."
