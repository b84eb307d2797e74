"""One plan, from facts to workflows: read, plan, keep, begin. `decide` and nothing else runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError

from headroom.adapters.ec2 import Ec2, Ec2Error
from headroom.adapters.ledger import Event, Ledger, Planned, Record, SupersededError, token_for
from headroom.adapters.notify import Notify
from headroom.adapters.parts import Parts
from headroom.adapters.workflows import Workflows
from headroom.domain.demand.forecasting import Booking, gathered, near
from headroom.domain.fleet.fleet import Fleet, Instance, Observation, match_up
from headroom.domain.fleet.lifecycle import Commitments, Memory, was_ours
from headroom.domain.fleet.reconciling import Finding, Found, reconcile
from headroom.domain.planning.issues import Issue, Trouble
from headroom.domain.planning.planning import Change, Plan, plan
from headroom.domain.policy import Mode, Policy
from headroom.observability import logger, metrics
from headroom.version import code_version

ME = "Headroom"


@dataclass
class Decider:
    """Everything a plan is made with."""

    ledger: Ledger
    ec2: Ec2
    workflows: Workflows
    heads: Notify
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Take what it needs from the parts there are."""
        return cls(parts.ledger, parts.ec2, parts.workflows, parts.heads, parts.policy)

    def decide(self, *, since: datetime | None, now: datetime) -> Plan | None:
        """Plan on the newest reading, keep the plan and begin its workflows.

        `since` is the time of the snapshot that asks; one that the last plan has seen is skipped. None plans at once.
        """
        reading, last = self.ledger.last_reading(), self.ledger.last_plan()
        if reading is None or (last and since and since <= last.plan.read_at):
            logger.info(
                "skipped",
                snapshot=str(since),
                because="no reading yet" if reading is None else "planned already",
            )
            return None
        problem = self.ledger.last_problem()
        instances, trouble = self._instances()
        observation = Observation(
            reading=reading,
            instances=instances,
            unreachable=problem or trouble,
            trail=last.plan.trail if last else (),
            outlooks=self._foreseen("outlooks", self.ledger.outlooks_around, now),
            bookings=self._foreseen("bookings", self._bookings, now),
        )
        commitments = self.ledger.commitments(now)
        self._try_to_heal(observation, commitments, now)
        decision = plan(observation, commitments, self.policy, now)
        changes = [] if self.policy.mode is Mode.OBSERVE else list(decision.changes)
        versions = {change.node: commitments.memory(change.node).version + 1 for change in changes}
        record = Record(
            version=code_version(),
            observation=observation,
            commitments=commitments,
            policy=self.policy,
            plan=decision,
        )
        try:
            begun = self.ledger.keep_plan(
                record,
                last,
                changes=[(change, token_for(change, versions[change.node], now)) for change in changes],
            )
        except SupersededError:
            logger.info("superseded", snapshot=str(since))
            return None
        self._try_to_tell(last.plan if last else None, decision, now)
        for change, token in begun:
            self.ledger.tell(
                Event(at=now, kind=f"{change.action} wanted", node=change.node, reason=change.reason, by=ME)
            )
            memory = commitments.memory(change.node)
            if memory.claim and not memory.is_at_work(now):
                lost = (
                    f"The workflow {memory.claim.token} on {change.node} ended without a word; {token} takes its place"
                )
                self.ledger.tell(Event(at=now, kind="taken over", node=change.node, reason=lost, by=ME))
            if not memory.is_at_work(now) or memory.is_relieved_by(change.action, now):
                self._try_to_begin(change, token)
        if last and last.plan.at.date() != now.date():
            self._publish(last)
        self._keep_samples(decision)
        return decision

    def _foreseen[T](self, what: str, read: Callable[[datetime], tuple[T, ...]], now: datetime) -> tuple[T, ...]:
        """Read what is known beforehand; without it the threshold rule and holds go on."""
        if not self.policy.forecasting:
            return ()
        try:
            return read(now)
        except Exception:  # whatever is wrong with a forecast, no plan may fail for it
            logger.exception("planning without forecast", missing=what)
            metrics.add_metric("ForecastMissing", MetricUnit.Count, 1)
            return ()

    def _bookings(self, now: datetime) -> tuple[Booking, ...]:
        return gathered(near(self.ledger.bookings()[0], now))

    def _keep_samples(self, decision: Plan) -> None:
        """Last of all: what a later night learns from is never worth a start of today."""
        try:
            self.ledger.keep_samples(decision.samples())
        except Exception:  # the plan is made and its workflows have begun: nothing may undo that
            logger.exception("samples not kept")
            metrics.add_metric("SamplesLost", MetricUnit.Count, 1)

    def _publish(self, last: Planned) -> None:
        """Say what the chain of plans has come to by the end of a day, where none of our functions can change it."""
        day = f"{last.plan.at:%Y-%m-%d}"
        logger.info("head of the day", day=day, number=last.number, digest=last.digest)
        try:
            self.heads.people(
                f"Headroom: the ledger's head of {day}",
                f"Plan {last.number} of {self.ledger.platform} has the digest {last.digest}.\n\nKeep this message: "
                f"headroom verify --head {day}={last.digest}",
            )
        except Exception:  # what is published may be late; what is decided may not
            logger.exception("head not published", day=day)

    def _instances(self) -> tuple[tuple[Instance, ...], str]:
        try:
            return self.ec2.instances(), ""
        except Ec2Error as error:
            return (), f"EC2 cannot be read: {error}"

    def _try_to_heal(self, observation: Observation, commitments: Commitments, now: datetime) -> None:
        """First of all: a node may be seen running only once. What fails here may hinder no plan."""
        try:
            self._heal(observation, commitments, now)
        except Exception:  # a mistake in making good may cost no start: the next plan tries again
            logger.exception("not made good")
            metrics.add_metric("NotMadeGood", MetricUnit.Count, 1)

    def _heal(self, observation: Observation, commitments: Commitments, now: datetime) -> None:
        """Bring what is remembered in step with what is there."""
        fleet: Fleet = match_up(
            observation,
            expected_hd={},
            default_hd=0,
            boot_limit=self.policy.boot_limit,
            just_opened=commitments.just_opened(self.policy.replication, now),
            now=now,
        )
        for finding in reconcile(fleet.nodes, commitments, now, is_read=bool(observation.instances)):
            self._write_down(finding, commitments.memory(finding.node), now)

    def _write_down(self, finding: Finding, memory: Memory, now: datetime) -> None:
        ledger, node, launched_at = self.ledger, finding.node, finding.launched_at
        meddled = {"meddled_at": now} if finding.meddled else {}
        match finding.found:
            case Found.NO_LIFETIME if launched_at:
                ours = was_ours(memory.start_asked_at, launched_at)
                by, reason = (ME, memory.reason) if ours else ("unknown", "seen running at a tick")
                ledger.lifetime_began(node, launched_at, by, reason)
                ledger.note(node, lifetime=launched_at, **meddled)
            case Found.NO_INSTANCE if launched_at:
                ledger.lifetime_note(node, launched_at, stopped_at=now, stopped_by="seen at a tick")
                ledger.note(node, lifetime=None, stopped_at=now, **meddled)
            case Found.CLOSED:  # later than the truth, so never too early to stop
                ledger.note_if_free(node, closed_at=now)
            case Found.OPEN:
                ledger.note_if_free(node, closed_at=None)
            case Found.SERVES:
                ledger.note(node, hd=finding.hd, given_up_at=None)
            case Found.NO_WORKFLOW if memory.claim:
                ledger.take_back(node, memory.claim.token, now)

    def _try_to_begin(self, change: Change, token: str) -> None:
        """One start that Step Functions does not take costs no other; a later plan takes the place of what never began."""
        try:
            self.workflows.begin(change, token)
        except ClientError:
            logger.exception("not begun", node=change.node, action=str(change.action))
            metrics.add_metric("NotBegun", MetricUnit.Count, 1)

    def _try_to_tell(self, before: Plan | None, after: Plan, now: datetime) -> None:
        """Before the workflows, as the next plan will not tell it again; what fails here may cost no start."""
        try:
            self._tell_issues(before, after, now)
        except Exception:  # whatever is wrong with what is told, nodes must start
            logger.exception("issues not written down")
            metrics.add_metric("IssuesLost", MetricUnit.Count, 1)

    def _tell_issues(self, before: Plan | None, after: Plan, now: datetime) -> None:
        known = {issue.same: issue for issue in before.issues} if before else {}
        there = {issue.same: issue for issue in after.issues}
        nodes = {node.name for made in (before, after) if made for node in made.nodes}

        def tell(kind: str, issue: Issue, reason: str) -> None:
            node = issue.about if issue.about in nodes else ""
            about = "" if node else issue.same[1]
            event = Event(at=now, kind=kind, node=node, reason=reason, by=ME, topic=issue.kind, about=about)
            self.ledger.tell(event)

        for same, issue in there.items():
            if same not in known:
                kind = "control refused" if issue.kind is Trouble.TWO_CONTROLLERS else "issue"
                tell(kind, issue, f"{issue.what.rstrip('.')}. {issue.advice}")
        for same, issue in known.items():
            if same not in there:
                tell("issue over", issue, issue.what)
        is_refused = any(issue.kind is Trouble.TWO_CONTROLLERS for issue in after.issues)
        if after.frozen and not is_refused and (before is None or before.frozen != after.frozen):
            self.ledger.tell(Event(at=now, kind="held still", reason=after.frozen, by=ME))
