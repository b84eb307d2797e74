"""What the functions do: each case under the name of its function or state machine."""
