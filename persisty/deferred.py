"""Deferred modules: modules of persisty that are loaded at the first use, and not at a cold start.

`tests/architecture/` counts a call of `deferred` as an import, so it can neither hide a
cycle nor import from a higher layer.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

DEFERRED: dict[str, str] = {
    "persisty.api.actions": "needs asyncio and inspect, and imports the modules of the app's actions",
    "persisty.api.authorization": "needs servey",
    "persisty.api.idempotency": "is needed by requests with a key alone",
    "persisty.api.openapi.document": "describes every operation, for requests of the document",
    "persisty.application.shared_changes": "is needed by apps that share their changes alone",
    "persisty.backends.dynamodb.boto3_transport": "needs boto3",
    "persisty.backends.dynamodb.migrator": "is needed by migrations alone",
    "persisty.backends.sql.foreseen_sqlite": "is needed by plans of revision files alone",
    "persisty.backends.sql.postgres.foreseen": "is needed by plans of revision files alone",
    "persisty.backends.sql.postgres.migrator": "is needed by migrations alone",
    "persisty.backends.sql.sqlite_migrator": "is needed by migrations alone",
    "persisty.store.absent_nulls": "is needed where an index is completed",
    "persisty.store.applied_schemas": "compares declarations, which functions do only where an index may be incomplete",
    "persisty.triggers.detached": "is needed by apps with timers, scheduled calls or queues alone",
    "persisty.triggers.declared": "is needed by apps with actions alone",
    "persisty.triggers.registry": "is needed at the first change of an app with actions",
}
"""Module → why it is not loaded at the start."""


def deferred(name: str) -> Any:
    """Return the module `name`, a row of `DEFERRED`."""
    if name not in DEFERRED:
        raise KeyError(name)
    return import_module(name)
