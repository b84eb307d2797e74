"""Why a write to the ledger can be refused."""

from botocore.exceptions import ClientError


class SupersededError(Exception):
    """Another plan was made meanwhile; this one is dropped and nothing is lost."""


class ClaimLostError(Exception):
    """Another workflow has the claim on this node, or this one's lease ended: stop here, change nothing more."""


class PlanChangedError(Exception):
    """This workflow has the claim, but the newest plan wants something else of the node: turn round."""


class UnreadableRecordError(Exception):
    """This version cannot read a record: a newer one wrote it, or it was restored, half written, or written by hand."""

    def __init__(self, pk: str, sk: str, why: str) -> None:
        super().__init__(pk, sk, why)  # as given, so that another process can be told
        self.key, self.name, self.why = pk, sk, why

    def __str__(self) -> str:
        return f"The record «{self.key}», «{self.name}» of the table cannot be read: {self.why}"


def is_condition_failed(error: ClientError) -> bool:
    """Say whether a write's condition did not hold, rather than that DynamoDB failed."""
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
