"""The stream of one table: calls the handlers of its after triggers."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from persisty import settings
from persisty.application import deployed_app
from persisty.application.stream_events import deployed_events

from .function_metrics import measured

RESERVE = 2_000
"""Milliseconds before the timeout of the function in which it only answers."""
configured = settings.load()
logger = Logger(service="persisty", level=configured.log_level)
app = deployed_app(configured)
events = deployed_events(app, configured)


@measured("after", app.name, configured)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch. The response names the first record that has to be delivered again."""
    return events.handle(event, max(0, context.get_remaining_time_in_millis() - RESERVE) / 1000)
