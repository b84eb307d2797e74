"""When a button on the dashboard is pressed: check it again, do it, and write down who asked."""

from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.acting import Operator, order_of, signed
from headroom.adapters.ledger import Ledger
from headroom.domain.promises import BadRequestError
from headroom.observability import logger
from headroom.pages import answer
from headroom.settings import Settings

ABOUT = "Does what the buttons of Headroom's widgets ask for. It shows nothing by itself."
settings = Settings.from_env()
machines = {"prewarm": settings.prewarm_arn, "set_open": settings.set_open_arn}
ledger = Ledger(settings.table_name, settings.platform)
operator = Operator(ledger, boto3.client("stepfunctions"), machines, settings.policy)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> str | dict[str, str]:
    """Carry the order out and say what was begun; a refusal says what to change."""
    if event.get("describe"):
        return {"markdown": ABOUT}
    fields = event.get("widgetContext", {}).get("forms", {}).get("all", {})
    try:
        order = order_of(event, fields, settings.time_zone, clock.now())
        done = operator.carry_out(order, signed("CloudWatch dashboard", f"request {context.aws_request_id}", fields))
    except BadRequestError as error:
        logger.info("refused", reason=str(error))
        return answer(str(error), failed=True)
    logger.info("carried out", order=str(order.do), sentence=done.sentence)
    return answer(f"{done.sentence}.")
