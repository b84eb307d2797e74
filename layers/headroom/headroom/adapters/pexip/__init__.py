"""Pexip's Management API: what answers look like, how they are fetched, what is asked, and the connection."""
