"""When a button on the dashboard is pressed: check the order again, carry it out, and record who asked."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headroom import clock
from headroom.adapters.parts import parts
from headroom.domain.planning.promises import BadRequestError
from headroom.observability import logger
from headroom.usecases.order import Operator
from headroom.widgets import answer
from headroom.widgets.pressed import fields_of, order_of, signed

ABOUT = "Does what the buttons of Headroom's widgets ask for. It shows nothing by itself."


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> str | dict[str, str]:
    """Carry the order out and say what was begun; a refusal says what to change."""
    if event.get("describe"):
        return {"markdown": ABOUT}
    fields = fields_of(event)
    try:
        order = order_of(event, fields, parts().settings.time_zone, clock.now())
        done = Operator.of(parts()).carry_out(
            order, signed("CloudWatch dashboard", f"request {context.aws_request_id}", fields)
        )
    except BadRequestError as error:
        logger.info("refused", reason=str(error))
        return answer(str(error), failed=True)
    logger.info("carried out", order=str(order.do), sentence=done.sentence)
    return answer(f"{done.sentence}.")
