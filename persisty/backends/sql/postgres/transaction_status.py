"""The fate of a transaction whose commit was sent, and whose response was lost."""

from __future__ import annotations

from time import sleep

from ....backoff import backoff
from ....errors import BackendUnavailable, SchemaMismatch
from .connection import PostgresConnection

STATUS_ATTEMPTS = 15
"""Most queries for the fate of a transaction whose lost connection the server may not have noticed: about ten seconds."""
STATUS = "SELECT pg_xact_status($1::xid8)"
COMMITTED, ABORTED, IN_PROGRESS = "committed", "aborted", "in progress"


def status_of(connection: PostgresConnection, transaction: str) -> str | None:
    """Return the status of a transaction, or None if it is unknown."""
    try:
        for attempt in range(STATUS_ATTEMPTS):
            [(status,)] = connection.rows(STATUS, (transaction,))
            if status != IN_PROGRESS:
                return None if status is None else str(status)
            sleep(backoff(attempt))  # the server has not noticed yet that the connection is lost
    except (BackendUnavailable, SchemaMismatch):  # a server before PostgreSQL 13 has no such function
        return None
    return None
