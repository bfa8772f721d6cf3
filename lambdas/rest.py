"""REST behind an HTTP API."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from persisty import settings
from persisty.api.http.root_path import root_path_of
from persisty.api.rest.endpoint import Rest
from persisty.application import deployed_app

from .function_metrics import measured
from .http_event import answered, request_id_of
from .http_surface import surrounded

configured = settings.load()
root = root_path_of(configured.root_path)
logger = Logger(service="persisty", level=configured.log_level)
app = deployed_app(configured)
surface = surrounded(Rest(app).handle, app, configured)


@measured("rest", app.name, configured)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one event. Lines of the log have the request id of the response."""
    logger.append_keys(request_id=request_id_of(event))
    return answered(surface, event, root)
