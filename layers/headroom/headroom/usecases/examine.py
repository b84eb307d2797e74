"""Once a night the doctor looks at the site: what it finds that no plan sees is an issue until the next night."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.adapters.site import Looking, Site
from headroom.domain.demand.forecasting import Profile
from headroom.domain.doctor.checks import examine
from headroom.domain.doctor.facts import Facts
from headroom.domain.fleet.finding import Finding, Severity
from headroom.domain.fleet.fleet import Reading
from headroom.domain.policy import Policy

# Each plan looks at these itself, and says so at once
SEEN_BY_PLANS = {
    *("clock", "settings told", "upgrade", "bursting", "other controllers", "nodes and instances"),
    *("distributed database", "static NAT address", "always-on nodes", "out of step"),
}


@dataclass
class Examiner:
    """Looks at the account and at the newest reading; `Site` has the rights for the first."""

    ledger: Ledger
    site: Site
    policy: Policy

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.site, parts.policy)

    def examine(self, now: datetime) -> list[Finding]:
        """Look, keep what is wrong, and return it."""
        looking = Looking()
        looking.at("peaks", lambda: peaks_of(self.ledger.profiles()))
        if reading := self.ledger.last_reading():
            looking.seen |= {"reading": reading, "versions": versions_of(reading)}
        self.site.look(looking, reading.workers if reading else ())
        facts = Facts(
            now=now,
            tag_value=self.ledger.platform,
            host=self.ledger.platform,
            policy=self.policy,
            unknown=looking.unknown,
            **looking.seen,
        )
        wrong = {Severity.ERROR, Severity.WARNING}
        found = [each for each in examine(facts) if each.severity in wrong and each.check not in SEEN_BY_PLANS]
        self.ledger.keep_findings(found, now)
        return found


def peaks_of(profiles: list[Profile]) -> dict[str, float]:
    """Return the most HD connections that each location's past days had in use."""
    return {
        profile.location: max((load for past in profile.days for load in past.used if load is not None), default=0.0)
        for profile in profiles
    }


def versions_of(reading: Reading) -> dict[str, str]:
    """Return the versions of Management Node and Conferencing Nodes, by name, as far as Pexip tells them."""
    told = {reading.platform: reading.version} | {worker.name: worker.version for worker in reading.workers}
    return {name: version for name, version in told.items() if version}
