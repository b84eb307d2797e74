"""What is there: nodes and instances, their lives, their load, and what the ledger missed of them."""
