"""The streams of the tables: publishes each change to the subscriptions of the GraphQL API."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from persisty import settings
from persisty.api.graphql.appsync.stream_function import deployed_stream
from persisty.application import deployed_app

from .function_metrics import measured

configured = settings.load()
logger = Logger(service="persisty", level=configured.log_level)
app = deployed_app(configured)
stream = deployed_stream(app, configured)


@measured("stream", app.name, configured)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Publish a batch. The response lists the records that failed. Never raises, because the stream does not."""
    return stream.handle(event)
