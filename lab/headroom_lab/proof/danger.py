"""Danger where it hurts: calls and changes that come while a node is being retired, each at its worst moment.

A call that shows in Pexip's status before the second look must be seen, and a change before the stop be noticed. What
docs/safety.md names a limit is not played: a call to a closed node that begins less than `UNSEEN` before the second look.
"""

from collections.abc import Callable
from typing import Any

from headroom.domain.fleet.lifecycle import Hold, Pause
from headroom.domain.safety.safety import GAP
from headroom_lab.proof.stage import Stage
from headroom_replay.world import Node

UNSEEN = 30.0  # seconds that Pexip's status may take to show what has begun
JUST_SEEN = 31.0  # seconds before the second look: the latest that a call must be found
MINUTE = 60.0
HALF, A_QUARTER = 0.5, 0.25
SELDOM = {
    "a person opens the node": 2,
    "a person closes it in their own name": 2,
    "the Management Node's clock jumps": 2,
    "Pexip's own bursting is enabled": 5,
    "Pexip cannot reach the node": 8,
    "an upgrade begins": 2,
    "the instance is restarted": 4,
    "another stack closes a node": 3,
    "a hold needs it": 4,
    "two nodes exchange their names": 6,
    "the stop is held up": 3,
    "it is held up": 3,
    "a pause": 4,
    "the mode becomes observe": 2,
    "its claim is another's": 2,
    "a plan wants it open": 2,
    "the minimum lifetime becomes longer": 4,
}

STRIDE = 7  # from card to card, so that alike ones do not follow one another; no pack's size is a multiple of it

type Acts = dict[str, Callable[[Node], None]]


class Danger:
    """Threatens the retirements of one stage: `chance` is how likely each of them is.

    What happens is dealt as from a pack of cards, of which schedule `seed` begins at that card: a hundred schedules one after the
    other then meet every danger, and not only most of them.
    """

    def __init__(self, stage: Stage, chance: float, seed: int) -> None:
        self.stage, self.chance, self.dice = stage, chance, stage.dice
        self.card = seed
        self.ends = False
        stage.watchers.append(self.watch)

    def watch(self, name: str, payload: Any) -> None:
        """A workflow takes a step: something may happen to its node now, or soon."""
        if self.ends or name not in {"Claim", "SetMaintenance", "CheckEmpty", "StopInstance"}:
            return
        named = payload.get("node") or payload["given"].get("node")
        node = next((each for each in self.stage.overflow if each.name == named), None)
        if node is None or self.dice.random() >= self.chance:
            return
        if name == "Claim" and payload["workflow"] == "retire_node" and self.dice.random() < A_QUARTER:
            self._now("the first look", self.calls(), node)
        elif name == "SetMaintenance" and payload.get("do") != "open" and self.dice.random() < HALF:
            delay = self.stage.world.switches.configuration_delay
            self.stage.after(self.dice.uniform(0.2, delay), lambda: self._join_late(node))
        elif name == "CheckEmpty" and payload.get("rests"):
            self._between_looks(node)
        elif name == "CheckEmpty" and payload.get("last"):
            self._now("the last question", self.before_the_question(), node)
        elif name == "StopInstance":
            self._now("the stop", self.at_last(), node)

    def _now(self, before: str, acts: Acts, node: Node) -> None:
        what = self._one_of(acts)
        self.stage.hazards.happened[f"before {before}: {what}"] += 1
        acts[what](node)

    def _one_of(self, acts: Acts) -> str:
        """Deal what happens next; what seldom reaches the rules is in the pack more often."""
        pack = [name for name in sorted(acts) for _ in range(SELDOM.get(name, 1))]
        self.card += 1
        return pack[self.card * STRIDE % len(pack)]

    def _between_looks(self, node: Node) -> None:
        if self.dice.random() < HALF:
            calls = self.calls()
            what = self.dice.choice(sorted(calls))
            before = self.dice.choice((self.dice.uniform(JUST_SEEN, MINUTE), self.dice.uniform(JUST_SEEN, GAP.seconds)))
            when = "31 to 60 s" if before <= MINUTE else "a minute or two"
            self._later(GAP.seconds - before, f"{when} before the second look: {what}", calls[what], node)
        else:
            acts = self.between()
            what = self._one_of(acts)
            self._later(self.dice.uniform(0, GAP.seconds), f"between the looks: {what}", acts[what], node)

    def _later(self, seconds: float, what: str, does: Callable[[Node], None], node: Node) -> None:
        def happen() -> None:
            if not self.ends:
                self.stage.hazards.happened[what] += 1
                does(node)

        self.stage.after(seconds, happen)

    # Calls

    def calls(self) -> Acts:
        """What a look alone may see."""
        return {
            "someone dials the closed node": self._dial,
            "someone signals through it": self._signal,
            "a device registers": self._register,
        }

    def _lasts(self) -> float:
        return self.dice.choice((self.dice.uniform(20, 90), self.dice.uniform(90, 900)))

    def _takes(self, node: Node) -> bool:
        return node.on and node.ready(self.stage.now)

    def _dial(self, node: Node) -> None:
        if self._takes(node):
            self.stage.world.dial(node, self._lasts())

    def _signal(self, node: Node) -> None:
        media = self.stage.world.nodes["always-on"]
        if self._takes(node):
            self.stage.world.signal_through(node, media, self._lasts())

    def _register(self, node: Node) -> None:
        registered = self.stage.world.registered
        registered["desk"] = node.address
        self.stage.set_policy(check_registrations="true")
        self.stage.after(600, registered.clear)

    def _join_late(self, node: Node) -> None:
        heard = self.stage.now - node.closed.changed_at >= self.stage.world.switches.configuration_delay
        if self._takes(node) and node.closed.now and not heard and not self.ends:
            self.stage.hazards.happened["a caller who has not heard of the closing"] += 1
            self.stage.world.join_late(node, self._lasts())

    # Changes

    def between(self) -> Acts:
        """What changes between the looks, and what a reading shows until the stop."""
        return {
            "a person opens the node": self._open,
            "a person closes it in their own name": self._close,
            "the instance is restarted": self._restart,
            "Pexip cannot reach the node": self._cut_off,
            "an upgrade begins": self._upgrade,
            "Pexip's own bursting is enabled": self._bursting,
            "another stack closes a node": self._other_stack,
            "no plan is made": self._no_plans,
            "the Management Node's clock jumps": self._clock,
            "the instance sends as if it carried a call": self._traffic,
            "a hold needs it": self._hold,
        }

    def before_the_question(self) -> Acts:
        """What changes after the second look, and the last question shows."""
        return {
            "a person opens the node": self._open,
            "a person closes it in their own name": self._close,
            "the Management Node's clock jumps": self._clock,
            "it is held up": self._hold_up,
        }

    def at_last(self) -> Acts:
        """What changes before the rules are asked."""
        return {
            "a person opens the node": self._open,
            "a pause": self._pause,
            "the mode becomes observe": self._observe,
            "a hold needs it": self._hold,
            "its claim is another's": self._claim,
            "the minimum lifetime becomes longer": self._lifetime,
            "two nodes exchange their names": self._exchange,
            "the stop is held up": self._hold_up,
            "a plan wants it open": self._plan,
        }

    def _back(self, seconds: float, does: Callable[[], None]) -> None:
        self.stage.after(seconds, does)

    def _open(self, node: Node) -> None:
        self.stage.world.set_closed(node, closed=False, reason="")

    def _close(self, node: Node) -> None:
        self.stage.world.set_closed(node, closed=True, reason="repair")
        self._back(400, lambda: self.stage.world.set_closed(node, closed=False, reason=""))

    def _restart(self, node: Node) -> None:
        machine = self.stage.cloud.machines[node.instance]
        self.stage.cloud.switch_off(machine)
        self._back(50, lambda: self.stage.cloud.switch_on(machine))

    def _cut_off(self, node: Node) -> None:
        node.unreachable = True
        self._back(self.dice.uniform(60, 300), lambda: setattr(node, "unreachable", False))

    def _upgrade(self, _: Node) -> None:
        self.stage.world.upgrading = True
        self._back(200, lambda: setattr(self.stage.world, "upgrading", False))

    def _bursting(self, _: Node) -> None:
        settings = self.stage.world.settings
        settings["bursting_enabled"] = True
        self._back(200, lambda: settings.update(bursting_enabled=False))

    def _other_stack(self, node: Node) -> None:
        other = next(each for each in self.stage.overflow if each is not node)
        if not other.closed.now:
            self.stage.world.set_closed(other, closed=True, reason="Headroom: [headroom-2] not needed")
            self._back(300, lambda: self.stage.world.set_closed(other, closed=False, reason=""))

    def _no_plans(self, _: Node) -> None:
        self.stage.observing = False
        self._back(240, lambda: setattr(self.stage, "observing", True))

    def _clock(self, _: Node) -> None:
        switches = self.stage.world.switches
        switches.manager_clock = self.dice.choice((-90.0, -10.0, 10.0, 90.0))
        self._back(240, lambda: setattr(switches, "manager_clock", 0.0))

    def _traffic(self, node: Node) -> None:
        machine = self.stage.cloud.machines[node.instance]
        machine.sent = {period: total + 5e6 for period, total in machine.sent.items()}

    def _hold(self, node: Node) -> None:
        now = self.stage.moment()
        until = self.stage.ago(-4)
        self.stage.ledger.promise(
            Hold(id="danger", begins=now, ready_by=now, until=until, reason="all-hands", by="anna", nodes=(node.name,))
        )

    def _pause(self, _: Node) -> None:
        self.stage.ledger.keep_pause(Pause(reason="a drill", by="a person"), self.stage.moment())
        self._back(150, self.stage.ledger.end_pause)

    def _observe(self, _: Node) -> None:
        self.stage.set_policy(mode="observe")
        self._back(150, lambda: self.stage.set_policy(mode="control"))

    def _lifetime(self, _: Node) -> None:
        self.stage.set_policy(minimum_lifetime_minutes="600")
        self._back(150, lambda: self.stage.set_policy(minimum_lifetime_minutes="5"))

    def _claim(self, node: Node) -> None:
        item = self.stage.table.items["nodes#manager.example.com"].get(node.name)
        if item is not None:
            item |= {"claim_token": "a workflow of the past"}

    def _exchange(self, node: Node) -> None:
        other = next(each for each in self.stage.overflow if each is not node)
        names = node.name, other.name
        for each, name in ((node, "for a moment"), (other, names[0]), (node, names[1])):
            self.stage.world.rename(each, name)
        self.stage.call("observe", {})

    def _hold_up(self, _: Node) -> None:
        self.stage.held_up = 62.0

    def _plan(self, node: Node) -> None:
        self._hold(node)
        self.stage.call("decide", {})
