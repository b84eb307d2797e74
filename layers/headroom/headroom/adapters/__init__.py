"""The outside world, one module per thing: Pexip, EC2, the ledger in DynamoDB, workflows, people."""
