"""Schedules of the shipped workflows: a seed decides the load, what goes wrong and when; at the end all must recover."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from random import Random
from typing import Any

from headroom.domain.fleet.lifecycle import Pause
from headroom.domain.fleet.signature import is_ours, signed, signer
from headroom_lab.proof import odd
from headroom_lab.proof.cloud import Machine
from headroom_lab.proof.danger import UNSEEN, Danger
from headroom_lab.proof.stage import FUNCTIONS, HOSTNAME, Hazards, Stage
from headroom_lab.proof.waiting import Waiting
from headroom_replay.world import Node

# Minutes: of trouble, of danger to the last retirements, until all must be well, and until meddling is forgotten
TROUBLED, DANGEROUS, CALM, FORGOTTEN = 35.0, 12.0, 25.0, 85.0
DEALT, DRAWN = 2, 3  # incidents of a schedule: dealt, and at the most drawn
ASSISTED, LOOKED_AT, PRESSED, CLOCK_OFF = (
    "the mode changes to assist and back",
    "a person looks at the dashboard",
    "a person presses a button",
    "a function's clock is off",
)
RENAMED, EXCHANGED, RESTORED = (
    "a node is renamed",
    "two nodes exchange their names",
    "the table is restored as it was a quarter of an hour ago",
)
ODD = "odd"  # the promise that cannot be read
HOME_LOST = (2, 8)  # minutes
LONGEST_TRY = 8.0  # minutes, to stop what may not be stopped: it is tried once an hour
SOON = {"a status lies": 5, "nodes that are off have no status": 5, "boot drills are due": 1}  # minutes until it begins
QUARTER = 15 * 60.0
LAST_STEPS = ("Ask last of all whether it is still closed", "Stop it")
MENDED_AGAIN = 3 * 60.0  # seconds
WITNESSED = 600  # seconds after which EC2 has a whole period with the traffic of a call to a closed node


@dataclass(slots=True)
class Played:
    """How one schedule went: what happened, and what was wrong about it."""

    seed: int
    happened: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    stops: int = 0
    starts: int = 0
    executions: int = 0
    objections: Counter[str] = field(default_factory=Counter)  # of the rules of a stop: the first, and the only one
    looks: Counter[str] = field(default_factory=Counter)  # what they found
    waits: Counter[str] = field(default_factory=Counter)  # plans until missing capacity was asked for
    answered: Counter[str] = field(default_factory=Counter)  # by function
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)  # by function and request
    wrote: Counter[tuple[str, str, str]] = field(
        default_factory=Counter
    )  # by function and request: the kind of partition
    script: list[str] = field(default_factory=list)  # of a schedule that went wrong: the incidents it takes


class Play:
    """One schedule; `only` leaves all incidents but these out, which is how a failing seed is shrunk."""

    def __init__(self, seed: int, only: tuple[int, ...] | None = None) -> None:
        self.seed = seed
        self.dice = Random(f"play {seed}")
        dice = self.dice
        self.hazards = Hazards(
            Random(f"hazards {seed}"),
            dies=dice.choice((0, 0, 0.002, 0.01)),
            delayed=dice.choice((0, 0, 0.005, 0.02)),
            answer_lost=dice.choice((0, 0, 0.02, 0.1)),
            lands_late=dice.choice((0, 0, 0.05, 0.3)),
            given_up=dice.choice((0, 0, 0.02, 0.1)),
            message_lost=dice.choice((0, 0, 0.05, 0.3)),
            message_doubled=dice.choice((0, 0, 0.1)),
            late=dice.choice((0, 0, 0.1)),
            rates={"EC2": dice.choice((0, 0, 0.1, 0.5)), "DynamoDB": dice.choice((0, 0, 0.005))},
            no_room=dice.choice((0, 0, 0.3)),
        )
        self.stage = Stage(seed, hazards=self.hazards)
        self.began = self.stage.now
        self.stage.spread = dice.choice((1.0, 58.0))
        self.waiting = Waiting(self.stage)
        self.stage.plan_watchers.append(self.waiting.planned)
        self.danger = Danger(self.stage, dice.choice((0.0, 0.8, 1.0)), seed)
        self.stage.skew = dice.choice((0, 0, -40, 40))
        kinds = self._dealt()
        kinds += [kind for kind in dice.sample(sorted(self.incidents()), dice.randint(0, DRAWN)) if kind not in kinds]
        at = [dice.uniform(0, SOON.get(kind, 10 if "the always-on node" in kind else TROUBLED - 5)) for kind in kinds]
        self.backups: list[tuple[float, dict[str, dict[str, Any]]]] = []
        self.restored: tuple[float, float] | None = None  # as of when, and when
        self.script = [each for n, each in enumerate(zip(at, kinds, strict=True)) if only is None or n in only]

    def _dealt(self) -> list[str]:
        """Deal some of the incidents as from a pack that is shuffled after each round: many seeds in a row meet all of them."""
        cards = sorted(self.incidents())
        rounds, at = divmod(DEALT * self.seed, len(cards))
        packs = (Random(f"pack {number}").sample(cards, len(cards)) for number in (rounds, rounds + 1))
        return list(dict.fromkeys(list(chain.from_iterable(packs))[at : at + DEALT]))

    def run(self) -> Played:
        """Play it."""
        with self.stage:
            return self.perform()

    def perform(self) -> Played:
        """Play it on a stage that is set."""
        stage = self.stage
        stage.world.clock_skew = stage.skew
        self._load()
        incidents = self.incidents()
        for at, kind in self.script:
            stage.after(60 * at, self._incident(kind, incidents[kind]))
        stage.after(0, stage.every_minute)
        if RESTORED in [kind for _, kind in self.script]:
            self._keep_backup()
        stage.after(60 * self.dice.uniform(2, TROUBLED), self._learn)
        stage.minutes(TROUBLED)
        self.calm()
        stage.minutes(DANGEROUS)
        self.danger.ends = True
        stage.minutes(CALM)
        verdict = self.verdict()
        if verdict.wrong and not stage.cloud.cut:  # what somebody else starts and stops holds Headroom for an hour
            stage.minutes(FORGOTTEN)
            verdict = self.verdict()
        if verdict.wrong and stage.at_work:  # what began in the last minutes may end
            stage.minutes(LONGEST_TRY)
            verdict = self.verdict()
        return verdict

    def _load(self) -> None:
        """Meetings that fill the principal location now and then."""
        dice = self.dice
        for meeting in range(dice.randint(1, 4)):
            begins, lasts = dice.uniform(0, TROUBLED - 12), dice.uniform(3, 12)
            for _ in range(dice.randint(3, 12)):
                joins = begins + dice.uniform(0, 1)
                self.stage.expect((joins, f"meeting {meeting}", lasts))
        for _ in range(dice.choice((0, 0, 8))):
            self.stage.after(60 * dice.uniform(2, TROUBLED), self._dial)

    def _incident(self, kind: str, what: Callable[[], None]) -> Callable[[], None]:
        def happen() -> None:
            self.hazards.happened[kind] += 1
            what()

        return happen

    # What may happen

    def incidents(self) -> dict[str, Callable[[], None]]:
        """Name everything that happens once or twice in a run, each with what does it."""
        return {
            "an instance never boots": self._never_boots,
            "a boot takes 25 minutes": self._slow_boot,
            "an instance dies": lambda: self._switch(off=True),
            "an instance is terminated": self._terminate,
            "a person restarts an instance": self._restart,
            "a person starts an instance": lambda: self._switch(off=False),
            "a person closes a node": lambda: self._door(closed=True),
            "a person opens a node": lambda: self._door(closed=False),
            RENAMED: self._rename,
            EXCHANGED: self._exchange,
            RESTORED: self._restore,
            "another stack closes a node": self._other_stack,
            "Pexip cannot reach the always-on node": lambda: self._lose_home("unreachable", bad=True, good=False),
            "the always-on node is out of step": lambda: self._lose_home("out_of_step", bad=True, good=False),
            "the always-on node does not say what it can take": lambda: self._lose_home(
                "shows_capacity", bad=False, good=True
            ),
            "a person closes the always-on node": self._close_home,
            "nodes that are off have no status": lambda: setattr(self.stage.world.switches, "powered_off_row", False),
            "boot drills are due": lambda: self.stage.set_policy(boot_drill_days="14", time_zone="Europe/Stockholm"),
            "a person starts start_node": lambda: self._by_hand("start_node"),
            "a person starts retire_node": lambda: self._by_hand("retire_node"),
            "a person aborts an execution": self._abort,
            "Pexip is unreachable for minutes": lambda: self._unreachable(self.dice.uniform(2, 20)),
            "Pexip is unreachable for an hour": lambda: self._unreachable(60),
            "Pexip answers with errors": self._errors,
            "Pexip's answers are odd for minutes": lambda: self._for_minutes("odd", self.dice.choice((0.03, 0.3))),
            "requests fail as nobody thought of": lambda: self._for_minutes(
                "unthought", self.dice.choice((0.005, 0.05))
            ),
            "a promise cannot be read": self._odd_promise,
            "a node's record cannot be read": self._odd_memory,
            "a pause cannot be read": self._odd_pause,
            "the newest plan cannot be read": lambda: self._spoil("now", "plan"),
            "the newest reading cannot be read": lambda: self._spoil("now", "reading"),
            "a lifetime cannot be read": lambda: self._odd("on", "i-odd", node="burst-1", launched_at="then"),
            "a person types what no text should be": self._type,
            "every token expires": self.stage.manager.access.tokens.clear,
            "a status lags": self._lag,
            "EC2's figures come late": self._figures_late,
            "the Management Node's clock is off": self._manager_clock,
            CLOCK_OFF: self._function_clock,
            "an instance has stop protection": lambda: self._protect(protected=True),
            "a status lies": self._lie,
            "Pexip cannot reach a node": self._cut_off,
            "Pexip is upgraded": self._upgrade,
            "the settings change": lambda: self.stage.set_policy(threshold="6"),
            "the mode changes to observe and back": self._observe,
            ASSISTED: self._assist,
            LOOKED_AT: self._look,
            PRESSED: self._press,
            "Headroom is paused and resumed": self._pause,
            "Pexip's own bursting is enabled and disabled": self._bursting,
            "Headroom is dead for minutes": self._dead,
        }

    def _machine(self, *states: str) -> Machine | None:
        found = [machine for machine in self.stage.cloud.machines.values() if machine.state in states]
        return self.dice.choice(found) if found else None

    def _dial(self) -> None:
        """Someone dials a closed node directly, and stays a while."""
        closed = [n for n in self.stage.overflow if n.closed.now and n.ready(self.stage.now) and n.overflow and n.on]
        node = next((node for node in closed if not self._is_about_to_stop(node)), None)
        if node is not None:
            self.hazards.happened["someone dials a closed node"] += 1
            self.stage.world.dial(node, 60 * self.dice.uniform(1, 15))

    def _never_boots(self) -> None:
        for node in self.stage.overflow:
            if not node.on:
                node.never_boots = True
                return

    def _slow_boot(self) -> None:
        node = next((node for node in self.stage.overflow if node.on and not node.ready(self.stage.now)), None)
        if node is not None:
            node.ready_at = self.stage.now + 1500
            node.boots_at = node.ready_at - 60

    def _switch(self, *, off: bool) -> None:
        machine = self._machine("running" if off else "stopped")
        if machine is not None:
            (self.stage.cloud.switch_off if off else self.stage.cloud.switch_on)(machine)

    def _terminate(self) -> None:
        machine = self._machine("running")
        if machine is not None:
            self.stage.cloud.switch_off(machine, terminate=True)

    def _restart(self) -> None:
        machine = self._machine("running")
        if machine is not None:
            self.stage.cloud.switch_off(machine)
            self.stage.after(50, lambda: self.stage.cloud.switch_on(machine))

    def _node(self) -> Node:
        return self.dice.choice(self.stage.overflow)

    def _door(self, *, closed: bool) -> None:
        node = self._node()
        self.stage.world.set_closed(node, closed=closed, reason="repair" if closed else "")

    def _rename(self) -> None:
        node = self._node()
        self._call(node, f"{node.name}-new")

    def _exchange(self) -> None:
        one, other = self.dice.sample(self.stage.overflow, 2)
        names = one.name, other.name
        self._call(one, "for a moment")
        self._call(other, names[0])
        self._call(one, names[1])

    def _call(self, node: Node, name: str) -> None:
        denied = self.stage.world.denied
        if node.name in denied:
            denied.remove(node.name)
            denied.add(name)
        self.stage.world.rename(node, name)

    def _keep_backup(self) -> None:
        """Keep the table as it is, for a restore to this minute."""
        items = {pk: {sk: dict(item) for sk, item in part.items()} for pk, part in self.stage.table.items.items()}
        self.backups.append((self.stage.now, items))
        self.stage.after(60, self._keep_backup)

    def _restore(self) -> None:
        """Put the table back, as an operator might after a mistake; all that was written since is gone."""
        at, items = next(
            ((at, items) for at, items in reversed(self.backups) if at <= self.stage.now - QUARTER), self.backups[0]
        )
        self.stage.table.items = items
        self.restored = (at, self.stage.now)

    def _other_stack(self) -> None:
        """A second stack on the same platform closes a node; it is deleted some minutes later, and a person opens the node."""
        node = self._node()
        if not node.closed.now:
            self.stage.world.set_closed(node, closed=True, reason=signed("not needed", "headroom-2"))
            self.stage.after(60 * self.dice.uniform(3, 15), self._without_other_stack)

    def _lose_home(self, what: str, *, bad: bool, good: bool) -> None:
        """The always-on node is lost for some minutes."""
        home = self.stage.world.nodes["always-on"]
        setattr(home, what, bad)
        self.stage.after(60 * self.dice.uniform(*HOME_LOST), lambda: setattr(home, what, good))

    def _close_home(self) -> None:
        world = self.stage.world
        home = world.nodes["always-on"]
        world.set_closed(home, closed=True, reason="repair")
        opens = 60 * self.dice.uniform(*HOME_LOST)
        self.stage.after(opens, lambda: world.set_closed(home, closed=False, reason=""))

    def _without_other_stack(self) -> None:
        for node in self.stage.overflow:
            if node.closed.now and signer(node.closed_reason) == "headroom-2":
                self.stage.world.set_closed(node, closed=False, reason="")

    def _is_about_to_stop(self, node: Node) -> bool:
        """Say whether a stop is so near that no look would show a new call: no such call is played."""
        soon = self.stage.ago(-UNSEEN / 60)
        for each in self.stage.at_work:
            if each.variables.get("node") != node.name:
                continue
            if each.state in {"Look again", "Is it still empty?", *LAST_STEPS}:
                return True
            again_at = (each.variables.get("look") or {}).get("again_at")
            if each.state == "Wait before looking again" and again_at and datetime.fromisoformat(again_at) < soon:
                return True
        return False

    def _by_hand(self, machine: str) -> None:
        name = f"by-hand-{len(self.stage.executions)}"
        self.stage.begin(machine, name, {"node": self._node().name, "reason": "a person wants it"})

    def _type(self) -> None:
        name = self._node().name
        given = self.dice.choice(
            (
                ("start_node", {"node": name, "reason": odd.TEXT}),
                ("retire_node", {"node": name, "reason": odd.TEXT}),
                ("prewarm", {"nodes": [name, odd.TEXT], "reason": odd.TEXT}),
                ("prewarm", {"nodes": [name], "reason": odd.TEXT, "until": odd.TEXT}),
            )
        )
        self.stage.begin(given[0], f"typed-{len(self.stage.executions)}", given[1])
        pressed = {"do": self.dice.choice(("start", "hold", "pause")), "nodes": [self._node().name]}
        self.stage.call("order", pressed | {"widgetContext": {"forms": {"all": {"reason": odd.TEXT, "until": ""}}}})
        self.stage.after(60 * self.dice.uniform(2, 8), self.stage.ledger.end_pause)

    # Records that cannot be read

    def _odd(self, pk: str, sk: str, **attributes: Any) -> None:
        keys = {"pk": f"{pk}#{HOSTNAME}", "sk": sk}
        self.stage.table.items.setdefault(keys["pk"], {})[sk] = keys | attributes

    def _spoil(self, pk: str, sk: str) -> None:
        item = self.stage.table.items.get(f"{pk}#{HOSTNAME}", {}).get(sk)
        if item is not None:
            item.update({name: value for name, value in odd.SPOILT.items() if name in item})

    def _odd_promise(self) -> None:
        self._odd("holds", ODD, body=odd.SPOILT["body"], expires_at=odd.FOREVER)
        self.stage.after(60 * self.dice.uniform(2, 15), lambda: self.stage.ledger.release_hold(ODD))

    def _odd_pause(self) -> None:
        self._odd("now", "pause", reason="network", since=7)
        self.stage.after(60 * self.dice.uniform(2, 8), self.stage.ledger.end_pause)

    def _odd_memory(self) -> None:
        """Until a person begins a start, which writes it anew."""
        name = self._node().name
        self._spoil("nodes", name)
        self.stage.after(60 * self.dice.uniform(2, 10), self._mend)

    def _mend(self) -> None:
        """Start what cannot be read; a start that is refused just now is asked for again."""
        there = {node.name for node in self.stage.overflow}
        unread = [each.name for each in self.stage.ledger.memories_and_unread()[1] if each.name in there]
        for name in unread:
            self.stage.begin("start_node", f"mend-{len(self.stage.executions)}", {"node": name, "reason": "mended"})
        if unread:
            self.stage.after(MENDED_AGAIN, self._mend)

    def _abort(self) -> None:
        if self.stage.at_work:
            self.dice.choice(self.stage.at_work).abort()

    def _unreachable(self, minutes: float) -> None:
        self.hazards.unreachable_until = self.stage.now + 60 * min(minutes, TROUBLED)

    def _for_minutes(self, what: str, chance: float) -> None:
        setattr(self.hazards, what, chance)
        self.stage.after(60 * self.dice.uniform(3, 15), lambda: setattr(self.hazards, what, 0.0))

    def _errors(self) -> None:
        self.hazards.errors_until = self.stage.now + 60 * self.dice.uniform(3, 15)

    def _lag(self) -> None:
        self.stage.world.switches.activity_delay = self.stage.world.switches.status_delay = 25.0

    def _figures_late(self) -> None:
        self.stage.cloud.published_after = 60 * self.dice.uniform(2, 20)

    def _manager_clock(self) -> None:
        switches = self.stage.world.switches
        switches.manager_clock = self.dice.choice((-120.0, -20.0, 20.0, 120.0))
        self.stage.after(60 * self.dice.uniform(5, 20), lambda: setattr(switches, "manager_clock", 0.0))

    def _function_clock(self) -> None:
        """Some environments of one function tell a wrong time."""
        self.stage.clocks[self.dice.choice(FUNCTIONS)] = self.dice.choice((-120.0, -30.0, 30.0, 120.0))
        self.stage.after(60 * self.dice.uniform(5, 30), self.stage.clocks.clear)

    def _protect(self, *, protected: bool) -> None:
        for machine in self.stage.cloud.machines.values():
            machine.protected = protected

    def _lie(self) -> None:
        """Let a call stay on a node; once the node is closed, Pexip's status no longer shows the call."""
        ready = (node for node in self.stage.overflow if node.on and node.ready(self.stage.now))
        node = next((node for node in ready if not self._is_about_to_stop(node)), None)
        if node is not None:
            self.stage.world.dial(node, 60 * TROUBLED)
            self._deny_when_witnessed(node)

    def _deny_when_witnessed(self, node: Node) -> None:
        """Hide a closed node's calls from Pexip's status, but only while EC2's figures show them: else nobody could know."""
        if self.stage.now >= self.began + 60 * TROUBLED:
            return
        denied = self.stage.world.denied
        since = max((call.at for call in node.calls.values()), default=self.stage.now)
        was_here = since <= node.closed.changed_at or self.stage.now - since > WITNESSED
        is_witnessed = node.closed.now and node.calls and was_here
        if node.name in denied and not is_witnessed:
            denied.discard(node.name)
        elif node.name not in denied and is_witnessed and not self._is_about_to_stop(node):
            self.hazards.happened["Pexip denies a call"] += 1
            denied.add(node.name)
        self.stage.after(5, lambda: self._deny_when_witnessed(node))

    def _cut_off(self) -> None:
        node = self._node()
        node.unreachable = True
        self.stage.after(60 * self.dice.uniform(2, 10), lambda: setattr(node, "unreachable", False))

    def _upgrade(self) -> None:
        self.stage.world.upgrading = True
        self.stage.after(60 * self.dice.uniform(3, 10), lambda: setattr(self.stage.world, "upgrading", False))

    def _observe(self) -> None:
        self.stage.set_policy(mode="observe")
        self.stage.after(60 * self.dice.uniform(2, 8), lambda: self.stage.set_policy(mode="control"))

    def _assist(self) -> None:
        """Pexip's own bursting takes over for a while, and Headroom only starts nodes, through Pexip."""
        stage = self.stage
        stage.world.settings["bursting_enabled"] = True
        stage.set_policy(mode="assist", threshold="9")
        stage.after(60 * self.dice.uniform(4, 10), self._control)

    def _control(self) -> None:
        self.stage.world.settings["bursting_enabled"] = False
        self.stage.set_policy(mode="control", threshold="3")

    def _look(self) -> None:
        for page in ("status", "nodes", "history"):
            self.stage.call("show", {"show": page})

    def _press(self) -> None:
        pressed = {"do": self.dice.choice(("start", "hold", "take out", "reinstate")), "nodes": [self._node().name]}
        forms = {"all": {"reason": "a person wants it", "until": ""}}
        self.stage.call("order", pressed | {"widgetContext": {"forms": forms}})

    def _learn(self) -> None:
        """What the night does."""
        self.stage.call("learn", {})
        self.stage.call("examine", {})

    def _pause(self) -> None:
        stage = self.stage
        stage.ledger.keep_pause(Pause(reason="a drill", by="a person"), stage.moment())
        stage.after(60 * self.dice.uniform(2, 8), stage.ledger.end_pause)

    def _bursting(self) -> None:
        settings = self.stage.world.settings
        settings["bursting_enabled"] = True
        self.stage.after(60 * self.dice.uniform(2, 8), lambda: settings.update(bursting_enabled=False))

    def _dead(self) -> None:
        self.stage.observing = False
        self.stage.after(60 * self.dice.uniform(3, 10), lambda: setattr(self.stage, "observing", True))

    # When all is calm

    def calm(self) -> None:
        """Nothing goes wrong any more, and everybody hangs up."""
        stage = self.stage
        self.hazards.calm()
        stage.observing = True
        stage.world.upgrading = False
        stage.world.denied.clear()
        stage.cloud.published_after = 0
        stage.world.switches.manager_clock = 0.0
        stage.clocks.clear()
        self._without_other_stack()
        self._protect(protected=False)
        stage.world.settings["bursting_enabled"] = False
        stage.ledger.end_pause()
        stage.ledger.release_hold(ODD)
        stage.set_policy(mode="control", boot_drill_days="0")
        for node in stage.world.nodes.values():
            node.unreachable = node.out_of_step = False
            node.shows_capacity = True
        home = stage.world.nodes["always-on"]
        if home.closed.now:
            stage.world.set_closed(home, closed=False, reason="")
        self._mend()

    def verdict(self) -> Played:
        """Say what is wrong: a call cut, a mistake in a function, a lifetime lost, a workflow or a node stuck."""
        stage = self.stage
        played = Played(seed=self.seed, happened=self.hazards.happened, executions=len(stage.executions))
        played.stops = sum(request == "StopInstances" for _, request in stage.cloud.requests)
        played.starts = sum(request == "StartInstances" for _, request in stage.cloud.requests)
        played.answered, played.asked, played.wrote = stage.answered, stage.asked, stage.wrote
        played.objections, played.looks = stage.objections, stage.looks
        played.waits = self.waiting.waits
        played.wrong = [
            *stage.cloud.cut,
            *dict.fromkeys(stage.findings),
            *self.waiting.wrong[:1],
            *self._stuck_workflows(),
            *self._lost_lifetimes(),
            *self._stuck_nodes(),
        ]
        return played

    def _stuck_workflows(self) -> list[str]:
        return [f"{each.name} is still at «{each.state}»" for each in self.stage.at_work]

    def _lost_lifetimes(self) -> list[str]:
        """Every power-on that there was is a lifetime in the ledger, and has ended there if it has ended."""
        found = []
        kept = (pk.rpartition("#")[2] for pk in self.stage.table.items if pk.startswith("lifetimes#"))
        lifetimes = [each for node in kept for each in self.stage.ledger.lifetimes(node)]
        for machine in self.stage.cloud.machines.values():
            known = {each.launched_at.timestamp(): each for each in lifetimes if each.instance == machine.id}
            for lifetime in machine.lifetimes:
                there = known.get(lifetime[0])
                if there is None and not self._was_over_unseen(machine, lifetime):
                    found.append(f"a lifetime of {machine.node.name} is lost")
                elif there is not None and len(lifetime) > 1 and not there.stopped_at:
                    found.append(f"a lifetime of {machine.node.name} never ended")
        return found

    def _was_over_unseen(self, machine: Machine, lifetime: list[float]) -> bool:
        """Say whether a power-on ended before the next tick, and no message of it was heard in time: nobody can know of it.

        EC2 tells an instance's newest launch only: what is heard after the next one says nothing of this one.
        """
        if len(lifetime) == 1:
            return False
        began, ended = lifetime
        gone = self.restored or (math.inf, math.inf)  # what was written meanwhile
        later = min((other[0] for other in machine.lifetimes if other[0] > began), default=math.inf)
        heard = [at for at, instance in self.stage.heard if instance == machine.id and began <= at < later]
        seen = [at for at in self._ticks() if began <= at <= ended]
        return all(gone[0] <= at <= gone[1] for at in (*heard, *seen))

    def _ticks(self) -> list[float]:
        return [_epoch(sk) for sk in self.stage.table.items.get(f"plan#{HOSTNAME}", {})]

    def _stuck_nodes(self) -> list[str]:
        planned = self.stage.ledger.last_plan()
        if planned is None:
            return ["nothing was planned at all"]
        shown = " ".join(issue.what for issue in planned.plan.issues)
        memories, unread = self.stage.ledger.memories_and_unread()
        claimed, spoilt = {each.node for each in memories if each.claim}, {each.name for each in unread}
        holds = self.stage.ledger.holds_and_unread(self.stage.moment())[0]
        held = {name for hold in holds for name in hold.nodes}
        out = {name for hold in holds for name in hold.out}  # opened when it is put back
        found = []
        for machine in self.stage.cloud.machines.values():
            node = machine.node
            by_us = node.closed.now and is_ours(node.closed_reason, self.stage.settings.stack)
            if machine.state == "terminated":
                continue
            if machine.state != "stopped" and node.name not in shown and node.name not in held:
                found.append(f"{node.name} stays {machine.state} for ever, and no issue says so")
            elif machine.state == "stopped" and by_us and node.name not in out:
                found.append(f"{node.name} is left closed")
            if node.name in claimed:
                found.append(f"{node.name} is claimed for ever")
            if node.name in spoilt:
                found.append(f"{node.name}'s record stays unreadable")
        return found


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def play(seed: int) -> Played:
    """Play one schedule; one that goes wrong is played again with fewer incidents, as long as it still does."""
    played = Play(seed).run()
    if played.wrong:
        left = tuple(range(len(Play(seed).script)))
        for one in left:
            fewer = tuple(each for each in left if each != one)
            if Play(seed, fewer).run().wrong:
                left = fewer
        played.script = [f"minute {at:.1f}: {kind}" for at, kind in Play(seed, left).script]
    return played
