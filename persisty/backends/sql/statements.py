"""Statements by shape: a filter or an order is compiled by SQLAlchemy once, and only its values differ from then on.

The shape of `author_id = a and n > 3` is `("and", ("eq", "author_id"), ("gt", "n"))`; its values are `[a, 3]`. A shape is
the key of the cache, and the text of its statement takes the values in the order in which they were found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Table,
    and_,
    bindparam,
    delete,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.expression import BindParameter, ClauseElement

from ...model.expressions import Compare, Filter, OrderBy
from ...model.meta import StoreMeta
from ...query.shape import Shape, shape
from .columns import RowCodec

Bind = Callable[[], BindParameter[Any]]


class Statement(Struct, frozen=True):
    """SQL text, and for each of its placeholders the position of its value among those that the shape takes.

    `order` None: they are in the order of the placeholders.
    """

    text: str
    order: tuple[int, ...] | None

    def arguments(self, values: Sequence[Any]) -> Sequence[Any]:
        return values if self.order is None else [values[position] for position in self.order]


def successor(prefix: str) -> str | None:
    """The least text that is greater than every text with this prefix; None where there is none."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)  # surrogates are no characters
        prefix = prefix[:-1]
    return None


def shape_of(where: Filter, codec: RowCodec, values: list[Any]) -> Shape:
    """The shape of a resolved filter; its values, encoded, are appended to `values`."""

    def leaf(comparison: Compare) -> Shape:
        match comparison:
            case Compare(name, "null", value):
                return ("null", name, value)
            case Compare(name, "oneof", value):
                values.extend(codec.value(name, one) for one in value)
                return ("oneof", name, len(value))
            case Compare(name, "startswith", value):
                upper = successor(value)
                values.extend([value] if upper is None else [value, upper])
                return ("startswith", name, upper is not None)
            case Compare(name, "icontains", value):
                values.append(value.casefold())
                return ("icontains", name)
            case Compare(name, operator, value):
                values.append(codec.value(name, value))
                return (operator, name)
        raise TypeError(f"not a comparison: {comparison!r}")

    return shape(where, leaf)


def _startswith(column: Any, bind: Bind, bounded: bool) -> Any:
    lower = column >= bind()
    return and_(lower, column < bind()) if bounded else lower


ZERO: ColumnElement[int] = literal_column("0")
COMPARISONS: dict[str, Callable[..., Any]] = {
    "eq": lambda column, bind: column == bind(),
    "ne": lambda column, bind: column.is_distinct_from(bind()),
    "lt": lambda column, bind: column < bind(),
    "le": lambda column, bind: column <= bind(),
    "gt": lambda column, bind: column > bind(),
    "ge": lambda column, bind: column >= bind(),
    "null": lambda column, bind, null: column.is_(None) if null else column.is_not(None),
    "oneof": lambda column, bind, count: column.in_([bind() for _ in range(count)]),
    "startswith": _startswith,
    "contains": lambda column, bind: func.instr(column, bind()) > ZERO,
    "endswith": lambda column, bind: func.persisty_endswith(column, bind()) > ZERO,
    "icontains": lambda column, bind: func.persisty_icontains(column, bind()) > ZERO,
}
"""Operator → the condition over a column; `bind` makes the next placeholder."""


class Statements:
    """The statements of one table, each compiled when its shape is first seen."""

    def __init__(self, meta: StoreMeta[Any], table: Table, dialect: Dialect) -> None:
        self._meta, self._table, self._dialect = meta, table, dialect
        self._columns = [table.c[name] for name in meta.attributes]
        self._cache: dict[Shape, Statement] = {}

    def get(self, kind: str, *shape: Any) -> Statement:
        """The statement of a kind (a row of `KINDS`) and shape."""
        key = (kind, *shape)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            found = self._cache[key] = self._compile(KINDS[kind](self, _binder(), *shape))
        return found

    def _compile(self, statement: ClauseElement) -> Statement:
        compiled: Any = statement.compile(dialect=self._dialect)
        order = tuple(int(name[1:]) for name in compiled.positiontup or ())
        return Statement(str(compiled), None if order == tuple(range(len(order))) else order)

    def _key_is(self, bind: Bind) -> ColumnElement[bool]:
        return and_(*(self._table.c[name] == bind() for name in self._meta.key.attributes))

    def _where(self, shape: Shape, bind: Bind) -> Any:
        match shape:
            case ("and", *parts):
                return and_(true(), *(self._where(part, bind) for part in parts))
            case ("or", *parts):
                return or_(false(), *(self._where(part, bind) for part in parts))
            case ("not", inner):
                column = self._table.c[inner[1]]
                return or_(column.is_(None), not_(self._where(inner, bind)))
            case (operator, name, *extra):
                return COMPARISONS[operator](self._table.c[name], bind, *extra)
        raise TypeError(f"not a shape: {shape!r}")

    def _ordered(self, one: OrderBy) -> Any:
        column = self._table.c[one.attribute]
        direction = column.desc() if one.descending else column.asc()
        return direction.nulls_last() if self._meta.attributes[one.attribute].optional else direction

    def _insert(self, bind: Bind) -> ClauseElement:
        row = {column.name: bind() for column in self._columns}
        return insert(self._table).values(row).on_conflict_do_nothing()

    def _read(self, bind: Bind, count: int) -> ClauseElement:
        return select(*self._columns).where(or_(*(self._key_is(bind) for _ in range(count))))

    def _update(self, bind: Bind, changes: tuple[tuple[str, bool], ...], when: Shape) -> ClauseElement:
        columns = self._table.c
        values = {name: func.coalesce(columns[name], ZERO) + bind() if added else bind() for name, added in changes}
        values = values or {self._meta.key.attributes[0]: columns[self._meta.key.attributes[0]]}
        changed = update(self._table).values(values).where(self._key_is(bind), self._where(when, bind))
        return changed.returning(*self._columns)

    def _delete(self, bind: Bind, when: Shape) -> ClauseElement:
        return delete(self._table).where(self._key_is(bind), self._where(when, bind))

    def _query(self, bind: Bind, where: Shape, order: tuple[OrderBy, ...]) -> ClauseElement:
        found = select(*self._columns).where(self._where(where, bind))
        rows = bind()
        limit = text(f"LIMIT :{rows.key}").bindparams(rows)  # `.limit()` would add an OFFSET of its own for SQLite
        return found.order_by(*map(self._ordered, order)).suffix_with(limit)

    def _count(self, bind: Bind, where: Shape) -> ClauseElement:
        return select(func.count()).select_from(self._table).where(self._where(where, bind))


KINDS: dict[str, Callable[..., ClauseElement]] = {
    "insert": Statements._insert,
    "read": Statements._read,
    "update": Statements._update,
    "delete": Statements._delete,
    "query": Statements._query,
    "count": Statements._count,
}
MAX_CACHED = 1_000
"""Shapes a table keeps; past that it starts over, so that no stream of odd queries fills the memory."""


def _binder() -> Bind:
    """Makes `p0`, `p1`, …: the name of a placeholder is the position of its value."""
    made: list[BindParameter[Any]] = []

    def bind() -> BindParameter[Any]:
        made.append(bindparam(f"p{len(made)}", None))
        return made[-1]

    return bind
