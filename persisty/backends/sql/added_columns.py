"""Make the statement that adds the column of an attribute which was declared after its table was created.

Items stored before have the declared default, in filters too, because it is the column's default: SQLite and PostgreSQL
store that in the table's description and rewrite no row. Sources: "ALTER TABLE ADD COLUMN" in the manuals of SQLite and PostgreSQL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.schema import CreateColumn

from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from .columns import RowCodec, table_text
from .dialect import Dialect


def adding_column(meta: StoreMeta[Any], table: Table, name: str, codec: RowCodec, dialect: Dialect) -> str | None:
    """Return the statement that adds the column of an attribute, None if stored items have no value for it."""
    attribute = meta.attributes[name]
    make = value_before(attribute)
    value = None if make is None else make()
    if name in meta.key.attributes or (value is None and not attribute.optional):
        return None
    column = CreateColumn(table.c[name]).compile(dialect=dialect.compiler)
    default = "" if value is None else f" DEFAULT {literal(codec.value(name, value))}"
    return f"ALTER TABLE {table_text(table, dialect)} ADD COLUMN {column}{default}"


def literal(value: Any) -> str:
    """Return the SQL literal of a column's value."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if "\0" in (
        text := str(value)
    ):  # SQLite's statements end at U+0000. Its source, alter.c, takes a CAST of a constant for a constant
        return f"(CAST(X'{text.encode().hex()}' AS TEXT))"
    return "'" + text.replace("'", "''") + "'"
