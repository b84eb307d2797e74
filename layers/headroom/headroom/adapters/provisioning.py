"""The wiring of the optional stack: what provisioning works with, made from its environment when it is first needed."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Self

from headroom.adapters.ledger import Ledger
from headroom.adapters.making import Making
from headroom.settings import read

if TYPE_CHECKING:
    from headroom.adapters.pexip.connection import Connection
    from headroom.adapters.pexip.form import Form
    from headroom.adapters.pexip.provisioning import ProvisioningNode


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningSettings:
    """One field per variable of provisioning/template.yaml; `stack` is Headroom's own, not the optional one."""

    stack: str
    pexip_url: str
    pexip_secret_arn: str
    tag_value: str
    table_name: str
    image_owner: str
    form_url: str

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the environment; raise SettingsError that names everything that is missing."""
        return cls(**read(env, [field.name for field in fields(cls)]))


class ProvisioningParts:
    """Everything outside that provisioning may touch."""

    @cached_property
    def settings(self) -> ProvisioningSettings:
        """What provisioning/template.yaml sets."""
        return ProvisioningSettings.from_env()

    @cached_property
    def ledger(self) -> Ledger:
        """Headroom's table."""
        return Ledger(self.settings.table_name, self.settings.tag_value)

    @cached_property
    def making(self) -> Making:
        """EC2."""
        return Making(self.settings.stack, self.settings.tag_value)

    @cached_property
    def pexip(self) -> "Connection[ProvisioningNode]":
        """The Management Node."""
        from headroom.adapters.pexip.connection import Connection  # noqa: PLC0415 - requests is a seventh of a cold start
        from headroom.adapters.pexip.provisioning import ProvisioningNode  # noqa: PLC0415 - it brings requests, too

        return Connection(self.settings, ProvisioningNode)

    @cached_property
    def form(self) -> "Form":
        """New nodes' forms."""
        from headroom.adapters.pexip.form import Form  # noqa: PLC0415 - it brings requests, too

        return Form(self.settings.form_url)


_in_use = [ProvisioningParts()]


def parts() -> ProvisioningParts:
    """Return the parts of this process."""
    return _in_use[-1]


@contextmanager
def using(others: ProvisioningParts) -> Iterator[None]:
    """Replace the parts of this process inside a `with` block."""
    _in_use.append(others)
    try:
        yield
    finally:
        _in_use.remove(others)
