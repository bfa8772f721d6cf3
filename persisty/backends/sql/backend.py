"""The SQL backend: each primitive is one statement of `Statements`, run on the driver's connection.

The result of a write is found differently by an engine in this process (`embedded`) and by one over a network (`postgres`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import structs
from sqlalchemy import Table

from ...errors import TooManyGroups
from ...model.expressions import ALL, Aggregate, And, Compare, Filter, Or, OrderBy
from ...model.generators import Add, Append
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...model.types import Kind
from ...model.unreadable_items import FAULTS, unreadable_values
from ...model.validation import changed
from ...query.aggregate import MAX_GROUPS, ZEROS, Group
from ...query.evaluation import sort_key
from ...query.explain import Explanation, advised_index, compared_attributes
from ...query.filter_algebra import combine, stores_behind
from ...query.filter_shape import Shape
from ...query.keyset import beyond, position_of
from ...store.backend import (
    Bulk,
    BulkWrite,
    Capabilities,
    Outcome,
    Page,
    Patch,
    Put,
    Query,
    Requirement,
    Write,
    WriteResult,
)
from ...store.unfinished_pages import WIDER, unfinished_page
from ...store.write_results import conflict
from .columns import RowCodec, index_name
from .conditions import required_shape, shape_of
from .dialect import Connection, Dialect, UniqueTaken
from .statements import HALF, MAX_CACHED, Statement, Statements

T = TypeVar("T")
MAX_ATOMIC = 10_000
MAX_SOUGHT = 256
"""Values that one statement looks for: SQLite takes 500 parts of a union."""
Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Runs a statement and returns its rows."""
HOW: dict[type, str] = {Add: "add", Append: "append"}
"""Change → its row in `statements.CHANGES`; every other value is set."""


class SqlBackend(Generic[T]):
    """All of a `Backend` but `write`."""

    def __init__(
        self, meta: StoreMeta[T], table: Table, dialect: Dialect, connection: Connection, *, embedded: bool
    ) -> None:
        self.meta = meta
        self.capabilities = Capabilities(
            embedded=embedded,
            max_atomic=MAX_ATOMIC,
            snapshot_reads=True,
            atomic_bulk=True,
            joins=True,
            transactions=True,
        )
        self._connection = connection
        self._dialect = dialect
        self._selected: dict[tuple[str, ...], RowCodec] = {}
        self._codec, self._keys = RowCodec(meta, dialect), RowCodec(meta, dialect, meta.key.attributes)
        self._statements = Statements(meta, table, dialect)
        self._firsts = {index_name(meta, index): index.attributes[0] for index in meta.indexes}
        self._key_order = tuple(OrderBy(name) for name in meta.key.attributes)
        self._sort_key = sort_key(meta, self._key_order)

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        values = [value for key in keys for value in self._key(key)]
        statement = self._statements.get("read", len(keys))
        rows = self._connection.rows(statement.text, statement.arguments(values))
        if len(keys) == 1:
            return [self._codec.item(rows[0]) if rows else None]
        found = {self.meta.key_values(item): item for item in self._codec.items(rows)}
        return [found.get(key) for key in keys]

    def query(self, asked: Query) -> Page[T]:
        total, limit = asked.order or self._key_order, asked.limit
        codec = self._reading(asked.select, total)
        statement, arguments = self._queried(asked.where, total, asked.after, limit + 1, codec)
        rows = self._connection.rows(statement.text, arguments)
        items = codec.items(rows[:limit])
        return self._unfinished(items, total, asked) if len(rows) > limit else Page(items)

    def _unfinished(self, items: list[T], total: tuple[OrderBy, ...], asked: Query) -> Page[T]:
        """A page that is not the last one."""
        return unfinished_page(
            self.meta,
            [one.attribute for one in total],
            items,
            lambda last: position_of(self.meta, total, last),
            lambda: self.query(structs.replace(asked, limit=asked.limit * WIDER)),
        )

    def query_each(self, attribute: str, values: Sequence[Any], asked: Query) -> list[Page[T]]:
        total, limit = asked.order or self._key_order, asked.limit
        codec = self._reading(asked.select, total)
        pages: list[Page[T]] = []
        for start in range(0, len(values), MAX_SOUGHT):
            some = values[start : start + MAX_SOUGHT]
            size = 1 << (len(some) - 1).bit_length()  # of a power of two, so that there are few texts
            arguments = [self._codec.value(attribute, value) for value in some] + [None] * (size - len(some))
            shape = shape_of(asked.where, self._codec, arguments)
            statement = self._statements.get("query_each", attribute, size, shape, total, codec.names)
            rows = self._connection.rows(statement.text, statement.arguments([*arguments, limit + 1]))
            *columns, places = zip(*rows, strict=True) if rows else ((),)
            found, sizes, end = codec.of_columns(columns), Counter(places), 0
            for place in range(len(some)):
                begin, end = end, end + sizes[place]
                page, more = found[begin : min(end, begin + limit)], end - begin > limit
                if more:
                    of_value = combine(And, [Compare(attribute, "eq", some[place]), asked.where])
                    pages.append(self._unfinished(page, total, structs.replace(asked, where=of_value)))
                else:
                    pages.append(Page(page))
        return pages

    def count(self, where: Filter, *, allow_scan: bool = False) -> int:
        values: list[Any] = []
        statement = self._statements.get("count", shape_of(where, self._codec, values))
        [(count,)] = self._connection.rows(statement.text, statement.arguments(values))
        return int(count)

    def aggregate(
        self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, *, allow_scan: bool = False
    ) -> list[Group]:
        values: list[Any] = []
        statement = self._statements.get("aggregate", measures, by, shape_of(where, self._codec, values))
        rows = self._connection.rows(statement.text, statement.arguments(values))
        if len(rows) > MAX_GROUPS:
            raise TooManyGroups(limit=MAX_GROUPS)
        return [self._group(measures, by, iter(row)) for row in rows]

    def write_all(self, asked: BulkWrite) -> Bulk:
        values: list[Any] = []
        changes, where, after, limit = asked.changes, asked.where, asked.after, asked.limit
        parts: tuple[Any, ...] = ("delete_all",)
        if changes is not None:
            parts = ("update_all", self._changes(changes, values))
        wanted = where if after is None else combine(And, [where, beyond(self.meta, self._key_order, after)])
        circular = self.meta.name in stores_behind(wanted)
        statement = self._statements.get(*parts, shape_of(wanted, self._codec, values), limit is not None, circular)
        try:
            if limit is None:
                return Bulk(self._connection.changed(statement.text, statement.arguments(values)))
            rows = self._connection.rows(statement.text, statement.arguments([*values, limit]))
        except UniqueTaken as taken:
            raise conflict(self.meta, self._taken(taken)) from taken
        if len(rows) < limit:
            return Bulk(len(rows))
        keys = self._keys.items(rows)
        return Bulk(len(rows), position_of(self.meta, self._key_order, max(keys, key=self._sort_key)))

    def allocate(self, sequence: str, count: int) -> int:
        [(last,)] = self._connection.rows(*self._allocation(sequence, count))
        return int(last) - count + 1

    def _allocation(self, sequence: str, count: int) -> tuple[str, Sequence[Any]]:
        """The statement that gives numbers out, and its arguments."""
        statement = self._statements.get("allocate")
        return statement.text, statement.arguments([f"{self.meta.name}.{sequence}", count])

    def explain(self, asked: Query) -> Explanation:
        statement, arguments = self._queried(
            asked.where, asked.order or self._key_order, None, asked.limit + 1, self._codec
        )
        lines = tuple(str(row[-1]) for row in self._plan(self._dialect.explain + statement.text, arguments))
        plan = self._dialect.explained(lines, self._firsts)
        equal, ranged = compared_attributes(asked.where)
        ordered = tuple(one.attribute for one in asked.order)
        advice = advised_index(equal, ordered, ranged) if plan.access == "scan" else None
        return Explanation(
            engine=self._dialect.name,
            access=plan.access,
            index=next((one.name for one in self.meta.indexes if index_name(self.meta, one) == plan.index), None),
            keys=(),
            native=asked.where,
            local=ALL,
            sorted_by=plan.sorted_by if asked.order else None,
            requests=1,
            advice=advice,
            detail=lines,
        )

    def _plan(self, text: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._connection.rows(text, arguments)

    def _queried(
        self,
        where: Filter,
        total: tuple[OrderBy, ...],
        after: Mapping[str, Any] | None,
        rows: int,
        codec: RowCodec,
    ) -> tuple[Statement, Sequence[Any]]:
        wanted = where if after is None else combine(And, [where, beyond(self.meta, total, after)])
        values: list[Any] = []
        statement = self._statements.get("query", shape_of(wanted, self._codec, values), total, codec.names)
        values.append(rows)
        return statement, statement.arguments(values)

    def _reading(self, select: Sequence[str] | None, order: tuple[OrderBy, ...]) -> RowCodec:
        """The codec of rows with these attributes, all for None, and with those of the order, which ends on the key."""
        if select is None:
            return self._codec
        wanted = {*select, *(one.attribute for one in order)}
        if len(wanted) == len(self._codec.names):
            return self._codec
        names = tuple(name for name in self._codec.names if name in wanted)
        codec = self._selected.get(names)
        if codec is None:
            if len(self._selected) >= MAX_CACHED:
                self._selected.clear()
            codec = self._selected[names] = RowCodec(self.meta, self._dialect, names)
        return codec

    def _group(self, measures: tuple[Aggregate, ...], by: tuple[str, ...], row: Iterator[Any]) -> Group:
        names = [*by, *(one.attribute for one in measures if one.attribute is not None)]
        try:
            key = tuple(self._codec.read(name, next(row)) for name in by)
            return Group(key, tuple(self._measured(one, row) for one in measures))
        except FAULTS as error:
            raise unreadable_values(self.meta, names) from error

    def _measured(self, one: Aggregate, row: Iterator[Any]) -> Any:
        """The value of a measure, of the columns that `Statements` asked for."""
        value = next(row)
        if one.function == "count" or one.attribute is None:
            return int(value)
        kind = self.meta.attributes[one.attribute].kind
        if one.function == "sum" and kind is Kind.INTEGER:
            low = next(row)
            return 0 if value is None else (int(value) << HALF) + int(low)
        if one.function == "sum":
            return ZEROS[kind] if value is None else self._codec.read(one.attribute, value)
        return self._codec.read(one.attribute, value)

    def _taken(self, taken: UniqueTaken) -> WriteResult:
        names = {index.attributes: index.name for index in self.meta.uniques}
        return WriteResult(Outcome.EXISTS, index=names.get(taken.attributes))

    def _required(self, requires: Sequence[Requirement], values: list[Any]) -> tuple[Shape, ...]:
        """The shapes of requirements; their values are appended."""
        return tuple(required_shape(one, self._codec, values) for one in requires)

    def _unmet(self, write: Put | Patch) -> WriteResult | None:
        """Return the result of a write with a missing foreign key, or None."""
        for one in write.requires:
            values: list[Any] = []
            statement = self._statements.get("met", required_shape(one, self._codec, values))
            [(met,)] = self._connection.rows(statement.text, statement.arguments(values))
            if not met:
                return self._unique_first(write, WriteResult(Outcome.UNRELATED, index=one.attribute))
        return None

    def _unique_first(self, write: Put | Patch, unrelated: WriteResult, rows: Rows | None = None) -> WriteResult:
        """Return the result of an UNRELATED write. A taken unique value is reported first. `rows`: asks in the transaction of the write."""
        if not self.meta.uniques:
            return unrelated
        asked, key = rows or self._connection.rows, self._key_of(write)
        new = write.item if isinstance(write, Put) else None
        if isinstance(write, Patch):
            statement = self._statements.get("read", 1)
            found = asked(statement.text, statement.arguments(self._key(key)))
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
            [(count,)] = asked(statement.text, statement.arguments(arguments))
            if count:
                return WriteResult(Outcome.EXISTS, index=index.name)
        return unrelated

    def _key_of(self, write: Write) -> KeyValues:
        return self.meta.key_values(write.item) if isinstance(write, Put) else write.key

    def _shape(self, when: Filter, values: list[Any]) -> Shape:
        return ("and",) if when is ALL else shape_of(when, self._codec, values)

    def _changes(self, changes: Mapping[str, Any], values: list[Any]) -> tuple[tuple[str, str], ...]:
        """The shape of some changes; their values are appended."""
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
        """The values of one attribute in changes of one shape, as its column stores them."""
        if how == "add":
            return [value.amount for value in values]
        if how == "append":
            return [self._appended(name, value) for value in values]
        return self._codec.column(name, values)

    def _appended(self, name: str, change: Append) -> str:
        """The JSON of the appended values, without the brackets of their array."""
        text: str = self._codec.value(name, list(change.values))
        return text[1:-1]

    def _key(self, key: KeyValues) -> list[Any]:
        return [self._codec.value(name, value) for name, value in zip(self.meta.key.attributes, key, strict=True)]
