"""Never late, in the schedules of the shipped workflows: where capacity is missing, a start command goes out within two ticks.

Whether it is missing is judged by the world, not by what Headroom has read of it.
"""

from collections import Counter
from dataclasses import dataclass, field

from headroom.domain.fleet.fleet import NodeState, Observation
from headroom.domain.fleet.lifecycle import MOST_HUNG, Commitments, Memory
from headroom.domain.planning.more import LONGER
from headroom.domain.planning.plans import NodeSummary, Plan
from headroom.domain.policy import Mode, Policy
from headroom_lab.proof.stage import Stage

FRESH = 60  # seconds: a plan on an older reading does not know what is missing now
PLANS, SECONDS = 2, 130  # the start command must be out by the plan after these many, and by then
PATIENT_PLANS, PATIENT_SECONDS = (
    7,
    420,
)  # where functions die, hang or are throttled: a claim's lease, and the next plan
GIVES = {
    NodeState.STARTING,
    NodeState.OPENING,
    NodeState.CLOSED,
}  # it comes, or it is opened instead of another's start


@dataclass
class Waiting:
    """How long capacity has been missing without a start command; `waits` counts in how many plans it was asked for."""

    stage: Stage
    plans: int = 0
    since: float = 0.0
    waits: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def planned(self, observation: Observation, commitments: Commitments, policy: Policy, made: Plan) -> None:
        """Judge a plan that was made."""
        asked = any(at >= self.since for at, what in self.stage.cloud.requests if what == "StartInstances")
        if self.plans and asked:
            self.waits[f"a start was asked for within {self.plans} plan{'s' if self.plans > 1 else ''}"] += 1
            self.plans = 0
        if not self._is_missing(observation, commitments, policy, made):
            self.plans = 0
            return
        if not self.plans:
            self.since = self.stage.now
        most, longest = (PATIENT_PLANS, PATIENT_SECONDS) if self._hampered else (PLANS, SECONDS)
        if self.plans >= most and self.stage.now - self.since > longest:
            self.wrong.append(
                f"capacity has been missing for {self.plans} plans, and nothing was started: {made.reason}"
            )
        self.plans += 1

    @property
    def _hampered(self) -> bool:
        """Whether single requests go wrong: then a step, or a plan, may have to be made again."""
        hazards = self.stage.hazards
        lost = hazards.message_lost or hazards.late or hazards.answer_lost or hazards.lands_late or hazards.given_up
        odd = hazards.odd or hazards.unthought
        return bool(lost or odd or hazards.dies or hazards.delayed or hazards.rates.get("DynamoDB"))

    def _is_missing(self, observation: Observation, commitments: Commitments, policy: Policy, made: Plan) -> bool:
        world, hazards = self.stage.world, self.stage.hazards
        age = (made.at - made.read_at).total_seconds()
        is_read = not observation.unreachable and age < FRESH and not made.frozen
        answers = not hazards.no_room and not hazards.rates.get("EC2")
        if policy.mode is not Mode.CONTROL or not is_read or not answers or self.stage.clocks:
            return False
        few = policy.threshold or 0
        free = sum(world.free(place) for place in {node.location for node in made.nodes})
        if self._home_free() > few or free > few or any(node.state in GIVES for node in made.nodes):
            return False
        left = {
            each.name for each in commitments.unread
        } | commitments.taken_out().keys()  # such a node is left as it is
        nodes = [node for node in made.nodes if node.name not in left]
        return any(self._is_startable(node, commitments.memory(node.name), policy, made) for node in nodes)

    def _home_free(self) -> int:
        home = self.stage.world.nodes["always-on"]
        lost = home.closed.now or home.unreachable or not home.shows_capacity
        return 0 if lost else self.stage.world.free(home.location)

    def _is_startable(self, node: NodeSummary, memory: Memory, policy: Policy, made: Plan) -> bool:
        if node.state is not NodeState.STOPPED or node.closed_by_others or memory.hung >= MOST_HUNG:
            return False
        if memory.claim and memory.claim.runs(made.at) and not memory.claim.action.starts:
            return False
        pause = policy.failure_cooldown * LONGER**memory.hung
        return memory.failed_at is None or made.at - memory.failed_at >= pause
