"""The `headroom` command: what an operator uses on a deployed stack."""
