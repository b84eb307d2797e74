"""The laboratory's commands, which join `headroom` by entry points."""
