"""Before a platform upgrade: all overflow nodes on and open, and Headroom still; until it is over."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import click

from headroom import clock
from headroom.domain.fleet.fleet import NodeState
from headroom.domain.fleet.upgrading import what_is_left
from headroom.domain.people.orders import Do
from headroom.usecases.order import Order
from headroom_cli import acting, waiting
from headroom_cli.saying import say
from headroom_cli.stack import Deployed, spoken

REASON = re.compile(r"Pexip is to be upgraded from (?P<before>.+)")
LOOKS_AGAIN = 10.0  # real seconds
KEPT_ON = timedelta(hours=4)
PROMISE = "all nodes for Pexip's upgrade"


def upgrade(deployed: Deployed, until: str | None, *, anyway: bool) -> None:
    """Start and open all nodes, hold still, and wait until all versions are equal; given again, it goes on where it was."""
    before = _held_still_since(deployed)
    if before is None:
        before = _prepare(deployed, until, anyway=anyway)
    say(
        "Begin the upgrade in Pexip now (Platform > Upgrade). This waits until it is over; given again, it goes on waiting."
    )
    with spoken():
        nodes = [node.name for node in deployed.ledger.plan().nodes if node.state is not NodeState.STOPPED]
    told = ""
    while True:
        with spoken():
            left = what_is_left(deployed.ledger.reading(), nodes, before)
        if not left:
            break
        if left != told:
            say(f"{clock.now().astimezone(ZoneInfo(deployed.zone)):%H:%M:%S}  {left}")
            told = left
        waiting.wait(LOOKS_AGAIN)
    acting.ordered(deployed, Order(do=Do.RESUME))
    with spoken():
        held = [hold.id for hold in deployed.ledger.holds(clock.now()) if hold.reason == PROMISE]
    for hold in held:
        acting.ordered(deployed, Order(do=Do.RELEASE, hold=hold))
    say(f"The Management Node and {len(nodes)} overflow nodes have the same version. Headroom goes on.")


def _held_still_since(deployed: Deployed) -> str | None:
    """Return the version before an upgrade that was prepared; None if none was."""
    with spoken():
        pause = deployed.ledger.pause(clock.now())
    found = REASON.fullmatch(pause.reason) if pause else None
    if pause and not found:
        raise click.ClickException(f"Headroom is paused already ({pause.reason}): `headroom resume` first.")
    return found["before"] if found else None


def _prepare(deployed: Deployed, until: str | None, *, anyway: bool) -> str:
    """Have all nodes on and open, and Headroom still; return the version that Pexip has now."""
    with spoken():
        reading, plan = deployed.ledger.reading(), deployed.ledger.plan()
        out = deployed.ledger.commitments(clock.now()).taken_out()
    if not reading.version:
        raise click.ClickException("Pexip does not say which version the Management Node has.")
    names = [node.name for node in plan.nodes if node.name not in out]
    given = {
        "nodes": names,
        "every": False,
        "count": None,
        "locations": (),
        "ready_by": None,
        "until": until or (clock.now() + KEPT_ON).isoformat(timespec="minutes"),
        "reason": PROMISE,
    }
    done = acting.promised(deployed, Do.START, given)
    say(f"{done.sentence}.")
    with spoken():
        missed = acting.shown_booting(deployed, done.executions[0], set(names))
    if missed and not anyway:
        raise click.ClickException(
            f"Not all nodes serve: {missed} A node that is off is not upgraded, and does not come up with the others. Mend it, "
            "or go on with --anyway. The nodes stay on until the promise ends."
        )
    acting.ordered(deployed, Order(do=Do.PAUSE, reason=f"Pexip is to be upgraded from {reading.version}"))
    say("All overflow nodes are on and open, and Headroom changes nothing until this is over.")
    return reading.version
