"""Why a write to the ledger can be refused."""

from botocore.exceptions import ClientError


class SupersededError(Exception):
    """Another plan was made meanwhile; this one is dropped and nothing is lost."""


class ClaimLostError(Exception):
    """Another workflow has the claim on this node, or this one's lease ended: stop here, change nothing more."""


class PlanChangedError(Exception):
    """This workflow has the claim, but the newest plan wants something else of the node: turn round."""


def is_condition_failed(error: ClientError) -> bool:
    """Say whether a write's condition did not hold, rather than that DynamoDB failed."""
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
