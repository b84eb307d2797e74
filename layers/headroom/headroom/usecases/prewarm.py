"""The steps of `prewarm`: write the hold, see what is ready, and write down whether the promise was kept."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Self

import msgspec

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.codec import stamp, wait_until
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Reading
from headroom.domain.fleet.lifecycle import Action, Commitments, Hold
from headroom.domain.fleet.limits import promised_lifetime
from headroom.domain.history.events import HEADROOM, Event, Kind
from headroom.domain.planning.chances import ENOUGH_STARTS, Chance, chance
from headroom.domain.planning.giving import Supply, doubtful
from headroom.domain.planning.leads import Leads
from headroom.domain.planning.plans import Plan
from headroom.domain.planning.promises import BadRequestError, Promise, Request, Terms, kept, promise
from headroom.domain.policy import OLD, Mode, Policy
from headroom.domain.safety.permission import NotNowError, NotReadyError
from headroom.domain.texts import TOLD, line, listed

LATE = timedelta(seconds=60)
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A promise; times are ISO 8601. `watch` says whether this execution is the one that watches it, from `look_at` on.

    `sure` is the probability that it is kept, None while too few starts were measured.
    """

    hold: str
    begins: str
    look_at: str
    ready_by: str
    until: str
    watch: bool
    sure: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseChecked:
    """What of a promise is ready; `due` says that its time has come, `over` that it was released or has ended.

    One that has not begun says when to look again (ISO 8601), and is not kept by what serves before.
    """

    kept: bool
    due: bool
    over: bool
    ready: tuple[str, ...]
    missing: tuple[str, ...]
    reason: str
    look_at: str | None = None


def _look_at(hold: Hold, now: datetime) -> str:
    """Return when the workflow goes on: when the promise begins, and once a day before, as it may be released."""
    return wait_until(min(hold.begins, now + A_DAY))


def overflow_of(reading: Reading) -> set[str]:
    """Return the overflow locations."""
    return {place.overflow_location for place in reading.locations if place.overflow_location}


def parse(given: object) -> Request:
    """Read a request as it was typed; raise BadRequestError with a message for the person who typed it."""
    known = sorted(field.name for field in fields(Request))
    if not isinstance(given, dict):
        raise BadRequestError(f"The input is no JSON object; its fields may be {', '.join(known)}.")
    unknown = sorted(map(str, given.keys() - known))
    if unknown:
        raise BadRequestError(f"Unknown field {listed(unknown)}; the fields are {', '.join(known)}.")
    try:
        return msgspec.convert(given, Request)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"The input cannot be read: {line(str(error), TOLD)}.") from error


def terms_of(policy: Policy, reading: Reading, plan: Plan, commitments: Commitments) -> Terms:
    """Return what a promise depends on besides the request and the nodes."""
    memories = {memory.node: memory for memory in commitments.memories}
    names: dict[str, list[str]] = {}
    for node in plan.nodes:
        names.setdefault(node.location, []).append(node.name)
    return Terms(
        mode=policy.mode,
        lifetime=promised_lifetime(policy, reading),
        leads=Leads(names, memories, policy, plan.at),
    )


@dataclass
class Promiser:
    """Makes promises of capacity, and checks them."""

    ledger: Ledger
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.policy)

    def promise(self, given: object, execution: str) -> Promised:
        """Write the hold; the same scheduled time twice is one promise, and says so.

        Raise BadRequestError for what cannot be promised, before anything is touched, and NotReadyError where the last plan
        could not see the nodes.
        """
        try:
            return self._promise(given, execution)
        except BadRequestError as error:
            if isinstance(given, dict) and "scheduled_time" in given:  # nobody watches the schedule's own execution
                told = f"The scheduled pre-warm was refused: {error}"
                self.ledger.write(Event(at=clock.now(), kind=Kind.PROMISE_REFUSED, reason=told, by=HEADROOM))
            raise

    def _promise(self, given: object, execution: str) -> Promised:
        now = clock.now()
        request = parse(given)
        try:
            plan, reading = self.ledger.plan(), self.ledger.reading()
        except NotNowError as error:
            raise BadRequestError(str(error)) from error
        if not plan.nodes and any(worker.location in overflow_of(reading) for worker in reading.workers):
            raise NotReadyError(f"The last plan saw no instances ({plan.reason}); try again in a minute.")
        commitments = self.ledger.commitments(now)
        terms = terms_of(self.policy, reading, plan, commitments)
        supply = Supply.of(plan.nodes, commitments, self.policy)
        made = promise(request, supply, terms, name=execution, now=now)
        hold, sure = made.hold, chance(made.hold, commitments.memories, doubtful(made.hold, supply))
        for name in commitments.unread_nodes.intersection(hold.nodes):  # whom a person names
            self.ledger.memory_or_anew(name, Action.START, now)
        is_new = self.ledger.promise(hold)
        there = hold if is_new else self.ledger.hold(hold.id)
        mine = there is not None and there.execution == execution  # also when an earlier answer to it got lost
        if is_new:
            self.ledger.write(self._told(request, made, sure, now))
        return Promised(
            hold=hold.id,
            begins=wait_until(hold.begins),
            look_at=_look_at(hold, now),
            ready_by=stamp(hold.ready_by),
            until=stamp(hold.until),
            watch=mine and self.policy.mode is not Mode.OBSERVE,
            sure=round(sure.sure, 3) if sure.starts >= ENOUGH_STARTS else None,
            reason="; ".join(filter(None, (f"{hold.reason}: {sure.sentence}", made.short)))
            if mine
            else "This was promised already",
        )

    def _told(self, request: Request, made: Promise, sure: Chance, now: datetime) -> Event:
        """Return the event that tells people of a promise, or of what would have been one in control mode."""
        hold, when = made.hold, partial(self.policy.when, now=now)
        late = " (the schedule was late)" if request.scheduled_time and now - request.scheduled_time > LATE else ""
        ready = f"ready by {when(hold.ready_by)}, {sure.sentence}" + (f"; {made.short}" if made.short else "")
        told = f"{hold.what} until {when(hold.until)}: {hold.reason}; {ready}{late}"
        if self.policy.mode is Mode.OBSERVE:
            told = f"Nothing starts in observe mode. In control mode: {told}"
            return Event(at=now, kind=Kind.WOULD_HOLD, reason=told, by=hold.by)
        return Event(at=now, kind=Kind.HOLD, reason=told, by=hold.by)

    def check(self, hold_id: str) -> PromiseChecked:
        """Return what is ready; write an event when the promise is due, or when all of it is ready."""
        now = clock.now()
        hold, planned = self.ledger.hold(hold_id), self.ledger.last_plan()
        waits = PromiseChecked(kept=False, due=False, over=False, ready=(), missing=(), reason="It has not begun yet")
        if self.policy.mode is Mode.OBSERVE:  # it was handed back since
            return replace(waits, over=True, reason="Headroom is in observe mode, and starts nothing")
        if hold is None or planned is None:
            return replace(waits, over=True, reason="The promise was released, or has ended")
        if now < hold.begins:
            return replace(waits, look_at=_look_at(hold, now))
        found = kept(hold, planned.plan.nodes, self.ledger.commitments(now), self.policy.on_the_clock)
        blind = not planned.plan.nodes  # EC2 could not be read: wait a little before the promise counts as missed
        due = now >= hold.ready_by + (OLD if blind else timedelta())
        if found.kept or due:
            kind = Kind.PROMISE_KEPT if found.kept else Kind.PROMISE_MISSED
            until = f", ready by {self.policy.when(hold.ready_by, now)}, until {self.policy.when(hold.until, now)}"
            reason = f"{found.reason} ({hold.reason}{'' if found.kept else until})"
            self.ledger.write(Event(at=now, kind=kind, reason=reason, by=HEADROOM))
        return PromiseChecked(
            kept=found.kept, due=due, over=False, ready=found.ready, missing=found.missing, reason=found.reason
        )
