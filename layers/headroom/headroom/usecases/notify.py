"""Send people the notifications that are due, batched: as few messages as possible, and none lost."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.readings import Lease
from headroom.adapters.notify import Notify
from headroom.adapters.parts import Parts
from headroom.domain.people.telling import Message, tell
from headroom.observability import attempt, logger
from headroom.settings import Settings

KEEP = timedelta(minutes=10)  # how late an event may be written down
OLDEST = timedelta(days=1)  # after an outage, older events are not sent; they are in the history
MOST_UNSENT = 20


@dataclass
class Notifier:
    """Sends notifications to the topics for people and for chats."""

    ledger: Ledger
    people: Notify
    chats: Notify
    settings: Settings

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.people, parts.chats, parts.settings)

    def notify(self, now: datetime) -> int:
        """Send what is due, remember what was sent, and return how many messages. A crash in between can send one twice.

        If it takes so long that another begins, that one sends the rest, and remembers.

        What is left out in a flood or after a long outage (`telling.KEPT`, OLDEST, MOST_UNSENT) is in the history.
        """
        lease = self.ledger.lease("tell")
        if not lease.take():
            return 0
        try:
            return self._send_what_is_due(now, lease)
        finally:
            attempt(lease.give_back, "a lease not given back", lost="LeasesLost")

    def _send_what_is_due(self, now: datetime, lease: Lease) -> int:
        memo = self.ledger.memo()
        since = max((memo.looked or now) - KEEP, now - OLDEST)
        clock_of = self.settings.policy.on_the_clock
        messages, memo = tell(self.ledger.happened(since, now), memo, now, KEEP, clock_of)
        waiting = [*memo.unsent, *messages]
        unsent = tuple(message for message in waiting if not (lease.keep() and self.send(message)))
        if lease.keep():
            self.ledger.keep_memo(replace(memo, unsent=unsent[-MOST_UNSENT:]))
        return len(waiting) - len(unsent)

    def send(self, message: Message) -> bool:
        """Send a message to people, and to chats if possible; say whether people got it."""
        stack = self.settings.bus_name  # they share a name
        where = f"This is about {self.settings.platform}. Add the stack to commands: `headroom … --stack {stack}`."
        body = f"{message.body}\n\n{where}"
        try:
            self.people.people(message.subject, body)
        except Exception:  # AWS's, or one that nobody thought of: the others are sent
            logger.exception("people were not told", subject=message.subject)
            return False
        try:
            self.chats.chat(replace(message, body=body))
        except Exception:  # people got it; sending it again for a chat would repeat it for them
            logger.exception("chats were not told", subject=message.subject)
        logger.info("told", subject=message.subject, urgent=message.urgent)
        return True
