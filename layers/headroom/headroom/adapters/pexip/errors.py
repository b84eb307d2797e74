"""What can be wrong with an answer of the Management Node; each error's message says what to do.

PexipError
├── PexipUnreachableError   no answer, or no trusted connection
├── PexipDeniedError        the credentials or their role do not suffice
├── PexipBusyError          too many requests, or an error of the node's own
└── PexipAnswerError        an answer that the Management API would not give
    └── PexipUnknownError   this version has no such resource or filter
"""


class PexipError(Exception):
    """The Management Node did not give a usable answer; the next minute tries again."""


class PexipUnreachableError(PexipError):
    """No answer, or no trusted connection."""


class PexipDeniedError(PexipError):
    """The credentials, or the role behind them, do not suffice."""


class PexipBusyError(PexipError):
    """Too many requests, or an error of the Management Node's own."""


class PexipAnswerError(PexipError):
    """An answer that the Management API would not give."""


class PexipUnknownError(PexipAnswerError):
    """This version of Pexip has no such resource, or does not filter it so."""
