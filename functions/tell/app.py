"""Every minute: tell people what they should know of what happened, in as few messages as can be."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.adapters.notify import Notify
from headroom.domain.telling import tell
from headroom.observability import logger
from headroom.settings import Settings

KEEP = timedelta(minutes=10)  # how late an event may be written down
settings = Settings.from_env()
ledger = Ledger(settings.table_name, settings.platform)
notify, chat = Notify(settings.topic_arn), Notify(settings.chat_topic_arn)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Send what is due, then remember it: a crash in between says something twice, and leaves nothing out."""
    now = clock.now()
    if not ledger.take_lease("tell", now + timedelta(seconds=50), now):
        return {"messages": 0}
    memo = ledger.memo()
    happened = ledger.happened((memo.looked or now) - KEEP, now)
    messages, memo = tell(happened, memo, now, KEEP, settings.policy.on_the_clock)
    for message in messages:
        notify.people(message.subject, message.body)
        chat.chat(message)
        logger.info("told", subject=message.subject, urgent=message.urgent)
    ledger.keep_memo(memo)
    return {"messages": len(messages)}
