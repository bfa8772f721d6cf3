"""Deferred modules: modules of persisty's own that are loaded when a caller first needs them, and not at a cold start.

A caller depends on such a module as it does on any other: `tests/architecture/` counts the call as an import, so that it can neither hide a
circle nor point upwards.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

DEFERRED: dict[str, str] = {
    "persisty.api.actions": "needs asyncio and inspect, and imports the modules of the app's actions",
    "persisty.api.authorization": "needs servey",
    "persisty.api.idempotency": "is needed by requests with a key alone",
    "persisty.api.openapi.document": "describes every operation, for requests of the document",
    "persisty.backends.dynamodb.boto3_transport": "needs boto3",
    "persisty.backends.dynamodb.migrator": "is needed by migrations alone",
    "persisty.backends.sql.postgres.migrator": "is needed by migrations alone",
    "persisty.backends.sql.sqlite_migrator": "is needed by migrations alone",
}
"""Module → why it is not loaded at the start."""


def deferred(name: str) -> Any:
    """Return the module `name`, a row of `DEFERRED`."""
    if name not in DEFERRED:
        raise KeyError(name)
    return import_module(name)
