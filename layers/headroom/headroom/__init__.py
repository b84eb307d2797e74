"""Keeps enough free HD connections ready on Pexip Infinity's overflow Conferencing Nodes in EC2."""

__version__ = "0.1.0"
