"""Whenever the dashboard is looked at: show status, nodes or history as a widget."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.parts import parts
from headroom.observability import logger
from headroom.widgets import Pages, Widgets
from headroom.widgets.pressed import fields_of
from headroom.widgets.words import schedule_of

ABOUT = """## Headroom

What Headroom sees and does, as a widget. Parameters: `show`, one of `status`, `nodes`, `history`; and `act`, the ARN of the
function that the buttons call. Without `act` no buttons are shown."""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> str | dict[str, str]:
    """Return HTML; what was typed into the widget's fields comes with the event."""
    if event.get("describe"):
        return {"markdown": ABOUT}
    settings = parts().settings
    pages = Pages(
        parts().ledger,
        Widgets(show=context.invoked_function_arn, act=str(event.get("act", ""))),
        schedule=schedule_of(settings.prewarm_state, settings.prewarm_schedule, settings.time_zone),
        price=settings.price,
    )
    return pages.show(str(event.get("show", "")), fields_of(event))
