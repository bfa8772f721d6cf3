"""Convert the errors of SQLite's driver to typed errors: `typed`.

```
unique constraint                    UniqueTaken, with the columns
value that the table requires        SchemaMismatch: the table is newer than the code
table or column that does not exist  SchemaMismatch, with their names
lock of another connection           BackendUnavailable with Retry-After
value that grows too long            InvalidInput
statement that was interrupted       InvalidQuery
any other                            BackendUnavailable, with the text of MEANINGS or the name of the code
```
"""

from __future__ import annotations

import sqlite3

from ...errors import BackendUnavailable, InvalidQuery
from ...store.limits import grown_too_long
from .dialect import UniqueTaken, table_has_changed
from .missing_columns import does_not_exist

BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
MEANINGS = {
    sqlite3.SQLITE_FULL: "the database is full, or its disk is",
    sqlite3.SQLITE_READONLY: "the database cannot be written",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_NOTADB: "the file is no database",
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
}
"""Code of an error → the text of the typed error. SQLite's own text is only in the cause."""
FAILING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT)
"""Codes after which later writes are likely to fail, too."""


REQUIRED = ("SQLITE_CONSTRAINT_NOTNULL", "SQLITE_CONSTRAINT_CHECK")
"""Names of the errors of a table that requires more than the code writes."""
UNEXPLAINED = "SQLITE_ERROR"
"""Name of the errors that only their texts explain."""


def code_of(error: sqlite3.Error) -> int:
    """Return the primary code of an error, 0 for an error of the driver itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def typed(error: sqlite3.Error, statement: str = "") -> Exception:
    """Return the typed error of an error of the driver. `statement`: the text of the statement that failed."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if name == "SQLITE_CONSTRAINT_UNIQUE":
        columns = str(error).partition(": ")[2].split(", ")
        return UniqueTaken(tuple(column.rpartition(".")[2] for column in columns))
    if name in REQUIRED:
        return table_has_changed()
    if name == UNEXPLAINED and (missing := does_not_exist(str(error), statement)) is not None:
        return missing
    code = code_of(error)
    if code in BUSY:
        return locked()
    if code == sqlite3.SQLITE_TOOBIG:
        return grown_too_long()
    if code == sqlite3.SQLITE_INTERRUPT:
        return InvalidQuery("The query takes the database too long")
    return BackendUnavailable(f"SQLite: {MEANINGS.get(code, name)}")


def locked() -> BackendUnavailable:
    """Return the error of a call that has waited too long for a lock."""
    return BackendUnavailable("SQLite: the database is locked", retry_after=1)
