"""The errors of migration steps on PostgreSQL, as the user reads them: each names the cause and, where the data is not the cause, the statement."""

from __future__ import annotations

import psycopg
from psycopg import errors

from ....errors import BackendUnavailable, Fault, SchemaMismatch


def explained(error: BackendUnavailable | SchemaMismatch, statement: str, attempts: int) -> Exception:
    """Return the error for the user, of a statement that the data or another session has stopped. `attempts`: those of a step to get its lock."""
    cause = error.__cause__
    if isinstance(cause, errors.LockNotAvailable):
        return BackendUnavailable(
            f"PostgreSQL: a table was locked by others in {attempts} attempts. Run the command again"
        )
    if isinstance(cause, errors.DataError | errors.IntegrityError):
        message = f"A stored value does not fit: {cause.diag.message_primary}. This step is undone"
        return SchemaMismatch(message, faults=[Fault("", str(cause.diag.message_detail or cause.diag.message_primary))])
    if isinstance(cause, psycopg.Error) and cause.diag.message_primary:
        return BackendUnavailable(f"PostgreSQL: {cause.diag.message_primary}, at: {statement}")
    return error
