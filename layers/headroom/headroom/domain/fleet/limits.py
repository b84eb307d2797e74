"""The limits that apply: the operator's own settings, else Pexip's."""

from datetime import timedelta

from headroom.domain.fleet.fleet import Reading
from headroom.domain.policy import Mode, Policy

SHORTEST = timedelta(minutes=5)  # EC2 bills by the second: a node that was started in vain costs its boot and its stop


def unknown(policy: Policy, reading: Reading) -> list[str]:
    """Return the settings that apply and that Pexip does not tell."""
    own = {
        "bursting_threshold": policy.threshold,
        "bursting_min_lifetime": None if _as_in_pexip(policy) else minimum_lifetime(policy, reading),
    }
    return [name for name in reading.untold if name in own and own[name] is None]


def threshold(policy: Policy, reading: Reading, location: str) -> int:
    """Return the threshold in free HD connections: the location's own, else the policy's, else Pexip's."""
    everywhere = reading.settings.bursting_threshold if policy.threshold is None else policy.threshold
    return policy.thresholds.get(location, everywhere)


def minimum_lifetime(policy: Policy, reading: Reading) -> timedelta:
    """Return how long a node stays on at least: the operator's figure, else Pexip's where that is wanted, else a few minutes."""
    if policy.minimum_lifetime is not None:
        return policy.minimum_lifetime
    return promised_lifetime(policy, reading) if _as_in_pexip(policy) else SHORTEST


def promised_lifetime(policy: Policy, reading: Reading) -> timedelta:
    """Return how long a promise lasts that has no end: the operator's own figure, else Pexip's, as people know it from there."""
    if policy.minimum_lifetime is not None:
        return policy.minimum_lifetime
    return timedelta(minutes=reading.settings.bursting_min_lifetime)


def _as_in_pexip(policy: Policy) -> bool:
    return policy.minimum_lifetime is None and (policy.pexips_lifetime or policy.mode is Mode.ASSIST)
