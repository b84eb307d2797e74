"""Whenever the dashboard is looked at: show status, nodes or history as a widget."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom.adapters.ledger import Ledger
from headroom.observability import logger
from headroom.pages import Pages, Widgets
from headroom.settings import Settings

ABOUT = """## Headroom

What Headroom sees and does, as a widget. Parameters: `show`, one of `status`, `nodes`, `history`; and `act`, the ARN of the
function whose buttons are shown, none if it is left out."""
settings = Settings.from_env()
ledger = Ledger(settings.table_name, settings.platform)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> str | dict[str, str]:
    """Return HTML; what was typed into the widget's fields comes with the event."""
    if event.get("describe"):
        return {"markdown": ABOUT}
    pages = Pages(
        ledger,
        Widgets(show=context.invoked_function_arn, act=str(event.get("act", ""))),
        schedule=settings.prewarm,
        price=settings.price,
    )
    return pages.show(str(event.get("show", "")), event.get("widgetContext", {}).get("forms", {}).get("all", {}))
