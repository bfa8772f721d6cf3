"""`/metrics`: the counts of requests, and what the process takes, as Prometheus reads them.

`prometheus_client` spells them, in the format that the scraper asks for. Imported only where metrics are on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..api.http.messages import Request, Response, without_content
from ..api.http.problem import refusal
from ..errors import MethodNotAllowed
from .metrics import BUCKETS, Metrics

BOUNDS = (*(str(bound) for bound in BUCKETS), "+Inf")
METHODS = "GET, HEAD, OPTIONS"


class Requests(Collector):
    """The counts, as they are when somebody looks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        ended = CounterMetricFamily(
            "persisty_http_requests", "Requests that were answered.", labels=("route", "method", "status")
        )
        for (route, method, status), count in self._metrics.ended.items():
            ended.add_metric((route, method, str(status)), count)
        took = HistogramMetricFamily(
            "persisty_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            labels=("route", "method"),
        )
        for kind, durations in self._metrics.took.items():
            counts = zip(BOUNDS, accumulate(durations.buckets), strict=True)
            took.add_metric(kind, [(bound, count) for bound, count in counts], durations.total)
        running = GaugeMetricFamily(
            "persisty_http_requests_in_progress", "Requests that are being answered.", value=self._metrics.running
        )
        yield from (ended, took, running)


class Exposition:
    """What `/metrics` answers."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Requests(metrics))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def handle(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(204, {"allow": METHODS})
        if request.method not in {"GET", "HEAD"}:
            return refusal(MethodNotAllowed(allow=METHODS))
        encode, media = choose_encoder(request.headers.get("accept", ""))
        told = Response(200, {"content-type": media, "cache-control": "no-store"}, encode(self._registry))
        return without_content(told) if request.method == "HEAD" else told
