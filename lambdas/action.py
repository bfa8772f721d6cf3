"""The function of one custom action: its route of the HTTP API and its field of AppSync."""

from __future__ import annotations

from typing import Any

from . import appsync, rest

FIELD = "fieldName"
"""A member of the events that AppSync's resolvers send, which events of an HTTP API do not have."""


def handler(event: dict[str, Any], context: Any) -> Any:
    """Answer one event of either API."""
    return (appsync if FIELD in event else rest).handler(event, context)
