"""Decide which events are notified and when: starts are batched, storms are rate-limited, nothing is lost.

What cannot wait passes at once. Everything else is gathered: a problem is told when it begins, at most once a quarter of
an hour while it goes on, and once more when it has been over for a while.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from headroom.domain.history.events import Event, Kind
from headroom.domain.planning.issues import Trouble

AGAIN = timedelta(minutes=15)  # the same problem is told no sooner
OVER_FOR = timedelta(minutes=5)  # how long it must be over before that is told: it may come back
QUIET, LONGEST = timedelta(minutes=3), timedelta(minutes=10)  # news waits for more of its kind, but not for ever
MOST = 3  # messages in a quarter of an hour, those that cannot wait aside
NAMED = 8  # nodes that are named, and reasons; of more the number is given
KEPT = 200  # happenings that are remembered one by one until they are told
SUBJECT = 100  # ASCII characters: Amazon SNS takes no more


class Weight(StrEnum):
    """How much people want to know of it."""

    URGENT = "urgent"
    PROBLEM = "problem"
    OVER = "over"
    NEWS = "news"
    SILENT = "silent"  # it is in the history


WEIGHTS = {  # of every kind of event
    Kind.PROMISE_MISSED: Weight.URGENT,
    Kind.PROMISE_REFUSED: Weight.URGENT,
    Kind.CONTROL_REFUSED: Weight.URGENT,
    Kind.ISSUE: Weight.PROBLEM,
    Kind.ISSUE_OVER: Weight.OVER,
    Kind.GIVEN_UP: Weight.PROBLEM,
    Kind.SERVING: Weight.NEWS,
    Kind.IN_RESERVE: Weight.NEWS,
    Kind.STOPPED: Weight.NEWS,
    Kind.HOLD: Weight.NEWS,
    Kind.PROMISE_KEPT: Weight.NEWS,
    Kind.HELD_STILL: Weight.NEWS,
    **dict.fromkeys(
        (
            *(Kind.START_WANTED, Kind.RESERVE_WANTED, Kind.OPEN_WANTED, Kind.CLOSE_WANTED, Kind.STOP_WANTED),
            *(Kind.TAKEN_OVER, Kind.START_ASKED, Kind.START_REFUSED, Kind.CLOSED, Kind.OPENED, Kind.ADDRESS_CORRECTED),
            *(Kind.NO_LONGER_WANTED, Kind.STOP_REFUSED, Kind.REOPENED, Kind.NOT_SET),
            *(Kind.INSTANCE_PENDING, Kind.INSTANCE_RUNNING, Kind.INSTANCE_STOPPING, Kind.INSTANCE_STOPPED),
            *(Kind.INSTANCE_SHUTTING_DOWN, Kind.INSTANCE_TERMINATED),
            *(Kind.ASKED_TO_START, Kind.ASKED_TO_HOLD, Kind.ASKED_TO_RELEASE, Kind.ASKED_TO_OPEN, Kind.ASKED_TO_CLOSE),
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
    Kind.HELD_STILL: "holds still",
    Kind.GIVEN_UP: "starts given up",
    Kind.SERVING: "started",
    Kind.IN_RESERVE: "started as a reserve",
    Kind.STOPPED: "stopped",
    Kind.HOLD: "promised",
    Kind.PROMISE_KEPT: "promise kept",
    Trouble.NO_NEWS: "Pexip or EC2 cannot be read",
    Trouble.PAUSED: "paused",
    Trouble.TWO_CONTROLLERS: "control refused",
    Trouble.INCOMPLETE: "Pexip's answer is incomplete",
    Trouble.MISFIT: "nodes and instances do not fit",
    Trouble.NO_NODES: "there are no overflow nodes",
    Trouble.NOT_ENOUGH: "not enough nodes",
    Trouble.NOT_WRITTEN_DOWN: "switched by somebody else",
    Trouble.DOES_NOT_SERVE: "on but not serving",
    Trouble.CLOSED_BY_OTHERS: "closed by others",
    Trouble.LEFT_CLOSED: "left closed",
    Trouble.UPGRADED: "being upgraded",
    Trouble.MOVED: "public address has changed",
    Trouble.STUCK: "cannot be stopped, or hangs",
    Trouble.DATABASE: "takes part in the distributed database",
    Trouble.OTHER: "something else is amiss",
}
DOES: dict[str, str] = {
    Kind.PROMISE_MISSED: "It goes on trying until the promise ends; where it was for a number of nodes, with others where one "
    "fails.",
    Kind.PROMISE_REFUSED: "Nothing: no node was started for it.",
    Kind.CONTROL_REFUSED: "It closes and stops nothing until that is over; whether it still starts, the sentence above says. "
    "What is on stays on, what is open stays open.",
    Kind.GIVEN_UP: "It starts the next candidate where capacity is needed, and tries this node again later. Should it come up "
    "after all it comes up closed, is proved empty and stopped.",
}
SHOULD: dict[str, str] = {
    Kind.PROMISE_MISSED: "Look at the nodes named above with `headroom why`; docs/operating.md, «Promise missed».",
    Kind.PROMISE_REFUSED: "Correct the schedule's parameters, or begin it by hand with `headroom start`.",
    Kind.CONTROL_REFUSED: "See `headroom issues`; docs/operating.md, «Control refused».",
    Kind.GIVEN_UP: "Where EC2 refuses, its words are above; where a node did not serve, look at its console in EC2. "
    "docs/operating.md, «Start failures».",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something amiss, as people know it: `there` names what it is of now, `fresh` is what they were not told yet."""

    subject: str
    begun: datetime
    last: datetime
    told: datetime | None = None
    there: tuple[str, ...] = ()
    fresh: tuple[Event, ...] = ()
    more: int = 0  # that are fresh, too, and not kept one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What is remembered from one look to the next."""

    problems: tuple[Problem, ...] = ()
    news: tuple[Event, ...] = ()
    unsent: tuple["Message", ...] = ()  # that could not be sent: first of all the next time
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
    """Return what people are to be told now, and what to remember; what was taken within `keep` is not taken again."""
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
        case Weight.URGENT if one.topic:  # it was told as it came, and its end will be
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
    """Issues end with a word of their own; any other problem is over when it has not come again for a while."""
    is_issue = problem.subject not in WEIGHTS
    if is_issue and problem.there:
        return False
    return now - problem.last >= (OVER_FOR if is_issue else AGAIN)


def _is_ripe(news: Sequence[Event], now: datetime) -> bool:
    return now - max(one.at for one in news) >= QUIET or now - min(one.at for one in news) >= LONGEST


def _urgent(kind: str, all_of_it: Sequence[Event], clock_of: Callable[[datetime], str]) -> Message:
    what = all_of_it[-1].reason
    lines = [*_cut([f"{clock_of(one.at)} {one.reason}" for one in all_of_it]), "", *_sequel(kind)]
    return Message(subject=_subject(f"Headroom: {TITLES[kind]}:", what), body="\n".join(lines), urgent=True, topic=kind)


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
    return Message(subject=_subject("Headroom:", "; ".join(titles)), body="\n\n".join(parts), topic=first)


def _cut(lines: Sequence[str], more: int = 0) -> list[str]:
    """The first lines, and how many more there are."""
    left = len(lines) - NAMED + more if len(lines) > NAMED else more
    return [*lines[:NAMED], *([f"… and {left} more: `headroom history`."] if left else [])]


def _sequel(kind: str) -> list[str]:
    """What Headroom does now, and what to do."""
    does, should = DOES.get(kind), SHOULD.get(kind)
    return [
        *([f"What Headroom does now: {does}"] if does else []),
        *([f"What you should do: {should}"] if should else []),
    ]


def _names(nodes: Iterable[str]) -> str:
    names = sorted({node for node in nodes if node})
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} nodes"


def _subject(head: str, what: str) -> str:
    plain = " ".join(f"{head} {what}".split()).encode("ascii", "replace").decode()
    return plain if len(plain) <= SUBJECT else f"{plain[: SUBJECT - 3]}..."
