"""How a node's maintenance_mode_reason says that Headroom closed it, which stack of it, and why."""

import re

OURS = "Headroom:"  # how every maintenance_mode_reason that Headroom writes begins
PROVISIONED, CONVERTED = BEING_CHANGED = (
    "is being provisioned",
    "is being converted",
)  # end a reason, of no overflow node yet
SIGNED = re.compile(r"Headroom: \[([^\]]*)\] ")


def signed(reason: str, stack: str) -> str:
    """Write a maintenance_mode_reason that says which stack of Headroom closed the node."""
    return f"{OURS} [{stack}] {reason}" if stack else f"{OURS} {reason}"


def is_ours(reason: str | None, stack: str) -> bool:
    """Say whether a maintenance_mode_reason is this stack's own; one without a name is, as an earlier version wrote it."""
    return (reason or "").startswith(OURS) and signer(reason) in {"", stack}


def is_being_provisioned(reason: str | None, stack: str) -> bool:
    """Say whether a maintenance_mode_reason is that of a node that this stack has created, and has not made whole."""
    return is_ours(reason, stack) and (reason or "").endswith(PROVISIONED)


def signer(reason: str | None) -> str:
    """Return the stack of Headroom that a maintenance_mode_reason names; empty if it names none."""
    by = SIGNED.match(reason or "")
    return by[1] if by else ""


def unsigned(reason: str) -> str:
    """Return a maintenance_mode_reason of Headroom's without its signature."""
    return SIGNED.sub("", reason).removeprefix(OURS).strip()
