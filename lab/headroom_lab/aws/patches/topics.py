"""SNS: a subject is refused as AWS refuses it.

AWS: subjects «must be ASCII text that begins with a letter, number, or punctuation mark; must not include line breaks or control
characters; and must be less than 100 characters long» (Publish, API reference). The engine takes any.
"""

import string
from typing import Any

from ministack.services import sns

from headroom_lab.aws.patches import replace

LONGEST = 99
BEGINS = frozenset(string.ascii_letters + string.digits + string.punctuation)


def checking(publish: Any) -> Any:
    """Refuse a subject that no mail could have."""

    def published(params: Any) -> Any:
        subject = sns._p(params, "Subject")
        fits = subject.isascii() and subject.isprintable() and subject[:1] in BEGINS and len(subject) <= LONGEST
        if subject and not fits:
            return sns._error("InvalidParameter", "Invalid parameter: Subject", 400)
        return publish(params)

    return published


def apply() -> None:
    """Patch Publish."""
    replace(sns, "_publish", checking)
