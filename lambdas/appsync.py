"""The fields of the GraphQL API. AppSync's resolver sends `{fieldName, arguments, …}` and unpacks the response. For a link it sends a list."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from persisty import settings
from persisty.api.graphql.appsync.function import AppSync
from persisty.application import deployed_app

configured = settings.load()
logger = Logger(service="persisty", level=configured.log_level)
surface = AppSync(deployed_app(configured))


@logger.inject_lambda_context
def handler(event: dict[str, Any] | list[Any], context: Any) -> dict[str, Any] | list[dict[str, Any]]:
    """Answer one event, or the list of a link. Never raises, because the surface does not."""
    return surface.handle_batch(event) if isinstance(event, list) else surface.handle(event)
