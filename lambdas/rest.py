"""REST behind an HTTP API: an event of payload format 2.0 becomes a `Request`, the `Response` becomes the answer."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from aws_lambda_powertools import Logger

from persisty import settings
from persisty.api.http import Request
from persisty.api.identity import Identified
from persisty.api.rest import Rest
from persisty.application import deployed_app

configured = settings.load()
logger = Logger(service="persisty", level=configured.log_level)
app = deployed_app(configured)
surface = Identified(Rest(app).handle, app.authenticator)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one event. The surface never raises, so neither does this."""
    response = surface.handle(request_of(event))
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": response.body.decode(),
        "isBase64Encoded": False,
    }


def request_of(event: dict[str, Any]) -> Request:
    """The request in an event. HTTP APIs give the query string as it was sent, and the path decoded but for `%25`, which
    then stands for nothing but a percent sign."""
    body = event.get("body") or ""
    return Request(
        method=event["requestContext"]["http"]["method"],
        path=event["rawPath"].replace("%25", "%"),
        query=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=b64decode(body) if event.get("isBase64Encoded") else body.encode(),
    )
