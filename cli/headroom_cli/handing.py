"""Hand the overflow nodes over from Pexip's own bursting to Headroom and back, with checks."""

from collections.abc import Callable

import click

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.fleet.fleet import Reading
from headroom.domain.fleet.lifecycle import Pause, Pausing
from headroom.domain.history.events import Event, Kind
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import OLD, Mode
from headroom_cli import waiting
from headroom_cli.saying import say
from headroom_cli.stack import Deployed, spoken

BURSTING = "Platform > Global settings > Cloud bursting"
LOOK_EVERY = 5.0  # real seconds


def _newest(ledger: Ledger) -> tuple[Plan, Reading]:
    """Return the newest plan and reading; raise ClickException if they are old, or there are none."""
    planned, reading = ledger.last_plan(), ledger.last_reading()
    if planned is None or reading is None or clock.now() - planned.plan.at > OLD:
        raise click.ClickException(
            "There is no plan of the last three minutes, so nothing can be checked: see docs/operating.md, «No plan»."
        )
    return planned.plan, reading


def _wait(what: str, done: Callable[[], bool], minutes: int) -> None:
    """Wait until `done` returns True; raise ClickException after that many real minutes."""
    for _ in range(round(60 * minutes / LOOK_EVERY)):
        if done():
            say(f"  done: {what}")
            return
        waiting.wait(LOOK_EVERY)
    raise click.ClickException(
        f"After {minutes} min this is still not the case: {what}. Run the same command again to continue."
    )


def _closed_by_us(reading: Reading) -> list[str]:
    return [worker.name for worker in reading.workers if worker.closed_by_us]


def _is_all_open(ledger: Ledger, since: Plan) -> bool:
    """Say whether all nodes that Headroom had closed are open and no workflow works, by a plan newer than `since`."""
    planned, reading = ledger.last_plan(), ledger.last_reading()
    if planned is None or reading is None or planned.plan.at <= since.at or reading.read_at <= since.at:
        return False
    now = clock.now()
    at_work = any(memory.is_at_work(now) for memory in ledger.commitments(now).memories)
    return not at_work and not _closed_by_us(reading)


def hand_over(deployed: Deployed) -> None:
    """Check, deploy with control mode, and wait until Pexip's bursting is disabled and Headroom plans."""
    with spoken():
        _check_before_hand_over(deployed)
        deployed.ledger.write(
            Event(at=clock.now(), kind=Kind.ASKED_TO_HAND_OVER, reason="Taken over from Pexip", by=deployed.who())
        )
        if deployed.mode is not Mode.CONTROL:
            say("Deploying with Mode=control; Headroom changes nothing while Pexip's bursting is enabled.")
            deployed.set_mode(Mode.CONTROL)
        if _bursts(deployed.ledger) is not False:
            say(f"Now disable Pexip's own bursting: {BURSTING}. Waiting for it.")
        _wait("Pexip's own bursting is disabled", lambda: _bursts(deployed.ledger) is False, 60)
        _wait("Headroom's plans may change nodes", lambda: _may_change(deployed.ledger) is not None, 5)
        made = _may_change(deployed.ledger) or _newest(deployed.ledger)[0]
    say(f"Headroom controls {len(made.nodes)} overflow nodes. {made.reason}")


def _check_before_hand_over(deployed: Deployed) -> None:
    made, reading = _newest(deployed.ledger)
    against = [f"Pexip's answer is incomplete: {problem}" for problem in reading.problems]
    held = deployed.ledger.pause(clock.now())
    against += [f"Headroom is paused: {held.reason}; resume it first"] if held else []
    against += [] if made.nodes else ["No overflow node is known: tag the nodes' instances first"]
    misfits = [issue.what for issue in made.issues if issue.kind is Trouble.MISFIT]
    against += [f"Nodes and instances do not match: {what}" for what in misfits]
    if against:
        raise click.ClickException("Not handed over, and nothing was changed.\n  " + "\n  ".join(against))
    say(f"Checked: a fresh plan, {len(made.nodes)} overflow nodes, each matched to its instance.")


def _bursts(ledger: Ledger) -> bool | None:
    """Say whether Pexip's own bursting is enabled; None while there is no fresh reading, as just after a deployment."""
    reading = ledger.last_reading()
    return reading.settings.bursting_enabled if reading and clock.now() - reading.read_at <= OLD else None


def _may_change(ledger: Ledger) -> Plan | None:
    """Return a fresh plan that may change nodes, if there is one."""
    planned = ledger.last_plan()
    fresh = planned is not None and clock.now() - planned.plan.at <= OLD
    return planned.plan if planned and fresh and not planned.plan.frozen else None


def hand_back(deployed: Deployed, mode: Mode) -> None:
    """Let Headroom open the nodes that it closed, wait until Pexip's bursting is enabled, and deploy with another mode."""
    try:
        _hand_back(deployed, mode)
    except KeyboardInterrupt:
        say("Headroom stays paused. Run the same command again to continue, or `headroom resume`.", err=True)
        raise
    say("Handed back. Pexip starts and stops the overflow nodes; the stack may be deleted.")


def _hand_back(deployed: Deployed, mode: Mode) -> None:
    with spoken():
        before, _ = _newest(deployed.ledger)
        why = Pause(reason="handing back to Pexip", by=deployed.who(), holding=Pausing.HANDING_BACK)
        deployed.ledger.keep_pause(why, clock.now())
        deployed.ledger.write(
            Event(at=clock.now(), kind=Kind.ASKED_TO_HAND_BACK, reason="Handed back to Pexip", by=deployed.who())
        )
        say("Headroom opens the nodes that it has closed, ends its workflows, and starts no others.")
        _wait("Headroom's closed nodes are open, no workflow runs", lambda: _is_all_open(deployed.ledger, before), 60)
        if _bursts(deployed.ledger) is not True:
            say(f"Now enable Pexip's own bursting: {BURSTING}. Waiting for it.")
        _wait("Pexip's own bursting is enabled", lambda: _bursts(deployed.ledger) is True, 60)
        if deployed.mode is not mode:
            say(f"Deploying with Mode={mode}.")
            deployed.set_mode(mode)
        deployed.ledger.end_pause()
