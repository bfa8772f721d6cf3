"""Measurements against peers, and the real data that persisty is tried on. `make bench` runs the measurements."""
