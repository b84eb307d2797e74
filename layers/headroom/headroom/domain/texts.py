"""What a text, a list of names and a time may be, whoever puts them in; and how a text becomes what every medium can carry."""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import timedelta

REASON = 200  # characters of a reason, and of who gives it
TOLD = 300  # characters of what Pexip or AWS tell: an alarm, an error
SENTENCE = 2000  # characters of an event's reason, which may name many nodes
BODY = 20_000  # characters of a message to people
NAMES = 500  # nodes or locations that one request may name
NAMED = 10  # names that a sentence lists
FARTHEST = timedelta(days=366)  # from now to the end of a promise
# Unicode's categories of what controls a terminal, a mail or the reading direction
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = {"\u200c", "\u200d"}  # but these, which scripts and emoji need
LAST_OF_A_PLANE = 0xFFFE  # it, and the next one, are no characters in XML


def line(text: str, most: int = SENTENCE) -> str:
    """Return a text as one line without control characters; an ellipsis ends one of more than `most` characters."""
    plain = " ".join("".join(map(_seen, text[: 4 * most])).split())
    return plain if len(plain) <= most and len(text) <= 4 * most else f"{plain[: most - 1]}…"


def lines(text: str, most: int | None = None) -> str:
    """Return a text of several lines, each without control characters; an ellipsis ends one of more than `most` characters."""
    plain = "\n".join("".join(map(_seen, each)).rstrip() for each in text[:most].split("\n"))
    return plain if most is None or len(text) <= most else f"{plain}…"


def _seen(character: str) -> str:
    is_unseen = unicodedata.category(character) in UNSEEN and character not in JOINERS
    return " " if is_unseen or ord(character) & LAST_OF_A_PLANE == LAST_OF_A_PLANE else character


def once(names: Iterable[str]) -> tuple[str, ...]:
    """Return each name once, in their order."""
    return tuple(dict.fromkeys(names))


def listed(names: Sequence[str]) -> str:
    """Write names for a sentence: the first ten, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(line(name, REASON) for name in names[:NAMED]) + more
