"""What nobody should send, write or type, and what comes all the same: odd answers, records that cannot be read, texts."""

import json
import zlib
from random import Random
from typing import Any

from headroom.adapters.ledger.codec import FORMAT

# No lie: a value that means something else than the truth is a lie, of which `World.denied` plays the worst
VALUES: tuple[Any, ...] = (None, "", "x", -1, 10**20, 1e300, [], {}, "9999-12-31T23:59:59", "2026-13-01", "x" * 5000)
TEXT = "\x1b[31m<!channel> @here\r\nSubject: =HYPERLINK(0) " + "&" * 20_000
FOREVER = 4102444800
SPOILT: dict[str, Any] = {"v": FORMAT + 1, "version": "three", "body": zlib.compress(b'{"id":"old","what":"else"}')}


def answer(body: bytes, dice: Random) -> bytes:
    """Return an answer with one odd value, with a row that is none, cut short, or in place of one something else."""
    try:
        told = json.loads(body)
    except ValueError:
        return body
    rows = told.get("objects") if isinstance(told, dict) else None
    match dice.choice(("cut", "else", "row", "value", "value", "value")):
        case "cut":
            return body[: len(body) // 2]
        case "else":
            told = dice.choice(VALUES)
        case "row" if rows:
            rows[dice.randrange(len(rows))] = dice.choice(VALUES)
        case _ if isinstance(told, dict):
            one = dice.choice(rows) if rows else told
            one[dice.choice(sorted(one))] = dice.choice(VALUES)
    return json.dumps(told).encode()
