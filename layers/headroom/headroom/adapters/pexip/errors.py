"""What can be wrong with an answer of the Management Node; each error's message says what to do.

PexipError
├── PexipUnreachableError   no answer, or no trusted connection
├── PexipDeniedError        the credentials or their role do not suffice
├── PexipBusyError          too many requests, or an error of the node's own
└── PexipAnswerError        not an answer of the Management API, or not as expected
    ├── PexipUnknownError   this version has no such resource or filter
    └── PexipOtherNodeError an id belongs to another node than at the last reading
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
    """The answer is not from the Management API, or not as expected."""


class PexipUnknownError(PexipAnswerError):
    """This version of Pexip has no such resource, or does not support this filter."""


class PexipOtherNodeError(PexipAnswerError):
    """An id belongs to another node than at the last reading, as after a restored backup: nothing was changed."""
