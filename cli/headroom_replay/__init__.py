"""The replay lab: controllers against real load, beside a clairvoyant one."""
