"""Make one plan: read the facts, plan, keep the plan, begin its workflows. Only the function `decide` runs this."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.errors import SupersededError
from headroom.adapters.looks import Looks
from headroom.adapters.notify import Notify
from headroom.adapters.parts import Parts
from headroom.adapters.workflows import Workflows
from headroom.domain.demand.bookings import gathered
from headroom.domain.demand.forecasting import Booking, near
from headroom.domain.fleet.finding import Finding
from headroom.domain.fleet.fleet import Observation, Power, Source, canonical
from headroom.domain.fleet.homes import is_near_threshold
from headroom.domain.fleet.lifecycle import Commitments, Memory, Record, Unread
from headroom.domain.history.events import HEADROOM, Event, Kind, news_of
from headroom.domain.history.record import Decision, Planned
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Change, Plan
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety.claims import NOT_BEGUN, frees_when_ended, last_sign, token_for
from headroom.domain.texts import TOLD, line
from headroom.observability import attempt, is_detailed, logger, measure, measure_of
from headroom.usecases.learn import outlooks_around
from headroom.usecases.record import Recorder
from headroom.version import code_version

EXAMINED = timedelta(hours=36)  # what the doctor found before then is of a night before
SOON = timedelta(seconds=15)  # from a reading near a threshold to the next one
ASKED_ABOUT = 20  # workflows that one plan asks Step Functions about at the most, the longest silent first


@dataclass
class Decider:
    """Everything a plan is made with; `heads` is where the heads of the chain of plans are published."""

    ledger: Ledger
    ec2: Ec2
    workflows: Workflows
    looks: Looks
    heads: Notify
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.ec2, parts.workflows, parts.looks, parts.heads, parts.policy)

    def decide(self, *, since: datetime | None, now: datetime) -> Plan | None:
        """Plan on the newest reading, keep the plan and begin its workflows.

        `since` is the time of the reading that triggered this; a reading that the last plan has seen is skipped. None always
        plans.
        """
        last = self.ledger.last_plan()
        if last and since and since <= last.plan.read_at:
            logger.info("skipped", reading=str(since), because="planned already")
            return None
        observation = self._observed(last, now)
        if observation is None:
            logger.info("skipped", reading=str(since), because="no reading yet")
            return None
        commitments = self.ledger.commitments(now)
        if last and last.unread:
            gone = Unread(what=Record.PLAN, name=f"{last.number}", why=last.unread)
            commitments = replace(commitments, unread=(*commitments.unread, gone))
        commitments = self._without_ended(observation, commitments, now)
        recorder = Recorder(self.ledger, self.ec2)
        attempt(
            lambda: recorder.catch_up(observation, commitments, self.policy, now), "not made good", lost="NotMadeGood"
        )
        made = plan(observation, commitments, self.policy, now)
        decision = Decision(
            version=code_version(), observation=observation, commitments=commitments, policy=self.policy, plan=made
        )
        try:
            begun = self.ledger.keep_plan(decision, last, self._tokens(decision))
        except SupersededError:
            logger.info("superseded", reading=str(since))
            return None
        before = last.plan if last else None
        # Before the workflows begin, as the next plan does not report these issues again
        attempt(lambda: self._write_news(before, made, now), "issues not written down", lost="IssuesLost")
        for change, token in begun:
            self._begin(change, token, commitments, now)
        if since and not observation.unreachable and is_near_threshold(observation.reading, self.policy):
            attempt(lambda: self.looks.again(SOON), "Pexip is not read again before the next tick", lost="LooksLost")
        if last and last.digest and last.plan.at.date() != now.date():
            self._publish(last)
        # Last of all: samples only serve later learning, and must not delay a start
        attempt(lambda: self.ledger.keep_samples(made.samples()), "samples not kept", lost="SamplesLost")
        return made

    # What it is made from

    def _observed(self, last: Planned | None, now: datetime) -> Observation | None:
        """Return what is there now, None before the first reading."""
        reading = self.ledger.last_reading()
        if reading is None:
            return None
        problem, silent = self._problem(), Source.PEXIP
        try:
            instances = self.ec2.instances()
        except Exception as error:  # EC2's own, or one that nobody thought of
            logger.exception("EC2 cannot be read")
            instances = ()
            if not problem:
                problem, silent = f"EC2 cannot be read: {line(str(error), TOLD)}", Source.EC2
        return Observation(
            reading=reading,
            instances=instances,
            unreachable=problem,
            silent=silent,
            trail=last.plan.trail if last else (),
            homes=last.plan.homes if last else (),
            outlooks=self._foreseen("outlooks", lambda at: outlooks_around(self.ledger, at), now),
            bookings=self._foreseen("bookings", self._bookings, now),
            findings=self._findings(now),
        )

    def _findings(self, now: datetime) -> tuple[Finding, ...]:
        """Return what the doctor found last night; nothing of it changes a plan, so a plan does without."""
        try:
            return self.ledger.findings(now - EXAMINED)
        except Exception:  # what was seen last night must not cost a plan
            logger.exception("planning without findings")
            return ()

    def _problem(self) -> str:
        """Return why the newest reading failed, empty if it did not."""
        try:
            return self.ledger.last_problem()
        except Exception:  # absence of news is not calm
            logger.exception("the newest reading cannot be judged")
            return "Headroom cannot tell whether the newest reading failed: its ledger did not answer"

    def _foreseen[T](self, what: str, read: Callable[[datetime], tuple[T, ...]], now: datetime) -> tuple[T, ...]:
        """Read outlooks or bookings; if that fails, only the threshold rule and holds ask for capacity."""
        if not self.policy.forecasting:
            return ()
        try:
            return read(now)
        except Exception:  # no plan may fail because of a forecast
            logger.exception("planning without forecast", missing=what)
            measure("ForecastMissing", 1)
            return ()

    def _bookings(self, now: datetime) -> tuple[Booking, ...]:
        return gathered(near(self.ledger.bookings()[0], now))

    def _without_ended(self, observation: Observation, commitments: Commitments, now: datetime) -> Commitments:
        """Free the claims of workflows that are silent and have ended, as after an abort: what they promised is not coming."""
        off = {address for each in observation.instances if each.power is Power.STOPPED for address in each.addresses}
        is_off = {worker.name for worker in observation.reading.workers if canonical(worker.address) in off}
        silent = [
            memory
            for memory in commitments.memories
            if memory.is_at_work(now) and frees_when_ended(memory, now, is_off=memory.node in is_off)
        ]
        silent.sort(key=lambda memory: last_sign(memory) or now)
        freed: set[str] = set()
        attempt(lambda: self._free_what_ended(silent[:ASKED_ABOUT], freed, now), "claims not freed", lost="NotFreed")
        memories = (
            replace(memory, claim=None, rests_until=None) if memory.node in freed else memory
            for memory in commitments.memories
        )
        return replace(commitments, memories=tuple(memories))

    def _free_what_ended(self, silent: Sequence[Memory], freed: set[str], now: datetime) -> None:
        """Ask about one after the other, until one cannot be told: a plan has no time to ask on."""
        for memory in silent:
            how = self.workflows.ending(memory.claim) if memory.claim else ""
            if memory.claim and how and self.ledger.free(memory):
                freed.add(memory.node)
                reason = f"The workflow {memory.claim.token} on {memory.node} {how}; its claim is free again"
                self.ledger.write(Event(at=now, kind=Kind.CLAIM_FREED, node=memory.node, reason=reason, by=HEADROOM))

    # What follows from it

    def _tokens(self, decision: Decision) -> list[tuple[Change, str]]:
        """Name the claim of each change; in observe mode there is none."""
        if self.policy.mode is Mode.OBSERVE:
            return []
        return [
            (change, token_for(change.node, change.action, version + 1, decision.plan.at))
            for change in decision.plan.changes
            for version in (decision.commitments.memory(change.node).version,)
        ]

    def _begin(self, change: Change, token: str, commitments: Commitments, now: datetime) -> None:
        """Begin a change's workflow, unless a workflow works on the node already: that one will see what is wanted now."""
        wanted = Event(at=now, kind=Kind.wanted(change.action), node=change.node, reason=change.reason, by=HEADROOM)
        attempt(lambda: self.ledger.write(wanted), "a change not written down", lost="EventsLost")
        memory = commitments.memory(change.node)
        if memory.claim and not memory.is_at_work(now):
            lost = f"The workflow {memory.claim.token} on {change.node} ended without a result; {token} takes its place"
            taken = Event(at=now, kind=Kind.TAKEN_OVER, node=change.node, reason=lost, by=HEADROOM)
            attempt(lambda: self.ledger.write(taken), "a claim that was taken over not written down", lost="EventsLost")
        if memory.is_at_work(now) and not memory.is_relieved_by(change.action, now):
            return
        try:
            self.workflows.begin(change, token)
        except Exception:  # whatever it is, the others still begin, and the next plan tries this one again
            logger.exception("not begun", node=change.node, action=str(change.action))
            measure("NotBegun", 1)
            until = now + NOT_BEGUN
            attempt(
                lambda: self.ledger.shorten(change.node, token, until), "a claim not shortened", lost="NotShortened"
            )

    def _write_news(self, before: Plan | None, made: Plan, now: datetime) -> None:
        for event in news_of(before, made, now):
            self.ledger.write(event)

    def _publish(self, last: Planned) -> None:
        """Publish the digest of a day's last plan, where no function of Headroom can change it."""
        day = f"{last.plan.at:%Y-%m-%d}"
        logger.info("head of the day", day=day, number=last.number, digest=last.digest)
        try:
            self.heads.people(
                f"Headroom: the ledger's head of {day}",
                f"Plan {last.number} of {self.ledger.platform} has the digest {last.digest}.\n\nKeep this message. To check: "
                f"headroom verify --head {day}={last.digest}",
            )
        except Exception:  # publishing may fail; the plan must not
            logger.exception("head not published", day=day)


def meter(made: Plan) -> None:
    """Send a plan's metrics: totals; and if all are wanted, others by location, node state or source of the need."""
    kinds = Counter(issue.kind for issue in made.issues)
    measure("NodesStuck", kinds[Trouble.STUCK] + kinds[Trouble.DOES_NOT_SERVE])
    measure("LocationsShort", kinds[Trouble.NOT_ENOUGH])
    measure("HomesLost", kinds[Trouble.HOME_LOST])
    measure("CallsLikelyTurnedAway", sum(each.calls for each in made.turned_away()))
    measure("ControlRefused", kinds[Trouble.TWO_CONTROLLERS])
    measure("NodesHeld", sum(need.nodes + len(need.names) for need in made.needs))
    if not is_detailed():
        return
    for load in (*made.principals, *made.overflows):
        measure_of("Location", load.location, {"Free": load.free, "Load": load.used, "Capacity": load.hd})
    for state, count in Counter(node.state for node in made.nodes).items():
        measure_of("State", state, {"Nodes": count})
    needed: Counter[str] = Counter()
    for need in made.needs:
        needed[need.rule] += need.hd
    for source, hd in needed.items():
        if hd:
            measure_of("Source", source, {"Needed": hd})
