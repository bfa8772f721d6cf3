"""Metrics of requests: their number, their statuses and their durations. `prometheus_client` counts them.

With several workers, the numbers are in files that every worker reads, so each answers `/metrics` for all of them. The number of labels is
bounded: routes are those of the app, methods those of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..drivers import driver

SOCKET = "WEBSOCKET"
"""The method of an operation over a WebSocket."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", SOCKET})
OTHER = "other"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations, in seconds."""


class Metrics:
    """The metrics of one server. `registry` has them, with those of the process."""

    def __init__(self) -> None:
        prometheus = driver("prometheus_client")
        self.registry: Any = prometheus.CollectorRegistry()
        self._ended = prometheus.Counter(
            "persisty_http_requests",
            "Requests that were answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._took = prometheus.Histogram(
            "persisty_http_request_duration_seconds",
            "Time from the first byte of a request to the last of its response.",
            ("route", "method"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        running = prometheus.Gauge(
            "persisty_http_requests_in_progress",
            "Requests that are being answered.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.begin: Callable[[], None] = running.inc
        """Count a request that has begun."""
        self.end: Callable[[], None] = running.dec
        """Count a request of `begin` that has ended."""
        self._recorders: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}
        for collector in (prometheus.ProcessCollector, prometheus.PlatformCollector, prometheus.GCCollector):
            collector(registry=self.registry)

    def record(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record the end of a request that took so many seconds."""
        labels = (route, method, status)
        recorders = self._recorders.get(labels)
        if recorders is None:
            known = method if method in METHODS else OTHER
            count, observe = self._ended.labels(route, known, str(status)).inc, self._took.labels(route, known).observe
            if known == method:  # other methods are unlimited in number
                self._recorders[labels] = count, observe
        else:
            count, observe = recorders
        count()
        observe(seconds)
