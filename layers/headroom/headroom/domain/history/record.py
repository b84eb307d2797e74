"""A decision as it is kept: all that a plan was made from, and the plan."""

from dataclasses import dataclass

from headroom.domain.fleet.fleet import Observation
from headroom.domain.fleet.lifecycle import Commitments
from headroom.domain.history.chain import Head
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Enough to make a plan again, bit for bit; `version` names the code that made it.

    `foreseen` is the digest of the observation's outlooks, which are kept beside the plans, once a quarter of an hour.
    """

    version: str
    observation: Observation
    commitments: Commitments
    policy: Policy
    plan: Plan
    foreseen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The newest plan, and where it stands in the chain that the next one must follow."""

    number: int
    plan: Plan
    digest: str = ""
    unread: str = ""  # why the plan cannot be read: then `plan` only stands in for it

    @property
    def head(self) -> Head:
        """What the next plan names as the one before it."""
        return Head(number=self.number, digest=self.digest, at=self.plan.at)
