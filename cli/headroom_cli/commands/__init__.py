"""One module a family of commands: their options and help; what they do is imported when they run."""
