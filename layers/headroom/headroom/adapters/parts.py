"""The wiring: the parts that use cases work with, each made from the environment when it is first needed.

Handlers and the lab build their use cases from it (`StartNode.of(parts())`); a lab replaces
all of them by parts of its own with `using`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Self

import boto3

from headroom.adapters.bus import Bus
from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.looks import Looks
from headroom.adapters.notify import Notify
from headroom.adapters.site import Site
from headroom.adapters.workflows import Workflows
from headroom.domain.policy import Policy
from headroom.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from headroom.adapters.pexip.connection import Connection


class Parts:
    """Everything outside that a use case may touch, for one platform."""

    @classmethod
    def made_of(cls, **given: object) -> Self:
        """Return parts that are all given by the caller, so that none is made from the environment."""
        names = {name for name, part in vars(Parts).items() if isinstance(part, cached_property)}
        if set(given) != names:
            raise TypeError(f"Give each part, and no other: {', '.join(sorted(set(given) ^ names))}")
        made = cls()
        vars(made).update(given)
        return made

    @cached_property
    def settings(self) -> Settings:
        """What template.yaml sets."""
        return Settings.from_env()

    @property
    def policy(self) -> Policy:
        """The operator's settings, as the domain takes them."""
        return self.settings.policy

    @cached_property
    def ledger(self) -> Ledger:
        """The table."""
        return Ledger(self.settings.table_name, self.settings.platform)

    @cached_property
    def ec2(self) -> Ec2:
        """The tagged instances."""
        return Ec2(self.settings.tag_value)

    @cached_property
    def site(self) -> Site:
        """The account, as the doctor looks at it."""
        return Site(self.settings.tag_value)

    @cached_property
    def pexip(self) -> "Connection":
        """The connection to the Management Node."""
        from headroom.adapters.pexip.connection import Connection  # noqa: PLC0415 - requests is a seventh of a cold start

        return Connection(self.settings)

    @cached_property
    def looks(self) -> Looks:
        """The queue by which Pexip is read again between two ticks."""
        return Looks(self.settings.looks_queue_url)

    @cached_property
    def workflows(self) -> Workflows:
        """The state machines that a plan begins."""
        return Workflows(self.settings)

    @cached_property
    def states(self) -> "SFNClient":
        """Step Functions, for what people ask for."""
        return boto3.client("stepfunctions")

    @cached_property
    def people(self) -> Notify:
        """The topic that people subscribe to."""
        return Notify(self.settings.topic_arn)

    @cached_property
    def chats(self) -> Notify:
        """The topic that chat applications subscribe to."""
        return Notify(self.settings.chat_topic_arn)

    @cached_property
    def heads(self) -> Notify:
        """The topic to which the heads of the chain of plans are published."""
        return Notify(self.settings.heads_topic_arn)

    @cached_property
    def bus(self) -> Bus:
        """The event bus."""
        return Bus(self.settings.bus_name, self.settings.platform)


_in_use = [Parts()]


def parts() -> Parts:
    """Return the parts of this process."""
    return _in_use[-1]


@contextmanager
def using(others: Parts) -> Iterator[None]:
    """Replace the parts of this process inside a `with` block."""
    _in_use.append(others)
    try:
        yield
    finally:
        _in_use.remove(others)
