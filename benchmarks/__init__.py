"""Measurements against the peers, as ratios of one run: `make bench`."""
