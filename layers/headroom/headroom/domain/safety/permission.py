"""What the mode, Pexip's own settings and a pause allow: who may start, open, close and stop."""

from collections.abc import Sequence

from headroom.domain.fleet.fleet import PexipSettings, Reading
from headroom.domain.fleet.lifecycle import Action, Commitments, Pause
from headroom.domain.policy import Mode
from headroom.domain.texts import listed

NOT_READ_YET = "Pexip has not been read yet: wait a minute, and look at the log of observe."
NOT_PLANNED_YET = "Headroom has not planned yet: wait a minute, and look at the log of observe."


class NotNowError(Exception):
    """The action is not allowed now; the message says why. Nothing was changed."""


class NotReadyError(Exception):
    """What it takes is not there yet: the workflow tries again."""


def others_switch(nodes: Sequence[str]) -> str:
    """Say that somebody else starts and stops nodes, too; empty if nobody does."""
    return f"Somebody else starts and stops nodes, too: {', '.join(nodes)}" if nodes else ""


def others_close(stacks: Sequence[str]) -> str:
    """Say that other stacks of Headroom close nodes of the same platform; empty if none does."""
    return f"Another stack of Headroom closes nodes of this platform, too: {', '.join(stacks)}" if stacks else ""


def conflict(mode: Mode, settings: PexipSettings) -> str:
    """Say why a mode contradicts Pexip's own settings; empty if it does not."""
    if mode is Mode.CONTROL and settings.bursting_enabled:
        return (
            "Control mode is refused while Pexip's own bursting is enabled: two controllers would fight. "
            "Disable it under Platform > Global settings > Cloud bursting, or use assist mode."
        )
    if mode is Mode.ASSIST and not settings.bursting_enabled:
        return (
            "Assist mode is refused while Pexip's own bursting is disabled: nobody would stop the nodes. "
            "Enable it under Platform > Global settings > Cloud bursting, or use control mode."
        )
    if settings.cloud_provider != "AWS" and settings.bursting_enabled:
        return f"Pexip bursts into {settings.cloud_provider}, not AWS: Headroom has nothing to do here."
    return ""


def unsure(reading: Reading) -> str:
    """Say what Pexip does not tell, and without which nothing is closed or stopped; empty if it tells that."""
    if "bursting_enabled" in reading.untold:
        return "Pexip does not tell whether its own bursting is enabled: look at Platform > Global settings > Cloud bursting"
    if "upgrade_status" in reading.untold:
        return "Pexip does not tell whether it is being upgraded: look at Utilities > Upgrade"
    return ""


def promises_unread(commitments: Commitments) -> str:
    """Say which promises cannot be read, so that no node is closed or stopped, as it may be one of theirs; empty if none."""
    unread = commitments.unread_promises
    return f"Nothing is closed or stopped while a promise cannot be read ({listed(unread)})" if unread else ""


def check(action: Action, mode: Mode, settings: PexipSettings, pause: Pause | None) -> None:
    """Raise NotNowError if mode, settings or a pause forbid an action; opening a node is always allowed."""
    if action is Action.OPEN:
        return
    if mode is Mode.OBSERVE:
        raise NotNowError("Headroom is in observe mode and touches nothing: deploy with Mode=assist or Mode=control.")
    if mode is Mode.ASSIST and not action.starts:
        raise NotNowError(f"In assist mode Headroom only starts nodes. To {action} a node, use Pexip.")
    if mode is Mode.CONTROL and (against := conflict(mode, settings)):
        raise NotNowError(against)
    check_pause(action, pause)


def check_pause(action: Action, pause: Pause | None) -> None:
    """Raise NotNowError while a pause forbids an action."""
    if pause and pause.forbids(action):
        raise NotNowError(f"Headroom is paused: {pause.reason}")
