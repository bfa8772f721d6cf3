"""The fields of the GraphQL API. AppSync's resolver sends `{fieldName, arguments, …}` and unpacks the response. For a link it sends a list of these."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from persisty import settings
from persisty.api.graphql.appsync.function import AppSync, failed
from persisty.application import deployed_app
from persisty.errors import AnswerTooLarge

from .function_metrics import measured
from .result_size import check_size, too_large

MUTATION = "Mutation"
"""The type of the fields that may write."""

configured = settings.load()
logger = Logger(service="persisty", level=configured.log_level)
app = deployed_app(configured)
surface = AppSync(app)


@measured("appsync", app.name, configured)
@logger.inject_lambda_context
def handler(event: dict[str, Any] | list[Any], context: Any) -> dict[str, Any] | list[dict[str, Any]]:
    """Answer one event, or the list of a link. Never raises, because the surface does not. If the result is larger than Lambda accepts, each answer
    is replaced by the error `answer_too_large`."""
    result = surface.handle_batch(event) if isinstance(event, list) else surface.handle(event)
    try:
        check_size(result)
    except AnswerTooLarge as error:
        if isinstance(event, list):
            return [failed(error)] * len(event)
        written = event.get("parentTypeName") == MUTATION and "error" not in result
        return failed(too_large(200) if written else error)
    return result
