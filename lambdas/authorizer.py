"""The Lambda authorizer of AppSync: verifies the same tokens as REST."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from persisty import settings
from persisty.api.graphql.appsync.authorizer import verdict
from persisty.application import deployed_app

configured = settings.load()
logger = Logger(service="persisty", level=configured.log_level)
app = deployed_app(configured)
authenticator = app.authenticator


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return whether the caller is authorized."""
    return verdict(authenticator, event)
