"""What is kept: events, lifetimes, decisions, and the chain of plans."""
