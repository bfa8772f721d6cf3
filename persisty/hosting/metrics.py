"""How many requests there were, how they ended and how long they took: counted here, told to Prometheus by `exposition.py`.

A request costs a few additions in dictionaries of this process. Their size is bounded: routes are the app's, methods those of HTTP.
"""

from __future__ import annotations

from bisect import bisect_left

SOCKET = "WEBSOCKET"
"""The method of what is asked over a WebSocket."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", SOCKET})
OTHER = "other"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations, in seconds; there is one more for what takes longer."""


class Durations:
    """Requests of one route and method, by how long they took."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class Metrics:
    """The counts. Changed in the event loop alone."""

    def __init__(self) -> None:
        self.running = 0
        self.ended: dict[tuple[str, str, int], int] = {}
        """Route, method and status → requests that ended so."""
        self.took: dict[tuple[str, str], Durations] = {}
        """Route and method → how long they took."""

    def note(self, method: str, route: str, status: int, took: float) -> None:
        """Count a request that took so many seconds."""
        if method not in METHODS:
            method = OTHER
        ended = (route, method, status)
        self.ended[ended] = self.ended.get(ended, 0) + 1
        kind = (route, method)
        durations = self.took.get(kind)
        if durations is None:
            durations = self.took[kind] = Durations()
        durations.buckets[bisect_left(BUCKETS, took)] += 1
        durations.total += took
