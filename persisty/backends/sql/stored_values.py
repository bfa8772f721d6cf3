"""Express the values of a declaration in a table that has not been changed yet, and find the items that a change would break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import MetaData, Table
from sqlalchemy.sql import quoted_name

from ...errors import Fault, InvalidDeclaration
from ...model.former_schemas import compile_stored, exact_attribute
from ...model.keys import key_of_texts
from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...model.schema import Schema
from ...model.schema_changes import Change, members, renames
from ...model.schema_differences import form
from ...model.types import Kind
from ...model.unreadable_items import UNREADABLE, is_readable
from .added_columns import literal
from .columns import RowCodec, column_kind, table_text
from .dialect import Dialect
from .row_keys import key_of_row
from .stored_schema import Rows

LISTED = 20
"""Most items that a fault names."""


BATCH = 1000
"""Values of one read."""
SHOWN = 60
"""Most characters of a value in the text of a fault."""


class StoredValues:
    """The columns of one table as the values of the declared attributes."""

    def __init__(self, name: str, stored: Schema, declared: StoreMeta[Any], dialect: Dialect) -> None:
        self.table, self.stored, self.declared, self._dialect = name, stored, declared, dialect
        self.place = table_text(Table(name, MetaData()), dialect)
        self.sources = {name: former for former, name in renames(stored, declared.schema).items()}
        """Attribute → the column with its values, if it has another name."""
        self._before = {one.name: one for one in stored.attributes}
        self._now = {one.name: one for one in declared.schema.attributes}
        self._codec = RowCodec(declared, dialect)
        self._key = ", ".join(map(self.quoted, stored.key))

    def quoted(self, name: str) -> str:
        """Return a name in SQL."""
        return self._dialect.compiler.identifier_preparer.quote(quoted_name(name, quote=True))

    def source(self, name: str) -> str | None:
        """Return the column with the values of an attribute, None if there is none."""
        found = self.sources.get(name, name)
        return found if found in self._before else None

    def default(self, name: str) -> str | None:
        """Return the default of an attribute that stored items lack as SQL, None if it is null."""
        make = value_before(self.declared.attributes[name])
        value = None if make is None else make()
        return None if value is None else literal(self._codec.value(name, value))

    def converted(self, name: str) -> tuple[str, str | None]:
        """Return the expression that converts the column of an attribute, and the condition of the values that it cannot convert."""
        source = self.sources.get(name, name)
        column = self.quoted(source)
        before, after = form(self.stored, self._before[source]), form(self.declared.schema, self._now[name])
        if before == after or "any" in (before, after):
            return column, None
        return self._dialect.converting(before, after, column)

    def value(self, name: str) -> str:
        """Return the expression of an attribute's value."""
        default = self.default(name)
        if self.source(name) is None:
            return default or "NULL"
        expression, _ = self.converted(name)
        nullable = self._before[self.sources.get(name, name)].optional
        fills = default is not None and nullable and not self.declared.attributes[name].optional
        return f"COALESCE({expression}, {default})" if fills else expression

    def allowed(self, name: str) -> list[str]:
        """Return the values that an enum may have, in SQL."""
        encode = self._dialect.columns[Kind.STRING].encode
        found = members(self.declared.schema, self._now[name]) or ()
        return [literal(encode(one) if encode is not None and isinstance(one, str) else one) for one in found]

    def faults(self, change: Change, rows: Rows) -> Iterator[Fault]:
        """Yield a fault if stored items do not survive a change."""
        if change.kind == "nested_narrowed":
            yield from self._unreadable(change, rows)
            return
        for condition, message, shown in self._conditions(change):
            [(count,)] = rows(f"SELECT count(*) FROM {self.place} WHERE {condition}")
            if not count:  # nearly always. No order, so that the engine reads the table as fast as it can
                continue
            columns = ", ".join([self._key, *map(self.quoted, shown)])
            order = ", ".join([*map(self.quoted, shown), self._key]) if change.kind == "unique_added" else self._key
            text = f"SELECT {columns} FROM {self.place} WHERE {condition} ORDER BY {order} LIMIT {LISTED + 1}"
            found = rows(text)
            if found:
                yield Fault(change.path, message, change.after, self._named(found, len(shown)))

    def _unreadable(self, change: Change, rows: Rows) -> Iterator[Fault]:
        """Yield a fault with the keys of the items whose stored value the declared type does not allow. Read the values in batches, by key."""
        decode = column_kind(exact_attribute(self.declared, change.name), self._dialect).decode
        keys = len(self.stored.key)
        if decode is None:
            return
        column = self.quoted(self.sources.get(change.name, change.name))
        found, after = list[tuple[Any, ...]](), ""
        while True:
            text = f"SELECT {self._key}, {column} FROM {self.place} WHERE {column} IS NOT NULL{after} ORDER BY {self._key} LIMIT {BATCH}"
            batch = rows(text)
            found += [row for row in batch if not is_readable(row[keys], decode)]
            if len(batch) < BATCH or len(found) > LISTED:
                break
            after = f" AND ({self._key}) > ({', '.join(map(literal, batch[-1][:keys]))})"
        if found:
            yield Fault(change.path, UNREADABLE, found=self._named(found, 1))

    def _named(self, found: list[tuple[Any, ...]], shown: int) -> str:
        """Return the keys of items, each with the values that are shown."""
        keys = len(self.stored.key)
        texts = [
            self._key_of(row[:keys]) + (f" ({', '.join(map(self._shown, row[keys:]))})" if shown else "")
            for row in found[:LISTED]
        ]
        return ", ".join(texts) + (" and more" if len(found) > LISTED else "")

    def _key_of(self, values: Sequence[Any]) -> str:
        """Return the key of an item. Between the changes of a file, the stored schema may be one that no declaration can have, such as a key without one of
        its attributes: its values are shown as they are stored."""
        try:
            return key_of_row(compile_stored(self.stored), self._dialect, values)
        except InvalidDeclaration:
            return key_of_texts(list(map(str, values)))

    def _shown(self, value: Any) -> str:
        """Return a stored value for the text of a fault: a text in quotes, anything else as JSON, cut to a line."""
        decode = self._dialect.columns[Kind.STRING].decode
        if isinstance(value, str) and decode is not None:
            value = decode(value)
        text = str(value) if isinstance(value, Decimal) else msgspec.json.encode(value).decode()
        if text.startswith('"'):
            text = repr(msgspec.json.decode(text))
        return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."

    def _conditions(self, change: Change) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield (condition of the items that a change would break, message, columns to show)."""
        name = change.name
        match change.kind:
            case "attribute_added" | "attribute_renamed" if change.blocked is not None:
                yield "1 = 1", change.blocked, ()
            case "attribute_retyped":
                source = self.sources.get(name, name)
                column = self.quoted(source)
                if change.blocked is not None:
                    yield f"{column} IS NOT NULL", change.blocked, ()
                    return
                _, failing = self.converted(name)
                if failing is not None:
                    message = f"These values cannot be converted to {change.after}: repair them first"
                    yield f"{column} IS NOT NULL AND ({failing})", message, (source,)
            case "attribute_required" if self.default(name) is None:
                column = self.quoted(self.sources.get(name, name))
                yield f"{column} IS NULL", f"These items have no {name}. Give them one first, or declare a default", ()
            case "members_removed":
                source = self.sources.get(name, name)
                (value, failing), values = self.converted(name), ", ".join(self.allowed(name))
                message = "These items have a value that is no longer declared. Give them another one first"
                other = f"{value} NOT IN ({values})"
                condition = other if failing is None else f"CASE WHEN {failing} THEN 1 = 2 ELSE {other} END"
                yield f"{self.quoted(source)} IS NOT NULL AND {condition}", message, (source,)
            case "unique_added":
                attributes = next(one.attributes for one in self.declared.uniques if one.name == name)
                yield from self._repeated(attributes, "These items share values that have to be unique")
            case "key_changed":
                yield from self._unkeyed()

    def _unkeyed(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        key = self.declared.key.attributes
        missing = " OR ".join(f"({self.value(name)}) IS NULL" for name in key)
        yield missing, "These items have no value in an attribute of the new key", ()
        yield from self._repeated(key, "These items would have the same key")

    def _repeated(self, names: tuple[str, ...], message: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        stored = [name for name in names if self.source(name) is not None]
        if any(self.default(name) is None for name in names if name not in stored):
            return  # all are null, so the whole is null
        if any(self.value(name) == "NULL" for name in stored):
            return  # the type has no conversion: a value is refused by itself, and the others are null
        values = ", ".join(map(self.value, stored))
        some = " AND ".join(f"({self.value(name)}) IS NOT NULL" for name in stored)
        groups = f"SELECT {values} FROM {self.place} WHERE {some} GROUP BY {values} HAVING count(*) > 1"
        condition = f"({values}) IN ({groups})" if stored else f"(SELECT count(*) FROM {self.place}) > 1"
        yield condition, message, tuple(self.sources.get(name, name) for name in stored)
