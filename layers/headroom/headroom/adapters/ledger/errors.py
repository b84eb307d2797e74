"""What can stand against a change in the ledger."""

from botocore.exceptions import ClientError


class SupersededError(Exception):
    """Another plan was made meanwhile; this one is dropped and nothing is lost."""


class ClaimLostError(Exception):
    """Another workflow has the claim on this node, or this one's lease ended: stop here, change nothing more."""


class PlanChangedError(Exception):
    """The claim is ours, but the newest plan wants the node otherwise: turn round."""


def is_condition_failed(error: ClientError) -> bool:
    """Say whether a write's condition did not hold, rather than that DynamoDB failed."""
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
