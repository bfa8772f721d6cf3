"""The reads of the SQL backend: items by key, queries, counts, aggregates and plans, each of them one statement of `Statements`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from msgspec import structs
from sqlalchemy import Table

from ...errors import TooManyGroups
from ...model.expressions import ALL, Aggregate, And, Compare, Filter, OrderBy
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...model.types import Kind
from ...model.unreadable_items import FAULTS, unreadable_values
from ...query.aggregate import MAX_GROUPS, ZEROS, Group
from ...query.evaluation import sort_key
from ...query.explain import Explanation, advised_index, compared_attributes
from ...query.filter_algebra import combine
from ...query.keyset import beyond, position_of
from ...store.backend import (
    Capabilities,
    Page,
    Query,
)
from ...store.limits import COMPLETE_PAGE, MAX_BATCH_BYTES
from ...store.page_bytes import Total
from ...store.unfinished_pages import unfinished_page
from .columns import RowCodec, index_name
from .conditions import shape_of
from .dialect import Connection, Dialect
from .row_sizes import PageRows, RefusedRows
from .statements import HALF, MAX_CACHED, Statement, Statements

T = TypeVar("T")
MAX_ATOMIC = 10_000
MAX_VALUES = 256
"""Most values of one statement: SQLite takes 500 parts of a union."""


class SqlReads(Generic[T]):
    """The reads of a `Backend`, and the state that its other parts share."""

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
        self._key_encoders = [self._codec.encoders[name] for name in meta.key.attributes]

    @cached_property
    def _read_one(self) -> Statement:
        return self._statements.get("read", 1)

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        if len(keys) == 1:
            statement = self._read_one
            rows = self._connection.rows(statement.text, statement.arguments(self._key(keys[0])))
            return [self._codec.item(rows[0]) if rows else None]
        values = [value for key in keys for value in self._key(key)]
        statement = self._statements.get("read", len(keys))
        rows = self._connection.rows(statement.text, statement.arguments(values), self._bound(len(keys)))
        found = {self.meta.key_values(item): item for item in self._codec.items(rows)}
        return [found.get(key) for key in keys]

    def _bound(self, keys: int) -> RefusedRows | None:
        """Return the bound in bytes of so many items."""
        return RefusedRows(self._codec.sizes, Total(MAX_BATCH_BYTES)) if keys > COMPLETE_PAGE else None

    def query(self, query: Query) -> Page[T]:
        total, limit = query.order or self._key_order, query.limit
        codec = self._reading(query.select, total)
        if limit <= COMPLETE_PAGE or query.max_bytes is None:
            rows = self._page_rows(query, total, codec)
        else:
            measured = PageRows(codec.sizes, query.max_bytes)
            rows = self._page_rows(query, total, codec, measured)
            limit = measured.fitting(rows, limit)
        items = codec.items(rows[:limit])
        return self._unfinished(items, total, query) if len(rows) > limit else Page(items)

    def _page_rows(
        self, query: Query, total: tuple[OrderBy, ...], codec: RowCodec, measured: PageRows | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a page, plus one if there are more."""
        statement, arguments = self._queried(query.where, total, query.after, query.limit + 1, codec)
        return self._connection.rows(statement.text, arguments, measured)

    def _read_by(self, total: tuple[OrderBy, ...]) -> tuple[OrderBy, ...]:
        """Return the order of the statement of a page, whose rows show whether they are in the requested order."""
        return total

    def _unfinished(self, items: list[T], total: tuple[OrderBy, ...], query: Query) -> Page[T]:
        """Return a page that is not the last one."""
        if type(items[-1]) is self.meta.item:
            return Page(items, position_of(self.meta, total, items[-1]))
        return unfinished_page(
            self.meta,
            [one.attribute for one in total],
            items,
            lambda last: position_of(self.meta, total, last),
            query,
            self.query,
        )

    def query_each(self, attribute: str, values: Sequence[Any], query: Query) -> list[Page[T]]:
        total, limit = query.order or self._key_order, query.limit
        codec = self._reading(query.select, total)
        pages: list[Page[T]] = []
        loaded = Total(query.max_bytes) if limit * len(values) > COMPLETE_PAGE else None
        for start in range(0, len(values), MAX_VALUES):
            some = values[start : start + MAX_VALUES]
            size = 1 << (len(some) - 1).bit_length()  # a power of two, so that there are few texts
            arguments = [self._codec.value(attribute, value) for value in some] + [None] * (size - len(some))
            shape = shape_of(query.where, self._codec, arguments)
            statement = self._statements.get("query_each", attribute, size, shape, total, codec.names)
            enough = None if loaded is None else RefusedRows(codec.sizes, loaded)
            rows = self._connection.rows(statement.text, statement.arguments([*arguments, limit + 1]), enough)
            *columns, places = zip(*rows, strict=True) if rows else ((),)
            found, sizes, end = codec.of_columns(columns), Counter(places), 0
            for place in range(len(some)):
                begin, end = end, end + sizes[place]
                page, more = found[begin : min(end, begin + limit)], end - begin > limit
                if more:
                    of_value = combine(And, [Compare(attribute, "eq", some[place]), query.where])
                    pages.append(self._unfinished(page, total, structs.replace(query, where=of_value)))
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

    def explain(self, query: Query) -> Explanation:
        total = query.order or self._key_order
        statement, arguments = self._queried(
            query.where, total, None, query.limit + 1, self._codec, self._read_by(total)
        )
        lines = tuple(str(row[-1]) for row in self._plan(self._dialect.explain + statement.text, arguments))
        plan = self._dialect.explained(lines, self._firsts)
        equal, ranged = compared_attributes(query.where)
        ordered = tuple(one.attribute for one in query.order)
        advice = advised_index(equal, ordered, ranged) if plan.access == "scan" else None
        return Explanation(
            engine=self._dialect.name,
            access=plan.access,
            index=next((one.name for one in self.meta.indexes if index_name(self.meta, one) == plan.index), None),
            keys=(),
            native=query.where,
            local=ALL,
            sorted_by=plan.sorted_by if query.order else None,
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
        by: tuple[OrderBy, ...] | None = None,
    ) -> tuple[Statement, Sequence[Any]]:
        """Return the statement of a page in a total order, and its arguments. `by`: the order of the rows, if it is another one."""
        filter_ = where if after is None else combine(And, [where, beyond(self.meta, total, after)])
        values: list[Any] = []
        statement = self._statements.get("query", shape_of(filter_, self._codec, values), by or total, codec.names)
        values.append(rows)
        return statement, statement.arguments(values)

    def _reading(self, select: Sequence[str] | None, order: tuple[OrderBy, ...]) -> RowCodec:
        """Return the codec of rows with these attributes (None for all) and those of the order, which ends on the key."""
        if select is None:
            return self._codec
        selected = {*select, *(one.attribute for one in order)}
        if len(selected) == len(self._codec.names):
            return self._codec
        names = tuple(name for name in self._codec.names if name in selected)
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
        """Return the value of a measure from the columns that `Statements` selects."""
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

    def _key(self, key: KeyValues) -> list[Any]:
        """Return the column values of a key, which are never None."""
        return [
            value if encode is None else encode(value) for encode, value in zip(self._key_encoders, key, strict=True)
        ]
