"""The limits that apply: the operator's own settings, else Pexip's."""

from datetime import timedelta

from headroom.domain.fleet.fleet import Reading
from headroom.domain.policy import Policy


def unknown(policy: Policy, reading: Reading) -> list[str]:
    """Return the settings that apply and that Pexip does not tell."""
    own = {"bursting_threshold": policy.threshold, "bursting_min_lifetime": policy.minimum_lifetime}
    return [name for name in reading.untold if name in own and own[name] is None]


def threshold(policy: Policy, reading: Reading, location: str) -> int:
    """Return the threshold in free HD connections: the location's own, else the policy's, else Pexip's."""
    everywhere = reading.settings.bursting_threshold if policy.threshold is None else policy.threshold
    return policy.thresholds.get(location, everywhere)


def minimum_lifetime(policy: Policy, reading: Reading) -> timedelta:
    """Return how long a node stays on at least."""
    if policy.minimum_lifetime is None:
        return timedelta(minutes=reading.settings.bursting_min_lifetime)
    return policy.minimum_lifetime
