"""The error of a statement whose table or column does not exist: the database changed while the app served it, or was never migrated."""

from __future__ import annotations

import re

from ...errors import Fault, SchemaMismatch

MISMATCH = "The tables do not fit the declarations. `persisty migrate --plan` prints the changes, and `persisty migrate` makes them"
LACKING = "The table does not exist. `App.prepare` or `persisty migrate` creates it"
LACKING_COLUMN = "The table has no such column, or one of another type"
WORDS = tuple(
    map(
        re.compile,
        (
            # PostgreSQL
            r'column "(?P<column>[^"]+)" of relation "(?P<table>.+)" does not exist',
            r'column (?P<table>"[^"]+"|[^\s".]+)\.(?P<column>"[^"]+"|[^\s"]+) does not exist',
            r'column "(?P<column>[^"]+)" does not exist',
            r'column "(?P<column>[^"]+)" is of type',
            r'relation "(?P<table>.+)" does not exist',
            # SQLite
            r"no such table: (?P<table>.+)",
            r"table (?P<table>.+) has no column named (?P<column>.+)",
            r"no such column: (?:(?P<table>.+)\.)?(?P<column>.+)",
        ),
    )
)
"""Texts of the databases, with the names in them. A server with messages in another language names nothing."""


CHANGED = re.compile(r"\bUPDATE (?:OR \w+ )?(?P<table>\S+)")
ALIASED = r'(?P<table>"[^"]+"|[^\s".(]+) AS {alias}\b'
"""Places of a table's name in a statement: after UPDATE, and before an alias."""


def does_not_exist(text: str, statement: str = "") -> SchemaMismatch | None:
    """Return the error for a database's text about a table or a column that does not exist, None for any other text. `statement` has the name of
    the table if the text has none, or an alias of it."""
    found = next((match for words in WORDS if (match := words.search(text)) is not None), None)
    if found is None:
        return None
    names = found.groupdict()
    table, column = (None if names.get(one) is None else _bare(names[one]) for one in ("table", "column"))
    if table is None or table.startswith("_"):
        words = CHANGED if table is None else re.compile(ALIASED.format(alias=re.escape(table)))
        named = words.search(statement)
        table = None if named is None else _bare(named["table"])
    path = "".join(f"/{name}" for name in (table, column) if name is not None)
    return SchemaMismatch(MISMATCH, faults=[Fault(path, LACKING if column is None else LACKING_COLUMN)])


def _bare(name: str) -> str:
    """Return a name without its schema and its quotes."""
    return name.replace('"', "").rpartition(".")[2]
