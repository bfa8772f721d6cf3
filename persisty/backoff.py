"""Pauses before the retries of a failed call, shared by all engines over a network."""

from __future__ import annotations

from random import random

ATTEMPTS = 5
"""The most attempts of a call before it fails with a typed error."""
BACKOFF, BACKOFF_CAP = 0.05, 1.0
"""Seconds: the n-th retry waits a random time up to BACKOFF · 2ⁿ, at most BACKOFF_CAP (full jitter)."""


def backoff(attempt: int) -> float:
    """Return the seconds to wait before retry number `attempt`, counted from 0."""
    return float(random() * min(BACKOFF_CAP, BACKOFF * 2**attempt))
