"""A maintenance_mode_reason says which stack closed a node, and whether that stack is still making it."""

from dataclasses import replace

import pytest

from tests.support.builders import node


@pytest.mark.parametrize(
    ("closed", "reason", "begun"),
    [
        (True, "Headroom: burst-9 is being provisioned", True),
        (True, "Headroom: [ours] burst-9 is being provisioned", True),
        (True, "Headroom: [another] burst-9 is being provisioned", False),
        (True, "Headroom: [ours] burst-9 is being converted", False),
        (True, "Headroom: [ours] idle", False),
        (True, "burst-9 is being provisioned", False),
        (False, "Headroom: [ours] burst-9 is being provisioned", False),
    ],
)
def test_only_what_this_stack_has_created_and_not_opened_is_being_provisioned(
    *, closed: bool, reason: str, begun: bool
) -> None:
    worker = replace(node(1)[0], maintenance_mode_configured=closed, maintenance_mode_reason=reason, read_by="ours")
    assert worker.is_being_provisioned is begun
