"""What a check of the site has found."""

from dataclasses import dataclass
from enum import StrEnum

DOCS = "docs/guide.md"


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"  # Headroom cannot do its work, or Pexip will not
    WARNING = "warning"  # it will hurt one day
    NOTE = "note"  # good to know
    OK = "ok"
    UNKNOWN = "not seen"


WORST = list(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found: the evidence, and what to do, which is empty where all is well."""

    check: str
    about: str
    severity: Severity
    evidence: str
    advice: str = ""
    link: str = DOCS
