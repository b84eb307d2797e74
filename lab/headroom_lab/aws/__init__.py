"""The embedded AWS: a pinned engine, started and stopped by us, patched where it differs from AWS and we rely on it."""
