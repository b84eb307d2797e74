"""Turn what was pressed and typed on a page into an order, with the name of the person who asks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from headroom.domain.people.orders import Do
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.texts import TOLD, line
from headroom.usecases.order import Order
from headroom.widgets.words import next_time_of, typed

DIGITS = 4  # of a number of nodes
NAME = 60  # characters of a typed name


def fields_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Return what was typed into a widget's fields; CloudWatch sends it with the event, or nothing of it."""
    found: Any = event
    for name in ("widgetContext", "forms", "all"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, Mapping) else {}


def signed(who: str, where: str, fields: Mapping[str, str]) -> str:
    """Return who asks, and where; a typed name is marked as typed, as nobody has checked it."""
    name = line(typed(fields, "name"), NAME)
    return f"{who} ({where}{f'; typed name: {name}' if name else ''})"


def order_of(pressed: Mapping[str, Any], fields: Mapping[str, str], zone: str, now: datetime) -> Order:
    """Read what was pressed on a page, and typed beside it; raise BadRequestError with a message for the person who did.

    `pressed` has fields of `Order`; `count`, `until` and `reason` come from what was typed, if anything was.
    """
    count, until_when = typed(fields, "count"), typed(fields, "until")
    given: dict[str, Any] = {
        name: value for name, value in pressed.items() if name in {"do", "nodes", "hold", "stops_only"}
    }
    given["reason"] = typed(fields, "reason")
    if given.get("do") == Do.START and not given.get("nodes"):
        if not count.isdecimal() or len(count) > DIGITS:
            raise BadRequestError("Enter the number of nodes.")
        given["count"] = int(count)
    if given.get("do") in (Do.START, Do.HOLD, Do.PAUSE) and until_when:
        until = next_time_of(until_when, zone, now)
        if until is None:
            raise BadRequestError(f"{line(until_when, NAME)} is not a time: write 14:00, or 2026-03-02T14:00.")
        given["until"] = until
    try:
        return msgspec.convert(given, Order)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"This cannot be read: {line(str(error), TOLD)}.") from error
