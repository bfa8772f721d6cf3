"""The schedules of one timed action: call it at each of their times."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from persisty import settings
from persisty.application import deployed_app
from persisty.application.timer_events import deployed_timers

from .function_metrics import measured

RESERVE = 2_000
"""Milliseconds before the timeout of the function in which it only answers."""
configured = settings.load()
logger = Logger(service="persisty", level=configured.log_level)
app = deployed_app(configured)
timers = deployed_timers(app, configured)


@measured("timer", app.name, configured)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Call the action. An error makes Lambda invoke the function again."""
    timers.handle(event, max(0, context.get_remaining_time_in_millis() - RESERVE) / 1000)
    return {}
