"""A small world around the shipped planner, safety rules and claims, for exploring what may happen in it.

Two overflow nodes, a principal location, calls, a tick, workflows cut into steps between any two of which anything may
happen, people, Pexip's own controller, and faults. What decides is never copied: it comes from `shipped`.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from headroom.domain.fleet import reconciling
from headroom.domain.fleet.lifecycle import Action, Progress, Wanted
from headroom.domain.fleet.reconciling import Found
from headroom.domain.policy import Policy
from headroom.domain.safety import claims, safety
from headroom_lab.proof.shipped import POLICY, Shipped
from headroom_lab.proof.state import (
    ALARM,
    CUT_OFF,
    EARLIER,
    GOOD,
    LIES,
    MINUTE,
    NEVER,
    NONE,
    NOW,
    OPEN,
    OURS,
    SEEN,
    THEIRS,
    THIS,
    UNSEEN,
    UNSYNCED,
    BrokenError,
    Did,
    Flow,
    Late,
    Look,
    Node,
    State,
    Step,
    Wish,
    is_heard,
)

RETIRE, START, SET = "retire", "start", "set"
BACK = {  # the step that a workflow repeats if its function died or its answer was lost
    "close 2": "close",
    "close 3": "close",
    "open 2": "open",
    "word": "judge",
    "stop": "judge",
    "start 2": "start",
    "set 2": "set",
    "set 3": "set",
}
ASKING = {"close 2": OURS, "open 2": OPEN}  # steps that ask Pexip for a change
MIDST = frozenset(BACK)
LOOKING = frozenset({"look 2", "ask", "judge", "word", "stop"})  # where a retirement has looks in hand
NO_LOOKS: dict[str, Any] = {"first": None, "second": None, "answer": "", "stands": True, "wrong": ""}
AHEAD = 2 * MINUTE  # of a clock that is wrong
STOPPING = frozenset({"judge", "word", "stop"})  # between the last question and the stop


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())


def facts_of(node: Node, *, stands: bool = True) -> dict[str, claims.Fact]:
    """What a conditional write finds; `stands` says that the version is the one that was read."""
    facts: dict[str, claims.Fact] = {"version": 1 if stands else 2}
    if node.wanted:
        facts["wanted"] = node.wanted
    if node.holder:
        facts |= {"claim_token": str(node.holder), "claim_until": NOW + timedelta(seconds=node.lease)}
    if node.rests:
        facts["rests_until"] = NOW + timedelta(seconds=node.rests)
    return facts


class Model:
    """The rules of the world; `policy` is what the operator wants, with times short enough to explore."""

    def __init__(self, policy: Policy = POLICY, *, only: str = "") -> None:
        self.only = only  # restricts what people do to steps with these words; everything if empty
        self.shipped = Shipped(policy)
        self._held: dict[object, bool] = {}
        self._methods: dict[str, Callable[[State, int], Iterator[Step]]] = {}
        self.replication = _seconds(policy.replication)
        self.lifetime = _seconds(policy.minimum_lifetime or timedelta())
        self.boot_limit = _seconds(policy.boot_limit)
        self.gap = _seconds(safety.gap(policy.replication))
        self.look_age = _seconds(safety.LOOK_AGE)
        self.ask_age = _seconds(safety.ASK_AGE)
        self.lease = _seconds(claims.LEASE)
        self.overdue = _seconds(reconciling.OVERDUE)
        self.first_lease = _seconds(claims.FIRST_LEASE)
        self.step = _seconds(claims.LONGEST_STEP)
        self.oldest_look = self.gap + 2 * MINUTE
        self.oldest = max(self.lifetime, self.boot_limit + MINUTE)
        self.hung_for = max(self.oldest, 2 * self.boot_limit)  # a node that does not come up is taken back by then
        self.fresh = _seconds(policy.freshness) + MINUTE

    # What may happen next

    def steps(self, s: State) -> Iterator[Step]:
        """Yield everything that may happen next, with the state after it."""
        for kind in self.kinds:
            yield from kind(s)

    @property
    def kinds(self) -> tuple[Callable[[State], Iterator[Step]], ...]:
        """What happens, by who does it."""
        return (
            self.time,
            self.planning,
            self.workflows,
            self.calls,
            self.load,
            self.people,
            self.others,
            self.sights,
            self.late,
            self.crashes,
        )

    def time(self, s: State) -> Iterator[Step]:
        """Time passes."""
        if s.left.minutes:
            yield "a minute passes", self.passes(self._spend(s, minutes=1), MINUTE)

    def planning(self, s: State) -> Iterator[Step]:
        """A tick reads and plans, and writes its plan."""
        if s.wishes:
            yield "the plan is written", self.write(s)
        elif s.left.ticks:
            yield from self._tick(self._spend(s, ticks=1))

    def workflows(self, s: State) -> Iterator[Step]:
        """Every workflow takes its next step."""
        for number in range(len(s.flows)):
            yield from self.flow_steps(s, number)

    def late(self, s: State) -> Iterator[Step]:
        """What Pexip was asked for by a step that was given up happens after all; but never over a person's own closing."""
        for n, late in enumerate(s.late):
            node = s.nodes[late.node]
            left = s.but(late=s.late[:n] + s.late[n + 1 :])
            if node.door not in {THEIRS, late.door}:
                what = f"{node.name} becomes {late.door}, as a step had asked that was given up"
                yield what, self._node(left, late.node, door=late.door, since=0)

    def crashes(self, s: State) -> Iterator[Step]:
        """Something dies, a message is lost, or an answer."""
        if not s.left.faults:
            return
        poorer = self._spend(s, faults=1)
        if s.wishes:
            yield "the plan is lost", poorer.but(wishes=())
            yield "the plan is written, and its workflows never begin", self.write(poorer, begin=False)
        for number, flow in enumerate(s.flows):
            yield f"{flow.kind} {flow.token} dies", self._without(poorer, number)
            if flow.step in ASKING and not s.late:
                on_its_way = poorer.but(late=(Late(flow.node, ASKING[flow.step]),))
                what = f"{flow.kind} {flow.token} is asked again, and its first request is on its way"
                yield what, self._at(on_its_way, number, BACK[flow.step])
            for what, after in self.flow_steps(poorer, number):
                again = BACK.get(flow.step, flow.step)
                left = after.flows[number].step if self._goes_on(after, number, flow) else again
                if left != again and flow.step != "judge":
                    yield f"{what}, and its answer is lost", self._at(after, number, again)

    @staticmethod
    def _goes_on(s: State, number: int, flow: Flow) -> bool:
        return number < len(s.flows) and s.flows[number].token == flow.token

    def load(self, s: State) -> Iterator[Step]:
        """The principal location fills up, or empties."""
        if s.left.flips:
            yield "calm again" if s.rush else "a rush begins", self._spend(s, flips=1).but(rush=not s.rush)

    def _spend(self, s: State, **what: int) -> State:
        left = s.left
        return s.but(left=left.but(**{name: getattr(left, name) - spent for name, spent in what.items()}))

    # Time

    def passes(self, s: State, seconds: int) -> State:
        """Let time pass for everything."""
        return s.but(
            nodes=tuple([self._node_ages(node, seconds, self._looked_at(s, n)) for n, node in enumerate(s.nodes)]),
            flows=tuple([self._flow_ages(flow, seconds) for flow in s.flows]),
            late=tuple([late.but(age=late.age + seconds) for late in s.late if late.age + seconds <= self.step])
            if s.late
            else (),
            read_age=min(s.read_age + seconds, self.fresh),
            plan_age=min(s.plan_age + seconds, self.fresh),
        )

    @staticmethod
    def _looked_at(s: State, n: int) -> int:
        """Return the age of a retirement's first look at a node: no rule asks if it was closed longer ago than that."""
        return max((flow.first.age + MINUTE for flow in s.flows if flow.node == n and flow.first), default=0)

    def _node_ages(self, node: Node, by: int, looked: int) -> Node:
        opened = node.opened
        if opened is not None:
            opened = opened + by if opened + by < self.replication else None
        if node.stopping:
            node = node.but(on=False, up=False, stopping=False, call=0, sight=GOOD)
        return node.but(
            age=min(node.age + by, self.oldest if is_heard(node) else self.hung_for) if node.on else 0,
            since=min(node.since + by, self.replication),
            call=SEEN if node.call else 0,
            lease=max(-self.overdue, node.lease - by) if node.holder else 0,
            rests=max(0, node.rests - by),
            closed=None if node.closed is None else min(node.closed + by, looked + self.replication),
            opened=opened,
        )

    def _flow_ages(self, flow: Flow, by: int) -> Flow:
        waited = flow.waited + by if flow.step in MIDST else 0
        if waited > self.step:  # the function was killed; Step Functions invokes it again
            flow, waited = flow.but(step=BACK[flow.step], wrong=""), 0
        return flow.but(
            waited=waited,
            asked=self._asked(flow, by),
            first=flow.first and flow.first.but(age=min(flow.first.age + by, self.oldest_look)),
            second=flow.second and flow.second.but(age=min(flow.second.age + by, self.oldest_look)),
        )

    def _asked(self, flow: Flow, by: int) -> int:
        if flow.step == "settle":
            return min(flow.asked + by, self.replication)
        if flow.step in STOPPING:
            return min(flow.asked + by, self.ask_age + 1)
        return min(flow.asked + by, self.boot_limit + MINUTE) if flow.step == "check" else 0

    # The tick

    def _tick(self, s: State) -> Iterator[Step]:
        hidden = [n for n, node in enumerate(s.nodes) if node.call == UNSEEN]
        for shown in (False, True) if hidden else (False,):
            seen = self._read(s, shown=shown)
            yield "a tick plans", self.think(seen)
            freed = self.freed(seen)
            if freed != seen:
                yield "a tick frees what has ended, and plans", self.think(freed)

    def freed(self, s: State) -> State:
        """Free the claims of workflows that are silent and have ended; one that may not is asked nothing."""
        running = {flow.token for flow in s.flows}
        for n, node in enumerate(s.nodes):
            has_ended = node.lease > 0 and node.holder not in running
            if has_ended and claims.frees_when_ended(self.shipped.memory(node), NOW, is_off=not node.on):
                s = self._node(s, n, holder=0, lease=0, action=None, rests=0)
        return s

    def _read(self, s: State, *, shown: bool) -> State:
        nodes = tuple(
            node.but(
                read_alarm=node.on and node.sight == ALARM,
                read_call=self._shows_call(node, shown=shown),
                hung=node.hung and not is_heard(node),
            )
            for node in s.nodes
        )
        return s.but(nodes=nodes, read_age=0, read_bursting=s.bursting, read_upgrading=s.upgrading)

    @staticmethod
    def _shows_call(node: Node, *, shown: bool) -> bool:
        visible = node.call == SEEN or (node.call == UNSEEN and shown)
        return visible and node.sight not in {ALARM, LIES, NEVER}

    def think(self, s: State) -> State:
        """Plan on the newest reading, and make good what does not fit; the plan is still to be written."""
        changes, findings, _ = self.shipped.planned(s)
        if left := self._left_waiting(s, {n for n, action in changes if not action.takes_away}):
            raise BrokenError(f"capacity is missing, and a plan neither starts nor opens {left}")
        nodes = list(s.nodes)
        for n, found in findings:
            nodes[n] = self._made_good(nodes[n], found)
        s = s.but(nodes=tuple(nodes))
        if not changes or not s.control:
            return s.but(plan_age=0)
        return s.but(wishes=tuple(self._wish(s.nodes[n], n, action) for n, action in changes))

    @staticmethod
    def _left_waiting(s: State, changed: set[int]) -> str:
        """Return the nodes that a plan leaves as they are although capacity is missing and they can be started or opened.

        In a rush both nodes are needed.
        """
        may_not = s.paused or not s.control or s.read_bursting or s.read_upgrading
        if not s.rush or may_not:
            return ""
        return ", ".join(node.name for n, node in enumerate(s.nodes) if n not in changed and _can_serve(node))

    def _wish(self, node: Node, n: int, action: Action) -> Wish:
        memory = self.shipped.memory(node)
        if memory.is_relieved_by(action, NOW):
            return Wish(n, action, claimed=False, relieved=node.holder)
        return Wish(n, action, claimed=memory.is_at_work(NOW))

    @staticmethod
    def _made_good(node: Node, found: Found) -> Node:
        if found in {Found.CLOSED, Found.OPEN} and node.holder:
            return node
        good: dict[Found, dict[str, Any]] = {
            Found.NO_LIFETIME: {"life": THIS},
            Found.NO_INSTANCE: {"life": NONE},
            Found.CLOSED: {"closed": 0},
            Found.OPEN: {"closed": None},
            Found.SERVES: {"given_up": False},
            Found.UP: {},
            Found.NO_WORKFLOW: {"holder": 0, "lease": 0, "action": None, "rests": 0},
        }
        return node.but(**good[found])

    def write(self, s: State, *, begin: bool = True) -> State:
        """Write the plan under its conditions, and begin its workflows."""
        s, wishes = s.but(wishes=(), plan_age=0), s.wishes
        for wish in wishes:
            node = s.nodes[wish.node]
            condition = claims.is_unchanged(1)
            if wish.relieved:
                condition += claims.is_resting(str(wish.relieved), NOW)
            elif not wish.claimed:
                condition += claims.is_free(NOW)
            if not claims.is_met(condition, facts_of(node, stands=wish.stands)):
                continue
            if not wish.stands:
                raise BrokenError("a plan overwrote what was wanted since it had read")
            s = self._want(s, wish.node, wish.action.wanted)
            if not wish.claimed:
                token = self._new_token(s)
                claim = {"holder": token, "lease": self.first_lease, "action": wish.action, "rests": 0}
                s = self._node(s, wish.node, **claim)
                if begin:
                    kind = START if wish.action.starts else RETIRE if wish.action is Action.STOP else SET
                    s = s.but(flows=(*s.flows, Flow(token, wish.node, kind, "claim")))
        return s

    @staticmethod
    def _new_token(s: State) -> int:
        taken = {flow.token for flow in s.flows} | {node.holder for node in s.nodes}
        return next(token for token in range(1, 99) if token not in taken)

    @staticmethod
    def _node(s: State, n: int, **changes: Any) -> State:
        nodes = list(s.nodes)
        nodes[n] = nodes[n].but(**changes)
        return s.but(nodes=tuple(nodes))

    def _want(self, s: State, n: int, wanted: Wanted) -> State:
        """Change what is wanted of a node; a workflow that read the version before notices when it writes."""
        flows = tuple([flow.but(stands=False) if flow.node == n and flow.step == "word" else flow for flow in s.flows])
        wishes = tuple([wish.but(stands=False) if wish.node == n else wish for wish in s.wishes])
        return self._node(s.but(flows=flows, wishes=wishes), n, wanted=wanted)

    # Workflows

    @staticmethod
    def _without(s: State, number: int) -> State:
        return s.but(flows=s.flows[:number] + s.flows[number + 1 :])

    @staticmethod
    def _at(s: State, number: int, step: str, **changes: Any) -> State:
        if step in {"settle", "ask"}:
            changes["asked"] = 0
        if step not in LOOKING:
            changes |= NO_LOOKS
        flow = s.flows[number].but(step=step, waited=0, **changes)
        return s.but(flows=(*s.flows[:number], flow, *s.flows[number + 1 :]))

    def _ours(self, s: State, flow: Flow) -> bool:
        """Whether the claim is this workflow's; each case is asked once."""
        node = s.nodes[flow.node]
        case = (flow.token, node.wanted, node.holder, node.lease, node.rests)
        if case not in self._held:
            self._held[case] = claims.is_met(claims.is_claimed_by(str(flow.token)), facts_of(node))
        return self._held[case]

    def _renewed(self, s: State, flow: Flow) -> State | None:
        """Renew the lease; None if the claim has passed to another."""
        return self._node(s, flow.node, lease=self.lease, rests=0) if self._ours(s, flow) else None

    def flow_steps(self, s: State, number: int) -> Iterator[Step]:
        """Yield what one workflow may do next."""
        flow = s.flows[number]
        for what, after in self._advance(s, number):
            yield f"{flow.kind} {flow.token} on {s.nodes[flow.node].name}: {what}", after

    def _advance(self, s: State, number: int) -> Iterator[Step]:
        step = s.flows[number].step
        if step not in self._methods:
            self._methods[step] = getattr(self, f"_{step.replace(' ', '_')}")
        return self._methods[step](s, number)

    def _leave(self, s: State, number: int) -> Iterator[Step]:
        yield Did.LEAVES_IT_TO_THE_OTHER_WORKFLOW, self._without(s, number)

    def _claim(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        node = s.nodes[flow.node]
        first = {RETIRE: "close", START: "start", SET: "set"}[flow.kind]
        opens = flow.kind == SET and node.wanted is Wanted.OPEN  # allowed at any time
        if not opens and (s.paused or not s.control or s.read_bursting):
            yield Did.REFUSED, self._without(s, number)
        elif (renewed := self._renewed(s, flow)) is not None:
            yield Did.CLAIMS, self._at(renewed, number, first)
        elif claims.is_met(claims.is_free(NOW), facts_of(node)):
            action = {RETIRE: Action.STOP, START: Action.START}.get(flow.kind, Action.OPEN)
            s = self._want(s, flow.node, action.wanted)
            s = self._node(s, flow.node, holder=flow.token, lease=self.lease, action=action, rests=0)
            yield Did.CLAIMS_BY_HAND, self._at(s, number, first, stands=True)
        else:
            yield from self._leave(s, number)

    def _finish(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        if self._ours(s, flow):
            s = self._node(s, flow.node, holder=0, lease=0, action=None, rests=0)
        yield Did.ENDS, self._without(s, number)

    def _give_up(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        if self._ours(s, flow):
            s = self._node(s, flow.node, given_up=True)
        yield Did.GIVEN_UP, next(self._finish(s, number))[1]

    # Closing and opening, as part of any workflow

    def _after_closing(self, flow: Flow) -> str:
        return {RETIRE: "look 1", START: "check", SET: "settle"}[flow.kind]

    def _close(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        node = s.nodes[flow.node]
        refused = "check" if flow.kind == START else "finish"
        renewed = self._renewed(s, flow)
        if renewed is None:
            yield from self._leave(s, number)
        elif s.paused or node.door == THEIRS:
            yield Did.MAY_NOT_CLOSE_IT, self._at(renewed, number, refused)
        elif node.door == OURS and node.closed is not None:
            waits = self._node(renewed, flow.node, rests=max(0, self.replication - node.closed))
            yield Did.FINDS_IT_CLOSED, self._at(waits, number, self._after_closing(flow))
        else:
            forgotten = self._node(renewed, flow.node, closed=None)
            yield Did.ABOUT_TO_CLOSE_IT, self._at(forgotten, number, "close 2")

    def _close_2(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        self._must_hold_the_claim(s, flow, "closed a node")
        if s.nodes[flow.node].door == THEIRS:
            raise BrokenError("closed in its own name what a person has closed")
        since = s.nodes[flow.node].since if s.nodes[flow.node].door == OURS else 0
        yield Did.CLOSES_IT, self._at(self._node(s, flow.node, door=OURS, since=since), number, "close 3")

    def _close_3(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        if not self._ours(s, flow):
            yield from self._leave(s, number)
        else:
            noted = self._node(s, flow.node, closed=0, rests=self.replication)
            yield Did.NOTES_THAT_IT_IS_CLOSED, self._at(noted, number, self._after_closing(flow))

    def _open(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        node = s.nodes[flow.node]
        after = {RETIRE: "finish", START: "check", SET: "settle"}[flow.kind]
        renewed = self._renewed(s, flow)
        if renewed is None:
            yield from self._leave(s, number)
        elif node.door == THEIRS:
            yield Did.MAY_NOT_OPEN_IT, self._at(renewed, number, "finish" if flow.kind != START else "give up")
        elif node.door == OPEN:
            yield Did.FINDS_IT_OPEN, self._at(self._node(renewed, flow.node, closed=None), number, after)
        else:
            noted = self._node(renewed, flow.node, closed=None, opened=0)
            yield Did.ABOUT_TO_OPEN_IT, self._at(noted, number, "open 2")

    def _open_2(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        self._must_hold_the_claim(s, flow, "opened a node")
        if s.nodes[flow.node].door == THEIRS:
            raise BrokenError("opened what a person has closed")
        after = {RETIRE: "finish", START: "check", SET: "settle"}[flow.kind]
        since = s.nodes[flow.node].since if s.nodes[flow.node].door == OPEN else 0
        yield Did.OPENS_IT, self._at(self._node(s, flow.node, door=OPEN, since=since), number, after)

    def _must_hold_the_claim(self, s: State, flow: Flow, doing: str) -> None:
        if s.nodes[flow.node].holder != flow.token:
            raise BrokenError(f"two workflows at work on one node: one {doing} without its claim")

    def _turn(self, s: State, number: int) -> Iterator[Step]:
        """Close or open the node, as the newest plan wants it."""
        flow = s.flows[number]
        if not self._ours(s, flow):
            yield from self._leave(s, number)
        elif s.nodes[flow.node].wanted is Wanted.OPEN:
            yield Did.TURNS_ROUND, self._at(s, number, "open")
        else:
            yield Did.LEAVES_IT_CLOSED, self._at(s, number, "finish")

    # set_open

    def _set(self, s: State, number: int) -> Iterator[Step]:
        if not self._ours(s, s.flows[number]):
            yield from self._leave(s, number)
        else:
            yield from (self._open if s.nodes[s.flows[number].node].wanted is Wanted.OPEN else self._close)(s, number)

    def _settle(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        node = s.nodes[flow.node]
        differs = (node.wanted is Wanted.OPEN) != (node.door == OPEN)
        if not self._is_known_everywhere(node, flow) and not (differs and node.wanted is Wanted.OPEN):
            return
        renewed = self._renewed(s, flow)
        if renewed is None:
            yield from self._leave(s, number)
        elif differs:
            yield Did.LOOKS_AGAIN, self._at(renewed, number, "set")
        else:
            yield Did.DONE, self._at(renewed, number, "finish")

    def _is_known_everywhere(self, node: Node, flow: Flow) -> bool:
        """Say whether every node knows of a change; an earlier try of the same step may have made it."""
        if flow.asked >= self.replication:
            return True
        if node.wanted is Wanted.OPEN:
            return node.door == OPEN and node.opened is None
        return node.closed is not None and node.closed >= self.replication

    # retire_node

    def _look_1(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        closed = s.nodes[flow.node].closed
        if closed is not None and closed < self.replication:
            return
        yield from self._look(s, number, "first", "look 2")

    def _look_2(self, s: State, number: int) -> Iterator[Step]:
        first = s.flows[number].first
        if first is not None and first.age < self.gap:
            return
        yield from self._look(s, number, "second", "ask")

    def _look(self, s: State, number: int, which: str, then: str) -> Iterator[Step]:
        flow = s.flows[number]
        node = s.nodes[flow.node]
        renewed = self._renewed(s, flow)
        if renewed is None:
            yield from self._leave(s, number)
            return
        if node.wanted is not Wanted.OFF:
            yield Did.WANTED_OTHERWISE, self._at(renewed, number, "turn")
            return
        for shown in (False, True) if node.call == UNSEEN else (False,):
            look = self.see(node, shown=shown)
            ends = not (look.complete and look.empty)
            after = self._node(renewed, flow.node, rests=self.gap if which == "first" else 0)
            yield (
                (Did.LOOKS if look.empty else Did.FINDS_IT_NOT_EMPTY),
                self._at(after, number, "finish" if ends else then, **{which: look}),
            )
            if s.left.faults and not ends:
                poorer = self._spend(after, faults=1)
                yield (
                    "looks, by a clock that is two minutes ahead",
                    self._at(poorer, number, then, **{which: look.but(age=-AHEAD, off=AHEAD)}),
                )

    def see(self, node: Node, *, shown: bool) -> Look:
        """One live look at a node."""
        visible = self._shows_call(node, shown=shown)
        return Look(
            age=0,
            empty=not visible,
            complete=node.sight != CUT_OFF,
            synced=node.sight != UNSYNCED,
            door=node.door,
            alarm=node.sight == ALARM,
            lied=node.sight == LIES,
            up=is_heard(node),
        )

    def _ask(self, s: State, number: int) -> Iterator[Step]:
        """The last question: is it still closed?"""
        flow = s.flows[number]
        renewed = self._renewed(s, flow)
        if renewed is None:
            yield from self._leave(s, number)
        else:
            yield Did.ASKS_LAST_OF_ALL, self._at(renewed, number, "judge", answer=s.nodes[flow.node].door, asked=0)

    def _is_old(self, flow: Flow) -> bool:
        """Say whether the last question was asked so long ago that an opening since may have brought a call."""
        return flow.asked > self.ask_age

    def _judge(self, s: State, number: int) -> Iterator[Step]:
        """The stop function reads everything and asks the rules."""
        flow = s.flows[number]
        node = s.nodes[flow.node]
        if not node.on or node.stopping:
            yield Did.FINDS_IT_STOPPING, self._at(s, number, "gone")
        elif node.wanted is not Wanted.OFF and self._ours(s, flow):
            yield Did.WANTED_OTHERWISE, self._at(s, number, "turn")
        elif self.shipped.may_stop(s, flow):
            if self._is_old(flow):
                yield Did.ASKS_AGAIN, self._at(s, number, "ask")
                return
            yield Did.ALLOWED_TO_STOP_IT, self._at(s, number, "word", stands=True, wrong=self.objection(s, flow))
        elif self._ours(s, flow):
            yield Did.REFUSED_TO_STOP_IT, self._at(s, number, "finish")
        else:
            yield from self._leave(s, number)

    def objection(self, s: State, flow: Flow) -> str:
        """Say what, by the promises in docs/safety.md, forbids a stop now; written independently, to check the rules."""
        node = s.nodes[flow.node]
        promises = {
            "stopped outside control mode": not s.control,
            "stopped beside Pexip's own controller": s.read_bursting,
            "stopped an instance without the tag": not node.tagged,
            "stopped while paused": s.paused,
            "stopped during an upgrade": s.read_upgrading,
            "stopped what is promised": s.held and flow.node == 0 and is_heard(node),
            "stopped a start that may still come up": not is_heard(node) and node.age < 2 * self.boot_limit,
            "stopped before its minimum lifetime": node.age < self.lifetime,
            "stopped on an old plan": s.plan_age > 2 * MINUTE,
            "stopped what a person had closed": flow.second is not None and flow.second.door == THEIRS,
        }
        return next((words for words, broken in promises.items() if broken), "")

    def _word(self, s: State, number: int) -> Iterator[Step]:
        """The last conditional write."""
        flow = s.flows[number]
        node = s.nodes[flow.node]
        if claims.is_met(claims.is_the_last_word(str(flow.token), 1, NOW), facts_of(node, stands=flow.stands)):
            spoken = self._node(s, flow.node, lease=self.lease, rests=0)
            wrong = flow.wrong or ("" if flow.stands else "stopped what the newest plan wants otherwise")
            yield Did.HAS_THE_LAST_WORD, self._at(spoken, number, "stop", wrong=wrong)
        elif self._ours(s, flow) and node.lease > 0:
            yield Did.FINDS_THAT_THE_PLAN_HAS_CHANGED, self._at(s, number, "turn", wrong="")
        else:
            yield from self._leave(s, number)

    def _stop(self, s: State, number: int) -> Iterator[Step]:
        """StopInstances."""
        flow = s.flows[number]
        node = s.nodes[flow.node]
        if not node.on or node.stopping:
            yield Did.FINDS_IT_STOPPING, self._at(s, number, "gone", wrong="")
            return
        if flow.second is not None and flow.second.age > self.look_age:
            yield Did.FINDS_ITS_LAST_LOOK_TOO_OLD, self._at(s, number, "finish")
            return
        if self._is_old(flow):
            yield Did.ASKS_AGAIN, self._at(s, number, "ask")
            return
        self._must_hold_the_claim(s, flow, "stopped a node")
        if flow.wrong:
            raise BrokenError(flow.wrong)
        if node.call:
            raise BrokenError("a call was cut")
        stopped = self._node(s, flow.node, stopping=True, hung=not is_heard(node))
        yield Did.STOPS_IT, self._at(stopped, number, "gone", wrong="")

    def _gone(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        node = s.nodes[flow.node]
        renewed = self._renewed(s, flow)
        if renewed is None:
            yield from self._leave(s, number)
        elif not node.on:
            yield Did.SEES_THAT_IT_IS_OFF, self._at(renewed, number, "open")
        elif not node.stopping:
            yield Did.SEES_THAT_SOMEBODY_STARTED_IT_AGAIN, self._at(renewed, number, "finish")

    # start_node

    def _start(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        renewed = self._renewed(s, flow)
        if renewed is None:
            yield from self._leave(s, number)
        elif s.paused:
            yield Did.REFUSED_TO_START_IT, self._at(renewed, number, "finish")
        else:
            yield Did.ABOUT_TO_START_IT, self._at(renewed, number, "start 2")

    def _start_2(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        node = s.nodes[flow.node]
        self._must_hold_the_claim(s, flow, "started a node")
        reserve = node.wanted is Wanted.CLOSED
        if node.stopping:
            yield Did.CANNOT_START_WHAT_IS_STOPPING, self._at(s, number, "give up")
            return
        after = self._at(s, number, "close" if reserve else "check", asked=0)
        yield Did.STARTS_IT, self.switch_on(after, flow.node)
        yield Did.TOLD_THAT_EC2_HAS_NO_ROOM, self._at(s, number, "give up")

    def switch_on(self, s: State, n: int) -> State:
        """Launch the instance unless it runs, no matter who asks."""
        node = s.nodes[n]
        if node.on or node.stopping:
            return s
        flows = tuple(
            [
                flow.but(
                    first=flow.first and flow.first.but(same_boot=False),
                    second=flow.second and flow.second.but(same_boot=False),
                )
                if flow.node == n
                else flow
                for flow in s.flows
            ]
        )
        life = EARLIER if node.life else NONE
        return self._node(s.but(flows=flows), n, on=True, up=False, age=0, sight=GOOD, life=life)

    def _check(self, s: State, number: int) -> Iterator[Step]:
        flow = s.flows[number]
        node = s.nodes[flow.node]
        renewed = self._renewed(s, flow)
        if renewed is None:
            yield from self._leave(s, number)
        elif node.wanted is Wanted.OFF:
            yield Did.NO_LONGER_WANTED, self._at(renewed, number, "finish")
        else:
            match self.shipped.progress(s, flow):
                case Progress.SERVING | Progress.IN_RESERVE:
                    yield (
                        Did.SERVES,
                        self._at(self._node(renewed, flow.node, given_up=False, hung=False), number, "finish"),
                    )
                case Progress.CLOSED:
                    yield Did.UP_AND_CLOSED, self._at(renewed, number, "open")
                case Progress.FAILED:
                    yield Did.DID_NOT_SERVE_IN_TIME, self._at(renewed, number, "give up")
                case _ if node.lease < self.lease:
                    yield Did.STILL_BOOTS, renewed

    # Everybody else

    def calls(self, s: State) -> Iterator[Step]:
        """Calls land and end, nodes come up."""
        judged = {flow.node for flow in s.flows if self._is_about_to_stop(flow)}
        for n, node in enumerate(s.nodes):
            if node.on and not node.up and not node.stopping and node.age >= MINUTE:
                yield f"{node.name} is up", self._node(s, n, up=True)
                if s.left.sights:
                    unheard = self._node(self._spend(s, sights=1), n, up=True, sight=NEVER)
                    yield f"{node.name} is up, and Pexip does not hear of it", unheard
            if node.call:
                yield f"the call on {node.name} ends", self._node(s, n, call=0)
            elif node.up and not node.stopping:
                if s.left.calls and (node.door == OPEN or node.since < self.replication):
                    yield f"a call lands on {node.name}", self._node(self._spend(s, calls=1), n, call=UNSEEN)
                elif s.left.strays and node.door != OPEN and n not in judged:
                    yield f"someone dials {node.name}", self._node(self._spend(s, strays=1), n, call=SEEN)

    @staticmethod
    def _is_about_to_stop(flow: Flow) -> bool:
        """Say whether the second look is under a minute old: the model assumes that nothing happens on the node then."""
        return (
            flow.step in STOPPING | {"ask"} and flow.second is not None and flow.second.age + flow.second.off <= MINUTE
        )

    def people(self, s: State) -> Iterator[Step]:
        """What people do."""
        if s.left.people:
            yield from (act for act in self._acts(self._spend(s, people=1)) if self.only in act[0])

    def _acts(self, s: State) -> Iterator[Step]:
        yield "somebody resumes" if s.paused else "somebody pauses", s.but(paused=not s.paused)
        if s.control:
            yield "the mode becomes observe", s.but(control=False)
        if not s.held:
            yield f"{s.nodes[0].name} is promised", s.but(held=True)
        yield "an upgrade ends" if s.upgrading else "an upgrade begins", s.but(upgrading=not s.upgrading)
        if not s.bursting:
            yield "bursting is enabled", s.but(bursting=True)
        yield from self._hands(s)

    def _hands(self, s: State) -> Iterator[Step]:
        """What people do to one node; not to one whose door a workflow is changing at that very moment.

        Nor do they open a node and close it again in Headroom's name while it is being retired, or before Pexip shows a
        call that came meanwhile: nobody can see that. Changing the reason of a closed node lets no call in.
        """
        asked = {flow.node for flow in s.flows if flow.step in STOPPING and not self._is_old(flow)}
        busy = asked | {flow.node for flow in s.flows if flow.step in {"close 2", "open 2"}}
        for n, node in enumerate(s.nodes):
            if n not in busy:
                retiring = any(flow.node == n and flow.kind == RETIRE for flow in s.flows)
                hidden = {OURS} if node.call == UNSEEN or (retiring and node.door == OPEN) else set()
                for door in (OPEN, OURS, THEIRS):
                    if door not in {node.door} | hidden:
                        since = 0 if OPEN in {door, node.door} else node.since
                        yield f"a person sets {node.name} {door}", self._node(s, n, door=door, since=since)
            if node.on and not node.stopping:
                yield f"a person stops {node.name}", self._node(s, n, stopping=True, call=0)
                yield f"a person restarts {node.name}", self.switch_on(self._node(s, n, on=False, up=False, call=0), n)
            else:
                yield f"a person starts {node.name}", self.switch_on(s, n)
            if node.tagged:
                yield f"{node.name} loses its tag", self._node(s, n, tagged=False)
            if node.on:
                yield from self._by_hand(s, n)

    def _by_hand(self, s: State, n: int) -> Iterator[Step]:
        """A person begins a retirement, or invokes the stop function with looks that nobody took."""
        flow, name = Flow(self._new_token(s), n, RETIRE, "claim"), s.nodes[n].name
        if not any(other.node == n for other in s.flows):
            yield f"a person retires {name}", s.but(flows=(*s.flows, flow))
        look = Look(age=0, empty=True, complete=True, synced=True, door=OURS, alarm=False)
        forged = flow.but(step="judge", first=look.but(age=self.gap), second=look, answer=OURS)
        yield f"a person invokes the stop function for {name}", s.but(flows=(*s.flows, forged))

    def others(self, s: State) -> Iterator[Step]:
        """Pexip's own controller: it starts nodes, and stops those that carry nothing."""
        if not (s.bursting and s.left.others):
            return
        s = self._spend(s, others=1)
        for n, node in enumerate(s.nodes):
            if not node.on:
                yield f"Pexip starts {node.name}", self.switch_on(s, n)
            elif not node.call and not node.stopping:
                yield f"Pexip stops {node.name}", self._node(s, n, stopping=True)

    def sights(self, s: State) -> Iterator[Step]:
        """How Pexip sees a node."""
        for n, node in enumerate(s.nodes):
            if node.sight != GOOD:
                yield f"Pexip sees {node.name} again", self._node(s, n, sight=GOOD)
            elif s.left.sights and node.up:
                for sight in (ALARM, CUT_OFF, UNSYNCED, LIES):
                    yield f"{node.name}: {sight}", self._node(self._spend(s, sights=1), n, sight=sight)

    # When nothing more goes wrong

    def settles(self, s: State, *, boots: bool) -> State:
        """What comes next when nothing more happens than workflows, ticks and time; the same state where nothing moves."""
        for number in range(len(s.flows)):
            after = next(self._advance(s, number), None)
            if after is not None and after[1] != s:
                return after[1]
        if s.wishes:
            return self.write(s)
        nodes = tuple(
            [node.but(call=0, sight=GOOD, up=node.up or (boots and node.on and node.age >= MINUTE)) for node in s.nodes]
        )
        s = self.passes(s.but(nodes=nodes), MINUTE)
        return self.think(self.freed(self._read(s, shown=True)))

    def amiss(self, s: State) -> str:
        """Return what is wrong with a state in which nothing moves any more; empty if nothing is."""
        if s.flows or s.wishes:
            return f"a workflow never ends: {s.flows or s.wishes}"
        issues = self.shipped.planned(s).issues
        for n, node in enumerate(s.nodes):
            if node.tagged:
                wrong = self._amiss(s, n, is_shown=node.name in issues)
            else:
                is_shown = node.name in issues or "There are no overflow nodes" in issues
                wrong = "" if is_shown else "has lost its tag, and no issue says so"
            if node.holder or wrong:
                return f"{node.name} {wrong or 'is claimed by nobody, for ever'}"
        return ""

    @staticmethod
    def _amiss(s: State, n: int, *, is_shown: bool) -> str:
        node = s.nodes[n]
        controls = s.control and not (s.read_bursting or s.read_upgrading)
        is_needed = s.rush or s.paused or (s.held and n == 0)
        wrongs = {
            "has lost its lifetime": node.life != (THIS if node.on else NONE),
            "stays closed for ever": controls and node.door == OURS and (node.up or not node.on),
            "is missing for ever": controls and s.rush and not s.paused and _can_serve(node),
            "stays on for ever": controls and node.door == OPEN and node.up and not is_needed,
            "is left alone, and no issue says so": not is_shown and (node.door == THEIRS or (node.on and not node.up)),
        }
        return next((words for words, wrong in wrongs.items() if wrong), "")


def _can_serve(node: Node) -> bool:
    """Say whether a node that no workflow has could be started or opened: what Headroom is to do with it in a rush."""
    if not node.tagged or node.lease > 0 or node.stopping or node.door == THEIRS:
        return False
    return node.up and node.door == OURS and node.sight == GOOD if node.on else not node.hung
