"""A simulated Pexip platform behind a real HTTPS Management API, written from Pexip's documentation."""
