"""What people ask Headroom to do, from the command line or the dashboard: checked again, carried out, written down."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import msgspec

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.domain.fleet.fleet import Reading
from headroom.domain.fleet.lifecycle import BY_HAND, Action, Hold, Pause, Pausing
from headroom.domain.history.events import Event, Kind
from headroom.domain.people.orders import FITS, Do
from headroom.domain.planning.giving import Supply
from headroom.domain.planning.plans import NodeSummary, Plan
from headroom.domain.planning.promises import BadRequestError, Request, promise
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety.permission import NotNowError, check
from headroom.domain.texts import FARTHEST, NAMES, REASON, line, listed, once
from headroom.usecases.prewarm import terms_of

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

HOUR, MOST_EXPECTED = timedelta(hours=1), 10_000
UNTIL_PUT_BACK = timedelta(days=3650)  # that is, until a person puts it back


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asks for. `nodes` and `count` are as in `Request`; `hold` names what is to be released.

    `hd` HD connections more than usual are to be expected from `ready_by` to `until`.
    """

    do: Do
    nodes: tuple[str, ...] = ()
    count: int | None = None
    locations: tuple[str, ...] = ()
    ready_by: datetime | None = None
    until: datetime | None = None
    reason: str = ""
    hold: str = ""
    stops_only: bool = False
    hd: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was begun, in a sentence; `executions` are the workflows that carry it out."""

    sentence: str
    executions: tuple[str, ...] = ()


@dataclass
class Operator:
    """Carries out orders; `machines` are the ARNs of the state machines `prewarm` and `set_open`."""

    ledger: Ledger
    states: "SFNClient"
    machines: Mapping[str, str]
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        machines = {"prewarm": parts.settings.prewarm_arn, "set_open": parts.settings.set_open_arn}
        return cls(parts.ledger, parts.states, machines, parts.policy)

    def carry_out(self, order: Order, by: str) -> Done:
        """Carry out an order for `by`; raise BadRequestError, which says what to change, before any change."""
        now, order, by = clock.now(), _tidy(order, by), line(by, REASON)
        match order.do:
            case Do.START | Do.HOLD:
                done = self._promise(order, by, now)
            case Do.RELEASE:
                done = self._release(order, now)
            case Do.EXPECT:
                done = self._expect(order, by, now)
            case Do.TAKE_OUT:
                done = self._take_out(order, by, now)
            case Do.REINSTATE:
                done = self._reinstate(order, now)
            case Do.OPEN | Do.CLOSE:
                done = self._set_open(order)
            case Do.PAUSE:
                done = self._pause(order, by, now)
            case Do.RESUME:
                done = self._resume(now)
        named = order.nodes if order.nodes and order.do not in {Do.PAUSE, Do.RESUME} else ("",)
        for node in named:
            self.ledger.write(Event(at=now, kind=Kind(f"asked to {order.do}"), node=node, reason=done.sentence, by=by))
        return done

    def _plan(self) -> Plan:
        try:
            return self.ledger.plan()
        except NotNowError as error:
            raise BadRequestError(str(error)) from error

    def _allowed(self, action: Action) -> Reading:
        """Refuse what the workflow would refuse, as the person who asks does not see the workflow; return the reading."""
        try:
            reading = self.ledger.reading()
            check(action, self.policy.mode, reading.settings, self.ledger.pause(clock.now()))
        except NotNowError as error:
            raise BadRequestError(str(error)) from error
        return reading

    def _promise(self, order: Order, by: str, now: datetime) -> Done:
        request = Request(
            locations=order.locations,
            nodes=order.nodes,
            count=order.count,
            ready_by=order.ready_by,
            until=order.until,
            reason=order.reason or f"asked for by {by}",
            by=by,
        )
        reading = self._allowed(Action.START)
        name = f"by-hand-{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        plan, commitments = self._plan(), self.ledger.commitments(now)
        terms = terms_of(self.policy, reading, plan, commitments)
        supply = Supply.of(plan.nodes, commitments, self.policy)
        made = promise(request, supply, terms, name=name, now=now)  # refuses what cannot be promised
        hold = made.hold
        given = {field: value for field, value in msgspec.to_builtins(request).items() if value not in (None, "", ())}
        ready_by, until = (self.policy.when(moment, now) for moment in (hold.ready_by, hold.until))
        sentence = f"{hold.what} to serve by {ready_by} and until {until}: {hold.reason}"
        sentence += f" ({made.short})" if made.short else ""
        return Done(sentence=sentence, executions=(self._begin("prewarm", name, given),))

    def _release(self, order: Order, now: datetime) -> Done:
        held, unread = self.ledger.holds_and_unread(now)
        if order.hold and order.hold in {each.name for each in unread}:
            self.ledger.release_hold(order.hold)
            return Done(sentence=f"Released: {order.hold}, which could not be read")
        ended = [hold for hold in held if hold.id == order.hold or (order.nodes and set(order.nodes) & set(hold.nodes))]
        if not ended:
            known = "; ".join(f"{hold.id} ({hold.reason})" for hold in held) or "none"
            what = f"No hold is on {listed(order.nodes)} by name" if order.nodes else "There is no such hold"
            raise BadRequestError(f"{what}. Current holds: {known}.")
        for hold in ended:
            self.ledger.release_hold(hold.id)
        return Done(sentence=f"Released: {'; '.join(hold.reason for hold in ended)}")

    def _expect(self, order: Order, by: str, now: datetime) -> Done:
        """Write down that more will come than usual; the forecast counts it as it was said."""
        begins = order.ready_by or now
        ends = order.until or min(begins, now + 2 * FARTHEST) + HOUR  # no time of day comes after the year 9999
        if not 1 <= order.hd <= MOST_EXPECTED:
            raise BadRequestError(f"Say how many HD connections more to expect: 1 to {MOST_EXPECTED:,}.")
        if max(begins, ends) - now > FARTHEST:
            raise BadRequestError(f"That is more than {FARTHEST.days} days ahead: say it nearer the time.")
        if ends <= max(begins, now):
            raise BadRequestError("It ends before it begins, or is over already: say when it begins, and until when.")
        reading = self.ledger.last_reading()
        known = [place.name for place in reading.locations if place.overflow_location] if reading else []
        places = order.locations or tuple(known[:2])
        if len(places) != 1 or places[0] not in known:
            raise BadRequestError(f"Name one principal location; there are {listed(known) or 'none yet'}.")
        hold = Hold(
            id=f"expected-{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}",
            begins=begins,
            ready_by=begins,
            until=ends,
            reason=order.reason or "no reason given",
            by=by,
            expected={places[0]: order.hd},
        )
        self.ledger.promise(hold)
        when = f"from {self.policy.when(begins, now)} until {self.policy.when(ends, now)}"
        return Done(sentence=f"{hold.what} {when}: {hold.reason}; `headroom release {hold.id}` takes it back")

    def _take_out(self, order: Order, by: str, now: datetime) -> Done:
        """Write down that nodes are out: each plan closes, empties and stops them, and none starts or opens them."""
        plan = self._plan()
        if self.policy.mode is not Mode.CONTROL:
            raise BadRequestError(
                f"In {self.policy.mode} mode Headroom stops no node: put it into maintenance mode in Pexip, with a reason "
                "of your own."
            )
        nodes = [_find(plan, name) for name in order.nodes]
        already = self.ledger.commitments(now).taken_out()
        nodes = [node for node in nodes if node.name not in already]
        if not nodes:
            raise BadRequestError("Name at least one node that is not out already.")
        held = {name: hold for hold in self.ledger.commitments(now).promises for name in hold.nodes}
        if promised := [node.name for node in nodes if node.name in held]:
            first = held[promised[0]]
            raise BadRequestError(
                f"{promised[0]} is held: {first.reason}. End that promise first: `headroom release {promised[0]}`."
            )
        reason = order.reason or "no reason given"
        for node in nodes:
            self.ledger.promise(
                Hold(
                    id=f"out-{node.name}-{now:%Y%m%dT%H%M%S}",
                    begins=now,
                    ready_by=now,
                    until=now + UNTIL_PUT_BACK,
                    reason=reason,
                    by=by,
                    out=(node.name,),
                )
            )
        names = listed([node.name for node in nodes])
        return Done(
            sentence=f"{names} to be closed, emptied and stopped, and to stay off: {reason}; `headroom reinstate` puts it back"
        )

    def _reinstate(self, order: Order, now: datetime) -> Done:
        """End what says that nodes are out; the next plan uses them again."""
        holds = self.ledger.commitments(now).holds
        out = {name for hold in holds for name in hold.out}
        if unknown := [name for name in order.nodes if name not in out]:
            raise BadRequestError(f"Not out: {listed(unknown)}. Out are: {listed(sorted(out)) or 'none'}.")
        if not order.nodes:
            raise BadRequestError(f"Name at least one node. Out are: {listed(sorted(out)) or 'none'}.")
        for hold in holds:  # two people may have taken it out
            if set(order.nodes) & set(hold.out):
                self.ledger.release_hold(hold.id)
        return Done(sentence=f"Put back: {listed(order.nodes)}; it is started when it is needed")

    def _set_open(self, order: Order) -> Done:
        plan = self._plan()
        nodes = [_find(plan, name) for name in order.nodes]
        if not nodes:
            raise BadRequestError("Name at least one node.")
        out = self.ledger.commitments(clock.now()).taken_out() if order.do is Do.OPEN else {}
        if name := next((node.name for node in nodes if node.name in out), ""):
            raise BadRequestError(
                f"{name} was taken out ({out[name].reason}): `headroom reinstate {name}` puts it back."
            )
        unfit = [f"{node.name} is {node.state}" for node in nodes if node.state not in FITS[order.do]]
        if unfit:
            can = "closed by Headroom can be opened" if order.do is Do.OPEN else "that serves can be closed"
            raise BadRequestError(f"Only a node {can}: {'; '.join(unfit)}.")
        self._allowed(Action.OPEN if order.do is Do.OPEN else Action.CLOSE)
        reason = order.reason or BY_HAND
        executions = []
        for node in nodes:
            given = {"node": node.name, "open": order.do is Do.OPEN, "reason": reason}
            executions.append(self._begin("set_open", f"by-hand-{uuid.uuid4().hex[:16]}", given))
        names = ", ".join(node.name for node in nodes)
        return Done(
            sentence=f"{names} to be {'opened' if order.do is Do.OPEN else 'closed'}: {reason}",
            executions=tuple(executions),
        )

    def _pause(self, order: Order, by: str, now: datetime) -> Done:
        if not order.reason:
            raise BadRequestError("Give a reason: other operators will read it.")
        if order.until and not now < order.until <= now + FARTHEST:
            raise BadRequestError(f"The end of a pause must be later than now, and within {FARTHEST.days} days.")
        holding = Pausing.STOPS_ONLY if order.stops_only else Pausing.EVERYTHING
        self.ledger.keep_pause(Pause(reason=order.reason, by=by, since=now, holding=holding, until=order.until), now)
        ends = (
            f"{self.policy.when(order.until, now)}, or until it is resumed before" if order.until else "it is resumed"
        )
        rest = "starts and opens as before, and stops nothing" if order.stops_only else "changes nothing"
        return Done(
            sentence="Paused. Within a minute Headroom opens the nodes that it has closed; after that it "
            f"{rest} until {ends}: {order.reason}"
        )

    def _resume(self, now: datetime) -> Done:
        was = self.ledger.pause(now)
        self.ledger.end_pause()
        return Done(sentence=f"Resumed; it was paused for: {was.reason}" if was else "It was not paused")

    def _begin(self, machine: str, name: str, given: dict[str, Any]) -> str:
        said = self.states.start_execution(
            stateMachineArn=self.machines[machine], name=name, input=msgspec.json.encode(given).decode()
        )
        return str(said["executionArn"])


def _tidy(order: Order, by: str) -> Order:
    """Return the order with its texts on one line and each node once; raise BadRequestError for one that is too large."""
    if len(order.reason) > REASON or not by:
        raise BadRequestError(f"The reason has more than {REASON} characters." if by else "Missing: who asks.")
    if len(order.nodes) > NAMES:
        raise BadRequestError(f"{len(order.nodes)} nodes are named: name {NAMES} at the most.")
    if any(len(name) > REASON for name in order.nodes):
        raise BadRequestError(f"The name of a node has more than {REASON} characters.")
    return replace(order, reason=line(order.reason, REASON), nodes=once(order.nodes))


def _find(plan: Plan, name: str) -> NodeSummary:
    found = next((node for node in plan.nodes if node.name == name), None)
    if found is None:
        raise BadRequestError(
            f"No overflow node is called {listed([name])}; there are {listed([n.name for n in plan.nodes]) or 'none'}."
        )
    return found
