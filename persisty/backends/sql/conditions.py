"""Conditions by shape: a resolved filter becomes a shape and values, and a shape becomes SQL over the columns of a table.

A link is an `EXISTS` over the other item's table under an alias, so that an item can be linked to items of its own store.
Aliases begin with an underscore, which names of items do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Text, and_, bindparam, case, exists, false, literal_column, not_, or_, select, true
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.expression import BindParameter, FromClause

from ...model.declared_nulls import DECLARED_NULL, null_steps
from ...model.expressions import Compare, Exists, Filter
from ...model.meta import Attribute, StoreMeta
from ...model.types import Kind
from ...query.filter_shape import Shape, shape
from ...store.backend import Requirement
from .columns import RowCodec, json_text, table_of
from .dialect import Dialect

Bind = Callable[[], BindParameter[Any]]


ONE: ColumnElement[int] = literal_column("1")


def successor(prefix: str) -> str | None:
    """Return the least text that is greater than every text with this prefix, None if there is none."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)  # surrogates are not characters
        prefix = prefix[:-1]
    return None


def shape_of(where: Filter, codec: RowCodec, values: list[Any]) -> Shape:
    """Return the shape of a resolved filter, and append its encoded values to `values`."""

    def leaf(comparison: Compare | Exists) -> Shape:
        if isinstance(comparison, Exists):
            inner = shape_of(comparison.where, codec.of(comparison.meta), values)
            return ("exists", comparison.attribute, comparison.meta, comparison.other, inner)
        name, operator, value = comparison.attribute, comparison.operator, comparison.value
        if operator in SHAPES:
            return SHAPES[operator](name, value, codec, values)
        values.append(codec.value(name, value))
        return (operator, name)

    return shape(where, leaf)


def _oneof_shape(name: str, value: Any, codec: RowCodec, values: list[Any]) -> Shape:
    values.extend(codec.value(name, one) for one in value)
    return ("oneof", name, len(value))


def _startswith_shape(name: str, value: Any, codec: RowCodec, values: list[Any]) -> Shape:
    lower = codec.value(name, value)
    upper = successor(lower)
    values.extend([lower] if upper is None else [lower, upper])
    return ("startswith", name, upper is not None)


def _icontains_shape(name: str, value: Any, codec: RowCodec, values: list[Any]) -> Shape:
    search = codec.search(value.casefold())
    values.extend(search.values)
    return ("icontains", name, *search.shape)


SHAPES: dict[str, Callable[[str, Any, RowCodec, list[Any]], Shape]] = {
    "null": lambda name, value, codec, values: ("null", name, value),
    DECLARED_NULL: lambda name, value, codec, values: (DECLARED_NULL, name, value),
    "oneof": _oneof_shape,
    "startswith": _startswith_shape,
    "icontains": _icontains_shape,
}
"""Operator → the function that returns its shape and appends its values. Every other operator has one value."""


def required_shape(required: Requirement, codec: RowCodec, values: list[Any]) -> Shape:
    """Return the shape of a requirement of a write, and append its values."""
    other = codec.of(required.meta)
    names = required.meta.key.attributes
    values.extend(other.value(name, value) for name, value in zip(names, required.key, strict=True))
    return (required.meta, shape_of(required.where, other, values))


def _startswith(dialect: Dialect, column: Any, bind: Bind, bounded: bool) -> Any:
    lower = column >= bind()
    return and_(lower, column < bind()) if bounded else lower


COMPARISONS: dict[str, Callable[..., Any]] = {
    "eq": lambda _, column, bind: column == bind(),
    "ne": lambda _, column, bind: column.is_distinct_from(bind()),
    "lt": lambda _, column, bind: column < bind(),
    "le": lambda _, column, bind: column <= bind(),
    "gt": lambda _, column, bind: column > bind(),
    "ge": lambda _, column, bind: column >= bind(),
    "null": lambda _, column, bind, null: column.is_(None) if null else column.is_not(None),
    "oneof": lambda _, column, bind, count: column.in_([bind() for _ in range(count)]),
    "startswith": _startswith,
    "contains": lambda dialect, column, bind: dialect.contains(column, bind()),
    "endswith": lambda dialect, column, bind: dialect.endswith(column, bind()),
    "icontains": lambda dialect, column, bind, *shape: dialect.icontains(column, bind, *shape),
}
"""Operator → the condition on a column. `bind` makes the next placeholder."""


class Conditions:
    """Return the condition of a shape on the rows of a table or of an alias."""

    def __init__(self, meta: StoreMeta[Any], table: FromClause, dialect: Dialect, depth: int = 0) -> None:
        self._meta, self._table, self._dialect, self._depth = meta, table, dialect, depth

    def column(self, name: str) -> Any:
        """Return the column of an attribute, or the expression of a nested value."""
        attribute = self._meta.attribute(name)
        column = self._table.c[attribute.root]
        return self._dialect.nested(self._completed(column, attribute), attribute) if attribute.path else column

    def _completed(self, column: Any, attribute: Attribute) -> Any:
        """Return the JSON of an object, or that of the default where it lacks a field on the path. It was stored before the field was declared, or its class
        omits defaults."""
        path, lacks = attribute.path, self._dialect.lacks
        absent = [(number, value) for number, value in enumerate(attribute.absences, 1) if value is not None]
        whens = [(lacks(column, path[:number]), self._within(path, value)) for number, value in absent]
        return case(*whens, else_=column) if whens else column

    def _declared_null(self, attribute: Attribute) -> Any:
        """Return whether a nested value is null, or is lacking and has null as its default."""
        column, dialect = self._table.c[attribute.root], self._dialect
        found: list[Any] = [column.is_(None)] if self._meta.attributes[attribute.root].optional else []
        for path, nullable, absent in null_steps(attribute):
            found += [dialect.is_json_null(column, path)] if nullable else []
            found += [dialect.lacks(column, path)] if absent else []
        return or_(false(), *found)

    def _within(self, path: tuple[str, ...], value: Any) -> ColumnElement[str]:
        """Return the JSON of an object with this value at the end of a path, as a constant in its stored form."""
        for step in reversed(path):
            value = {step: value}
        encode = self._dialect.columns[Kind.JSON].encode or json_text
        text = encode(value).replace("'", "''")
        return literal_column(f"'{text}'", Text())

    def where(self, shape: Shape, bind: Bind) -> Any:
        match shape:
            case ("and", *parts):
                return and_(true(), *(self.where(part, bind) for part in parts))
            case ("or", *parts):
                return or_(false(), *(self.where(part, bind) for part in parts))
            case ("not", ("exists", name, meta, other, _) as inner):
                condition = not_(self.where(inner, bind))
                return or_(self.column(name).is_(None), condition) if self._collects(meta, other) else condition
            case ("not", inner):
                return or_(self.column(inner[1]).is_(None), not_(self.where(inner, bind)))
            case ("exists", name, meta, other, inner):
                linked = self._linked(meta)
                if self._collects(meta, other):
                    found = linked.column(other)
                    return self.column(name).in_(select(found).where(found.is_not(None), linked.where(inner, bind)))
                matches = select(ONE).where(linked.column(other) == self.column(name), linked.where(inner, bind))
                return exists(matches.correlate(self._table))
            case ("declared_null", name, expected):
                found = self._declared_null(self._meta.attribute(name))
                return found if expected else case((found, false()), else_=true())
            case (operator, name, *extra):
                return COMPARISONS[operator](self._dialect, self.column(name), bind, *extra)
        raise TypeError(f"not a shape: {shape!r}")

    def _collects(self, meta: StoreMeta[Any], other: str) -> bool:
        """Return whether the values of the other item's matches are collected once, because no index finds the matches of one value: an engine that
        does not join an `EXISTS` would read the whole table for each row."""
        if not self._dialect.reads_each:
            return False
        return other != meta.key.attributes[0] and all(index.attributes[0] != other for index in meta.indexes)

    def key_is(self, bind: Bind) -> Any:
        return and_(*(self._table.c[name] == bind() for name in self._meta.key.attributes))

    def required(self, shape: Shape, bind: Bind) -> Any:
        """Return the condition that the required item exists, and lock it until the write is committed."""
        meta, inner = shape
        target = self._linked(meta)
        found = select(ONE).where(target.key_is(bind), target.where(inner, bind)).correlate(self._table)
        return exists(found.with_for_update(read=True, key_share=True))

    def _linked(self, meta: StoreMeta[Any]) -> Conditions:
        depth = self._depth + 1
        return Conditions(meta, table_of(meta, self._dialect).alias(f"_linked_{depth}"), self._dialect, depth)


def binder() -> Bind:
    """Makes the placeholders `p0`, `p1`, …, named after the position of their value."""
    made: list[BindParameter[Any]] = []

    def bind() -> BindParameter[Any]:
        made.append(bindparam(f"p{len(made)}", None))
        return made[-1]

    return bind
