"""Every minute: tell people what they should know of what happened, in as few messages as can be."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from headroom import clock
from headroom.adapters.parts import parts
from headroom.domain.people.telling import Message, tell
from headroom.observability import logger

KEEP = timedelta(minutes=10)  # how late an event may be written down
OLDEST = timedelta(days=1)  # after a long rest nobody is told of what is longer ago: it is in the history
MOST_UNSENT = 20


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Send what is due, and remember what was sent: a crash in between says something twice.

    What people are spared in a flood or after a long rest (`telling.KEPT`, OLDEST, MOST_UNSENT) is in the history.
    """
    now, ledger = clock.now(), parts().ledger
    if not ledger.take_lease("tell", now + timedelta(seconds=50), now):
        return {"messages": 0}
    memo = ledger.memo()
    since = max((memo.looked or now) - KEEP, now - OLDEST)
    messages, memo = tell(ledger.happened(since, now), memo, now, KEEP, parts().policy.on_the_clock)
    waiting = [*memo.unsent, *messages]
    unsent = tuple(message for message in waiting if not sent(message))
    ledger.keep_memo(replace(memo, unsent=unsent[-MOST_UNSENT:]))
    return {"messages": len(waiting) - len(unsent)}


def sent(message: Message) -> bool:
    """Tell people, and chats if they can be told; say whether people were."""
    settings = parts().settings
    stack = settings.bus_name  # they share a name
    body = (
        f"{message.body}\n\nThis is {settings.platform}. The commands are for its stack: `headroom … --stack {stack}`."
    )
    try:
        parts().people.people(message.subject, body)
    except ClientError:
        logger.exception("people were not told", subject=message.subject)
        return False
    try:
        parts().chats.chat(replace(message, body=body))
    except ClientError:  # people know; a chat is not worth telling them again
        logger.exception("chats were not told", subject=message.subject)
    logger.info("told", subject=message.subject, urgent=message.urgent)
    return True
