"""How sure a forecast must be: it follows from what its two errors cost, a call turned away and a node that nobody needed."""

from dataclasses import dataclass
from datetime import timedelta

from headroom.domain.demand.forecasting import MEAN_CALL
from headroom.domain.planning.leads import LATER
from headroom.domain.policy import Policy

HOUR = timedelta(hours=1)
RETIRING = timedelta(minutes=3)  # from the decision to stop a node until it is off: two looks and what lies between
STAYS = 0.5  # share of a mean call for which a node that was opened in vain stays on for what it took
LEAST, MOST = 0.5, 0.9999  # the most daring and the most cautious forecast


@dataclass(frozen=True, slots=True)
class Worth:
    """How sure capacity must suffice, and what it costs to have one HD connection too few or too many, in node-hours.

    `too_few` is None where an operator has set the probability itself.
    """

    sure: float
    too_many: float = 0.0
    too_few: float | None = None

    @property
    def sentence(self) -> str:
        """How sure, and why, in an operator's words."""
        sure = f"{100 * self.sure:.3g} % sure"
        if self.too_few is None:
            return sure
        return f"{sure}: one too few costs {self.too_few:.3g} node-hours, one too many {self.too_many:.2g}"


def of_starting(policy: Policy, node_hd: float, boot: timedelta, lifetime: timedelta) -> Worth:
    """Return how sure to be before a node is started.

    One that is started in vain boots, is kept for as long as it was started ahead and a little longer, and is then stopped.
    """
    kept = max(lifetime, boot + policy.tick + LATER)
    return _worth(policy, node_hd, boot + kept + RETIRING)


def of_opening(policy: Policy, node_hd: float) -> Worth:
    """Return how sure to be before a node is opened: one that is opened in vain stays on until the calls that it took end."""
    return _worth(policy, node_hd, STAYS * MEAN_CALL)


def _worth(policy: Policy, node_hd: float, in_vain: timedelta) -> Worth:
    """One HD connection more pays until the chance of needing it has fallen to what it costs, over what it saves."""
    if policy.confidence is not None:
        return Worth(policy.confidence)
    too_many, too_few = in_vain / HOUR / max(node_hd, 1.0), policy.call_turned_away_cost
    sure = 1 - too_many / too_few if too_few > 0 else LEAST
    return Worth(min(MOST, max(LEAST, sure)), too_many, too_few)
