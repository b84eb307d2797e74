"""All checks, in the order in which people read them."""

from collections.abc import Iterator

from headroom.domain.doctor import account, nodes, platform
from headroom.domain.doctor.checking import ALL
from headroom.domain.doctor.facts import Facts
from headroom.domain.fleet.finding import Finding

CHECKS = [check for module in (platform, nodes, account) for check in ALL if check.where == module.__name__]


def examine(facts: Facts) -> Iterator[Finding]:
    """Yield what every check found."""
    yield from (check.judge(facts) for check in CHECKS)
