"""A weekday morning, end to end: the real template on the embedded AWS ahead of a simulated platform's load."""
