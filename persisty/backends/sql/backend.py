"""The SQL backend: each primitive is one statement of `Statements`, run on the driver's connection.

An engine in this process (`embedded`) and one over a network (`postgres`) find the result of a write in different ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ...model.expressions import ALL, And, Compare, Filter, Or
from ...model.generators import Add, Append
from ...model.keys import KeyValues
from ...model.types import INTEGER_MAX
from ...model.validation import changed
from ...query.filter_algebra import combine, stores_behind
from ...query.filter_shape import Shape
from ...query.keyset import beyond, position_of
from ...store.backend import (
    Bulk,
    BulkWrite,
    Outcome,
    Patch,
    Put,
    Requirement,
    Write,
    WriteResult,
)
from ...store.bulk_walk import summed_uniques
from ...store.write_results import conflict
from .conditions import required_shape, shape_of
from .dialect import UniqueTaken
from .reads import SqlReads
from .unique_sums import CHUNK, add_offsets, among_keys, remove_offsets, temporary_offsets

T = TypeVar("T")
Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""A function that runs a statement and returns its rows."""
HOW: dict[type, str] = {Add: "add", Append: "append"}
"""Change → its row in `statements.CHANGES`; every other value is set."""


class SqlBackend(SqlReads[T]):
    """All methods of a `Backend` except `write`."""

    def write_all(self, bulk: BulkWrite) -> Bulk:
        where, changes, limit = bulk.where, bulk.changes, bulk.limit
        if bulk.after is not None:
            where = combine(And, [where, beyond(self.meta, self._key_order, bulk.after)])
        try:
            if limit is None:
                return Bulk(self._connection.changed(*self._bulk(changes, where)))
            written = self._written(changes, where, limit)
        except UniqueTaken as taken:
            written = self._summed_apart(changes or {}, where, limit, taken)
        if limit is None or len(written) < limit:
            return Bulk(len(written))
        return Bulk(len(written), position_of(self.meta, self._key_order, max(written, key=self._sort_key)))

    def _bulk(
        self, changes: Mapping[str, Any] | None, where: Filter, limit: int | None = None
    ) -> tuple[str, Sequence[Any]]:
        """Return the statement that changes or deletes the matches, and its arguments."""
        values: list[Any] = []
        parts = ("delete_all",) if changes is None else ("update_all", self._changes(changes, values))
        circular = self.meta.name in stores_behind(where)
        statement = self._statements.get(*parts, shape_of(where, self._codec, values), limit is not None, circular)
        return statement.text, statement.arguments(values if limit is None else [*values, limit])

    def _written(self, changes: Mapping[str, Any] | None, where: Filter, limit: int) -> list[T]:
        """Change or delete the first matches. Return them with only their keys set."""
        return self._keys.items(self._connection.rows(*self._bulk(changes, where, limit)))

    def _summed_apart(
        self, changes: Mapping[str, Any], where: Filter, limit: int | None, taken: UniqueTaken
    ) -> list[T]:
        """Do an `update_all` in which a unique value was taken, as `unique_sums` describes. Raise `Conflict` if a value is taken at the end, too."""
        summed = summed_uniques(self.meta, changes)
        if not summed:
            raise conflict(self.meta, self._taken(taken)) from taken
        codec = self._reading(summed, self._key_order)
        try:
            with self._connection.transaction():
                rows = INTEGER_MAX if limit is None else limit
                statement, arguments = self._queried(where, self._key_order, None, rows, codec)
                items = codec.items(self._connection.rows(statement.text, arguments))
                offsets = temporary_offsets(self.meta, changes, summed, items)
                condition = (
                    ALL if self.meta.name in stores_behind(where) else where
                )  # otherwise it would read changed rows
                written: list[T] = []
                for some in among_keys(self.meta, items):
                    written += self._written(add_offsets(changes, offsets), combine(And, [some, condition]), CHUNK)
                for some in among_keys(self.meta, written):
                    self._connection.changed(*self._bulk(remove_offsets(offsets), some))
        except UniqueTaken as still:
            raise conflict(self.meta, self._taken(still)) from still
        return written

    def allocate(self, sequence: str, count: int) -> int:
        [(last,)] = self._connection.rows(*self._allocation(sequence, count))
        return int(last) - count + 1

    def _allocation(self, sequence: str, count: int) -> tuple[str, Sequence[Any]]:
        """Return the statement that reserves numbers of a sequence, and its arguments."""
        statement = self._statements.get("allocate")
        return statement.text, statement.arguments([f"{self.meta.name}.{sequence}", count])

    def _taken(self, taken: UniqueTaken) -> WriteResult:
        names = {index.attributes: index.name for index in self.meta.uniques}
        return WriteResult(Outcome.EXISTS, index=names.get(taken.attributes))

    def _required(self, requires: Sequence[Requirement], values: list[Any]) -> tuple[Shape, ...]:
        """Return the shapes of requirements, and append their values."""
        return tuple(required_shape(one, self._codec, values) for one in requires)

    def _unmet(self, write: Put | Patch) -> WriteResult | None:
        """Return the result of a write with a missing foreign key, or None."""
        for one in write.requires:
            values: list[Any] = []
            statement = self._statements.get("requirement", required_shape(one, self._codec, values))
            [(is_met,)] = self._connection.rows(statement.text, statement.arguments(values))
            if not is_met:
                return self._unique_first(write, WriteResult(Outcome.UNRELATED, index=one.attribute))
        return None

    def _unique_first(self, write: Put | Patch, unrelated: WriteResult, rows: Rows | None = None) -> WriteResult:
        """Return the result of an UNRELATED write. A taken unique value is reported first. `rows`: runs a query in the transaction of the write."""
        if not self.meta.uniques:
            return unrelated
        query_rows, key = rows or self._connection.rows, self._key_of(write)
        new = write.item if isinstance(write, Put) else None
        if isinstance(write, Patch):
            statement = self._statements.get("read", 1)
            found = query_rows(statement.text, statement.arguments(self._key(key)))
            new = changed(self.meta, self._codec.item(found[0]), write.changes) if found else None
        other = combine(
            Or, [Compare(name, "ne", value) for name, value in zip(self.meta.key.attributes, key, strict=True)]
        )
        for index in self.meta.uniques if new is not None else ():
            values = {name: self.meta.attributes[name].get(new) for name in index.attributes}
            if None in values.values():
                continue
            arguments: list[Any] = []
            same = combine(And, [*(Compare(name, "eq", value) for name, value in values.items()), other])
            statement = self._statements.get("count", shape_of(same, self._codec, arguments))
            [(count,)] = query_rows(statement.text, statement.arguments(arguments))
            if count:
                return WriteResult(Outcome.EXISTS, index=index.name)
        return unrelated

    def _key_of(self, write: Write) -> KeyValues:
        return self.meta.key_values(write.item) if isinstance(write, Put) else write.key

    def _shape(self, when: Filter, values: list[Any]) -> Shape:
        return ("and",) if when is ALL else shape_of(when, self._codec, values)

    def _changes(self, changes: Mapping[str, Any], values: list[Any]) -> tuple[tuple[str, str], ...]:
        """Return the shape of some changes, and append their values."""
        shape = []
        for name, value in changes.items():
            how = HOW.get(type(value), "set")
            shape.append((name, how))
            values.append(
                self._codec.value(name, value)
                if how == "set"
                else value.amount
                if how == "add"
                else self._appended(name, value)
            )
        return tuple(shape)

    def _changed_column(self, name: str, how: str, values: Sequence[Any]) -> Iterable[Any]:
        """Return the column values of one attribute in changes of one shape."""
        if how == "add":
            return [value.amount for value in values]
        if how == "append":
            return [self._appended(name, value) for value in values]
        return self._codec.column(name, values)

    def _appended(self, name: str, change: Append) -> str:
        """Return the JSON of the appended values, without the brackets of the array."""
        text: str = self._codec.value(name, list(change.values))
        return text[1:-1]
