"""`/metrics`: the metrics of requests and of the process in the format that the scraper accepts."""

from __future__ import annotations

from pathlib import Path

from .. import settings
from ..api.http.messages import Request, Response, without_content
from ..api.http.problem import refusal
from ..drivers import driver
from ..errors import MethodNotAllowed
from .metrics import Metrics

ALLOWED = "GET, HEAD, OPTIONS"


class Exposition:
    """Answers `/metrics`: for this process, or for all workers if they share a folder of metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._choose_encoder = driver("prometheus_client.exposition").choose_encoder
        self._registry = metrics.registry
        folder = settings.metrics_folder()
        if folder is not None:
            self._registry = driver("prometheus_client").CollectorRegistry()
            driver("prometheus_client.multiprocess").MultiProcessCollector(self._registry, folder)

    def handle(self, request: Request) -> Response:
        """Answer a request for `/metrics`."""
        if request.method == "OPTIONS":
            return Response(204, {"allow": ALLOWED})
        if request.method not in {"GET", "HEAD"}:
            return refusal(MethodNotAllowed(allow=ALLOWED))
        encode, media = self._choose_encoder(request.headers.get("accept", ""))
        response = Response(200, {"content-type": media, "cache-control": "no-store"}, encode(self._registry))
        return without_content(response) if request.method == "HEAD" else response


def remove_worker(folder: str, pid: int | None) -> None:
    """Delete the requests in progress of a worker that has ended. Its other numbers still count."""
    for file in Path(folder).glob(f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)
