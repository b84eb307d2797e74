"""How a check is written: what it needs to know, and what it may answer."""

from collections.abc import Callable
from dataclasses import dataclass

from headroom.domain.doctor.facts import Facts, Machine
from headroom.domain.fleet.finding import Finding, Severity
from headroom.domain.fleet.fleet import Fleet, Observation, match_up
from headroom.domain.fleet.tags import TAG

type Found = tuple[Severity, str, str]  # how bad, what was seen, what to do
type Look = Callable[[Facts], Found]


@dataclass(frozen=True, slots=True)
class Check:
    """A check: what it is about, which facts it needs, what looks, and in which module it stands."""

    name: str
    about: str
    needs: tuple[str, ...]
    look: Look
    where: str

    def judge(self, facts: Facts) -> Finding:
        """Say what it finds; without a fact that it needs, nothing is judged."""
        if missing := [need for need in self.needs if getattr(facts, need) is None]:
            why = facts.unknown.get(missing[0], f"{missing[0].replace('_', ' ')} could not be read")
            return Finding(check=self.name, about=self.about, severity=Severity.UNKNOWN, evidence=why)
        severity, evidence, advice = self.look(facts)
        return Finding(check=self.name, about=self.about, severity=severity, evidence=evidence, advice=advice)


ALL: list[Check] = []


def check(name: str, about: str, *needs: str) -> Callable[[Look], Look]:
    """Add a check to those there are."""

    def added(look: Look) -> Look:
        ALL.append(Check(name, about, needs, look, look.__module__))
        return look

    return added


def ok(evidence: str) -> Found:
    """Say that all is well."""
    return Severity.OK, evidence, ""


def error(evidence: str, advice: str) -> Found:
    """Say that Headroom, or Pexip, cannot do its work."""
    return Severity.ERROR, evidence, advice


def warning(evidence: str, advice: str) -> Found:
    """Say that it will hurt one day."""
    return Severity.WARNING, evidence, advice


def note(evidence: str, advice: str = "") -> Found:
    """Say what is good to know."""
    return Severity.NOTE, evidence, advice


def unseen(evidence: str) -> Found:
    """What is not there is not well."""
    return Severity.UNKNOWN, evidence, ""


def untold(facts: Facts, name: str) -> Found | None:
    """Return that Pexip does not tell one of its settings, if so: the reading has a default in its place."""
    return unseen(f"Pexip does not tell its {name}.") if name in facts.seen.untold else None


def fleet_of(facts: Facts) -> Fleet:
    """Join nodes and instances, as a plan does."""
    policy = facts.policy
    observation = Observation(reading=facts.seen, instances=facts.tagged)
    return match_up(
        observation, expected_hd={}, default_hd=policy.expected_hd, boot_limit=policy.boot_limit, now=facts.now
    )


def tagged_machines(facts: Facts) -> list[Machine]:
    """Return the instances that carry this platform's tag."""
    return [each for each in facts.machines or () if each.tags.get(TAG) == facts.tag_value]
