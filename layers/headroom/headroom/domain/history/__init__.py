"""What is kept of it: the chain of plans."""
