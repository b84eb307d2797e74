"""`headroom hand-over` and `hand-back`: who may change what, switched with checks."""

from collections.abc import Callable
from datetime import timedelta

import click

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.fleet.fleet import Reading
from headroom.domain.fleet.lifecycle import Pause, Pausing
from headroom.domain.history.events import Event, Kind
from headroom.domain.planning.issues import Trouble
from headroom.domain.planning.plans import Plan
from headroom.domain.policy import OLD, Mode
from headroom_lab.cli.stack import Deployed, identity, spoken, stack_of, stack_option

BURSTING = "Platform > Global settings > Cloud bursting"
LOOK_EVERY = 5.0  # seconds


def _newest(ledger: Ledger) -> tuple[Plan, Reading]:
    """Return the newest plan and reading; raise ClickException if they are old, or there are none."""
    planned, reading = ledger.last_plan(), ledger.last_reading()
    if planned is None or reading is None or clock.now() - planned.plan.at > OLD:
        raise click.ClickException(
            "There is no plan of the last three minutes, so nothing can be checked: see docs/operating.md, «No plan»."
        )
    return planned.plan, reading


def _wait(what: str, done: Callable[[], bool], within: timedelta) -> None:
    """Wait until something is so, or say that it is not."""
    until = clock.now() + within
    while not done():
        if clock.now() > until:
            raise click.ClickException(
                f"Still not so after {within.total_seconds() / 60:.0f} min: {what}. Nothing was lost; the same command goes on "
                "from here."
            )
        clock.sleep(LOOK_EVERY)
    click.echo(f"  done: {what}")


def _closed_by_us(reading: Reading) -> list[str]:
    return [worker.name for worker in reading.workers if worker.closed_by_us]


def _is_all_open(ledger: Ledger, since: Plan) -> bool:
    """Every node that Headroom had closed is open again, and no workflow is at work, by a plan newer than that."""
    planned, reading = ledger.last_plan(), ledger.last_reading()
    if planned is None or reading is None or planned.plan.at <= since.at or reading.read_at <= since.at:
        return False
    now = clock.now()
    at_work = any(memory.is_at_work(now) for memory in ledger.commitments(now).memories)
    return not at_work and not _closed_by_us(reading)


@click.command("hand-over")
@stack_option
def hand_over(stack: str) -> None:
    """Hand the overflow nodes over from Pexip's own bursting to Headroom: checks, the mode, and when to disable what."""
    deployed = stack_of(stack)
    with spoken():
        _check_before_hand_over(deployed)
        deployed.ledger.write(
            Event(at=clock.now(), kind=Kind.ASKED_TO_HAND_OVER, reason="Taken over from Pexip", by=identity())
        )
        if deployed.mode is not Mode.CONTROL:
            click.echo("Deploying with Mode=control; Headroom holds still as long as Pexip's bursting is enabled.")
            deployed.set_mode(Mode.CONTROL)
        _, reading = _newest(deployed.ledger)
        if reading.settings.bursting_enabled:
            click.echo(f"Now disable Pexip's own bursting: {BURSTING}. Waiting for it.")
        _wait("Pexip's own bursting is disabled", lambda: not _bursts(deployed.ledger), timedelta(hours=1))
        _wait("Headroom plans", lambda: not _newest(deployed.ledger)[0].frozen, timedelta(minutes=5))
        made, _ = _newest(deployed.ledger)
    click.echo(f"Headroom controls {len(made.nodes)} overflow nodes. {made.reason}")


def _check_before_hand_over(deployed: Deployed) -> None:
    made, reading = _newest(deployed.ledger)
    against = [f"Pexip's answer is incomplete: {problem}" for problem in reading.problems]
    against += [f"Headroom is paused: {held.reason}; resume it first"] if (held := deployed.ledger.pause()) else []
    against += [] if made.nodes else ["No overflow node is known: tag their instances first"]
    misfits = [issue.what for issue in made.issues if issue.kind is Trouble.MISFIT]
    against += [f"This does not fit: {what}" for what in misfits]
    if against:
        raise click.ClickException("Not handed over, and nothing was changed.\n  " + "\n  ".join(against))
    click.echo(f"Checked: a fresh plan, {len(made.nodes)} overflow nodes, all of which fit their instances.")


def _bursts(ledger: Ledger) -> bool:
    return _newest(ledger)[1].settings.bursting_enabled


@click.command("hand-back")
@click.option(
    "--mode",
    type=click.Choice([Mode.OBSERVE, Mode.ASSIST]),
    default=Mode.OBSERVE,
    show_default=True,
    help="Afterwards.",
)
@stack_option
def hand_back(mode: str, stack: str) -> None:
    """Hand the overflow nodes back to Pexip's own bursting: opens all that Headroom closed, and says when to enable it.

    Do this before you delete the stack.
    """
    deployed = stack_of(stack)
    with spoken():
        before, _ = _newest(deployed.ledger)
        why = Pause(reason="handing back to Pexip", by=identity(), holding=Pausing.HANDING_BACK)
        deployed.ledger.keep_pause(why, clock.now())
        deployed.ledger.write(
            Event(at=clock.now(), kind=Kind.ASKED_TO_HAND_BACK, reason="Handed back to Pexip", by=identity())
        )
        click.echo("Headroom holds still, opens what it has closed, and ends what it has begun.")
        _wait("all that Headroom had closed is open", lambda: _is_all_open(deployed.ledger, before), timedelta(hours=1))
        if not _bursts(deployed.ledger):
            click.echo(f"Now enable Pexip's own bursting: {BURSTING}. Waiting for it.")
        _wait("Pexip's own bursting is enabled", lambda: _bursts(deployed.ledger), timedelta(hours=1))
        if deployed.mode is not Mode(mode):
            click.echo(f"Deploying with Mode={mode}.")
            deployed.set_mode(Mode(mode))
        deployed.ledger.end_pause()
    click.echo("Handed back. Pexip starts and stops the overflow nodes; the stack may be deleted.")
