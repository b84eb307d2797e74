"""Proofs at a desk: every interleaving of a small model, random ones of a larger one, and the shipped workflows under faults."""
