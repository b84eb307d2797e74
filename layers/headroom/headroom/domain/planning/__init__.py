"""What to change now, and why; what can be promised."""
