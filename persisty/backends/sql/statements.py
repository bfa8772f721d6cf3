"""Statements by shape: SQLAlchemy compiles a filter or an order once; later uses differ only in their values.

The shape of `author_id = a and n > 3` is `("and", ("eq", "author_id"), ("gt", "n"))`; its values are `[a, 3]`. A shape is
the key of the cache, and its statement takes the values in the order in which they were collected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Integer,
    Select,
    Table,
    Update,
    and_,
    case,
    cast,
    column,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy import values as literal_rows
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.expression import BindParameter, ClauseElement, TextClause

from ...model.expressions import Aggregate, OrderBy
from ...model.meta import StoreMeta
from ...model.types import Kind
from ...query.aggregate import MAX_GROUPS
from ...query.filter_shape import Shape
from ...store.limits import MAX_GROWN
from .columns import SEQUENCES
from .conditions import ONE, Bind, Conditions, binder
from .dialect import Dialect


class Statement(Struct, frozen=True):
    """SQL text, and for each placeholder the position of its value among the values of the shape.

    `order` None: they are in the order of the placeholders.
    """

    text: str
    order: tuple[int, ...] | None

    def arguments(self, values: Sequence[Any]) -> Sequence[Any]:
        return values if self.order is None else [values[position] for position in self.order]


ZERO: ColumnElement[int] = literal_column("0")
HALF = 32
"""Bits of the halves into which integers are split for sums: sums of halves do not overflow 64 bits."""
LOW: ColumnElement[int] = literal_column(str((1 << HALF) - 1))


def _appended(column: Any, values: BindParameter[Any], dialect: Dialect) -> Any:
    """Return the JSON array with more values, which come without brackets. It is joined as text, so the stored values do not change.

    The statement fails if the array would be too long.
    """
    empty = or_(column.is_(None), column == literal_column("'[]'"))
    longer = func.substr(column, ONE, func.length(column) - ONE).concat(literal_column("','"))
    alone = literal_column("'['").concat(values).concat(literal_column("']'"))
    joined = longer.concat(values).concat(literal_column("']'"))
    size = dialect.octets(func.coalesce(column, literal_column("''"))) + dialect.octets(values)
    too_long = size > literal_column(str(MAX_GROWN - 1))  # a comma
    return case(
        (values == literal_column("''"), func.coalesce(column, literal_column("'[]'"))),
        (too_long, dialect.too_long(column)),
        (empty, alone),
        else_=joined,
    )


CHANGES: dict[str, Callable[[Any, Bind, Dialect], Any]] = {
    "set": lambda column, bind, dialect: bind(),
    "add": lambda column, bind, dialect: func.coalesce(column, ZERO) + bind(),
    "append": lambda column, bind, dialect: _appended(column, bind(), dialect),
}
"""Kind of change → expression of the new value."""


class Statements:
    """The statements of one table. Each is compiled when its shape is first used."""

    def __init__(self, meta: StoreMeta[Any], table: Table, dialect: Dialect) -> None:
        self._meta, self._table, self._dialect = meta, table, dialect
        self._columns = [table.c[name] for name in meta.attributes]
        self._key = [table.c[name] for name in meta.key.attributes]
        self._conditions = Conditions(meta, table, dialect)
        self._where = self._conditions.where
        self._cache: dict[Shape, Statement] = {}
        self.kinds: Mapping[str, Callable[..., ClauseElement]] = KINDS

    def get(self, kind: str, *shape: Any) -> Statement:
        """Return the statement of a kind (a row of `kinds`) and shape."""
        key = (kind, *shape)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            found = self._cache[key] = self._compile(self.kinds[kind](self, binder(), *shape))
        return found

    def _compile(self, statement: ClauseElement) -> Statement:
        compiled: Any = statement.compile(dialect=self._dialect.compiler)
        order = tuple(int(name[1:]) for name in compiled.positiontup or ())
        return Statement(str(compiled), None if order == tuple(range(len(order))) else order)

    def _key_is(self, bind: Bind) -> ColumnElement[bool]:
        return and_(*(column == bind() for column in self._key))

    def _ordered(self, one: OrderBy) -> Any:
        return directed(self._table.c[one.attribute], one, self._meta)

    def _insert(self, bind: Bind) -> ClauseElement:
        row = {column.name: bind() for column in self._columns}
        put: ClauseElement = (
            self._dialect.insert(self._table).values(row).on_conflict_do_nothing(index_elements=self._key)
        )
        return put

    def _insert_required(self, bind: Bind, requires: tuple[Shape, ...]) -> ClauseElement:
        row: Any = select(*(type_coerce(bind(), column.type) for column in self._columns))
        row_if_met = row.where(*(self._conditions.required(one, bind) for one in requires))
        put = self._dialect.insert(self._table).from_select([column.name for column in self._columns], row_if_met)
        done: ClauseElement = put.on_conflict_do_nothing(index_elements=self._key)
        return done

    def _requirement(self, bind: Bind, required: Shape) -> ClauseElement:
        """Return the expression for whether a required target exists."""
        return select(self._conditions.required(required, bind))

    def _read(self, bind: Bind, count: int) -> ClauseElement:
        if len(self._key) == 1:
            return select(*self._columns).where(self._key[0].in_([bind() for _ in range(count)]))
        return select(*self._columns).where(or_(*(self._key_is(bind) for _ in range(count))))

    def _read_each(self, bind: Bind, count: int) -> ClauseElement:
        """Select one row for each of several keys, in their order; all null for a key without an item.

        This is an index lookup for each key. SQLite sorts the values of an `IN` first, and an inner join materialises them; both take longer.
        """
        rows = [tuple(bind() for _ in self._key) for _ in range(count)]
        keys: Any = literal_rows(*(column(one.name, one.type) for one in self._key), name="_sought").data(rows)
        keys = keys.cte("_sought")
        same = and_(*(one == keys.c[one.name] for one in self._key))
        return select(*self._columns).select_from(keys.outerjoin(self._table, same))

    def _changes(self, bind: Bind, changes: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        values = {name: CHANGES[how](self._table.c[name], bind, self._dialect) for name, how in changes}
        return values or {self._key[0].name: self._key[0]}

    def _change(
        self, bind: Bind, changes: tuple[tuple[str, str], ...], when: Shape, requires: tuple[Shape, ...] = ()
    ) -> Update:
        """Update the item of a key, without returning it."""
        changed = update(self._table).values(self._changes(bind, changes))
        conditions = [
            self._key_is(bind),
            self._where(when, bind),
            *(self._conditions.required(one, bind) for one in requires),
        ]
        return changed.where(*conditions)

    def _update(
        self, bind: Bind, changes: tuple[tuple[str, str], ...], when: Shape, requires: tuple[Shape, ...] = ()
    ) -> ClauseElement:
        """Update the item of a key and return it.

        In a transaction, SQLite opens a journal in a temporary file for each UPDATE that returns rows, so that ABORT can undo the rows
        before the one that fails. That takes twice the time of the update. FAIL needs no journal, and does the same for a single row.
        """
        changed = self._change(bind, changes, when, requires).prefix_with("OR FAIL", dialect="sqlite")
        return changed.returning(*self._columns)

    def _delete(self, bind: Bind, when: Shape) -> ClauseElement:
        return delete(self._table).where(self._key_is(bind), self._where(when, bind))

    def _query(self, bind: Bind, where: Shape, order: tuple[OrderBy, ...], names: tuple[str, ...]) -> ClauseElement:
        found = select(*(self._table.c[name] for name in names)).where(self._where(where, bind))
        limited: ClauseElement = self._limited(found, bind, order)
        return limited

    def _query_each(
        self,
        bind: Bind,
        attribute: str,
        count: int,
        where: Shape,
        order: tuple[OrderBy, ...],
        names: tuple[str, ...],
    ) -> ClauseElement:
        """Select the first rows of each value by an index lookup for each, with the position of the value among the values.

        The first 10 of 50 values among 100,000 rows take 0.6 ms on SQLite and 1.1 on PostgreSQL. A window function, which reads all
        rows of all values, takes 20 on both. A union of selects is as fast, but its text grows with the values.
        """
        values = self._values(bind, attribute, count)
        row: ColumnElement[int] = literal_column("_rowid_")
        found = select(row).select_from(self._table).where(self._table.c[attribute] == values.c.value)
        some = self._limited(found.where(self._where(where, bind)), bind, order).correlate(values)
        # an alias of the outer table would work as well, but the columns of conditions and orders would then be the alias's
        outer = self._table.alias("_found")
        joined = select(*(outer.c[name] for name in names), values.c.place).select_from(values)
        terms = [directed(outer.c[one.attribute], one, self._meta) for one in order]
        return joined.join(outer, literal_column("_found._rowid_").in_(some)).order_by(values.c.place, *terms)

    def _values(self, bind: Bind, attribute: str, count: int) -> Any:
        kind = self._table.c[attribute].type
        rows: list[tuple[Any, ...]] = [(cast(bind(), kind), literal_column(str(place))) for place in range(count)]
        return literal_rows(column("value", kind), column("place", Integer()), name="_sought").data(rows).cte("_sought")

    def _limited(self, found: Select[Any], bind: Bind, order: tuple[OrderBy, ...]) -> Any:
        return found.order_by(*map(self._ordered, order)).suffix_with(_limit(bind))

    def _count(self, bind: Bind, where: Shape) -> ClauseElement:
        return select(func.count()).select_from(self._table).where(self._where(where, bind))

    def _aggregate(
        self, bind: Bind, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Shape
    ) -> ClauseElement:
        groups = [self._table.c[name] for name in by]
        measured = [column for one in measures for column in self._measured(one)]
        found = select(*groups, *measured).select_from(self._table).where(self._where(where, bind))
        return found.group_by(*groups).suffix_with(text(f"LIMIT {MAX_GROUPS + 1}"))

    def _measured(self, one: Aggregate) -> list[Any]:
        """Return the columns of one measure. An integer's sum has two halves, see `HALF`."""
        if one.attribute is None:
            return [func.count()]
        column, kind = self._table.c[one.attribute], self._meta.attributes[one.attribute].kind
        if one.function == "sum" and kind is Kind.INTEGER:
            return [func.sum(column.op(">>")(literal_column(str(HALF)))), func.sum(column.op("&")(LOW))]
        return [self._dialect.aggregate(one.function, column, kind)]

    def _update_all(
        self, bind: Bind, changes: tuple[tuple[str, str], ...], where: Shape, limited: bool, circular: bool
    ) -> ClauseElement:
        changed = update(self._table).values(self._changes(bind, changes))
        return self._all(changed, bind, where, limited, circular)

    def _delete_all(self, bind: Bind, where: Shape, limited: bool, circular: bool) -> ClauseElement:
        return self._all(delete(self._table), bind, where, limited, circular)

    def _all(self, write: Any, bind: Bind, where: Shape, limited: bool, circular: bool) -> ClauseElement:
        """Return the write of every match, or of the first ones in the order of the key, which returns their keys.

        A materialised CTE selects the first ones. PostgreSQL may run a subquery of IN once for each row of the table; each
        run would skip the rows that are locked and changed by then, so the limit would apply to a run and not to the statement.

        `circular`: the filter reads other rows of the table. SQLite would read those that the statement has already written.
        """
        if not limited:
            matches = self._where(where, bind)
            if circular:
                matches = tuple_(*self._key).in_(select(*self._key).where(matches).correlate(None))
            unlimited: ClauseElement = write.where(matches)
            return unlimited
        found = select(*self._key).where(self._where(where, bind)).order_by(*self._key)
        first = found.suffix_with(_limit(bind)).with_for_update()  # the rows must still match when they are written
        chosen = first.cte("_chosen").prefix_with("MATERIALIZED")
        some: ClauseElement = write.where(tuple_(*self._key).in_(select(*chosen.c))).returning(*self._key)
        return some

    def _allocate(self, bind: Bind) -> ClauseElement:
        put = self._dialect.insert(SEQUENCES).values(name=bind(), last=bind())
        last = SEQUENCES.c.last + put.excluded.last
        more: ClauseElement = put.on_conflict_do_update(index_elements=["name"], set_={"last": last}).returning(
            SEQUENCES.c.last
        )
        return more


def directed(column: Any, one: OrderBy, meta: StoreMeta[Any]) -> Any:
    direction = column.desc() if one.descending else column.asc()
    return direction.nulls_last() if meta.attributes[one.attribute].optional else direction


def _limit(bind: Bind) -> TextClause:
    """Return the text of a LIMIT. `.limit()` would add an OFFSET for SQLite."""
    rows = bind()
    return text(f"LIMIT :{rows.key}").bindparams(rows)


KINDS: dict[str, Callable[..., ClauseElement]] = {
    "insert": Statements._insert,
    "insert_required": Statements._insert_required,
    "requirement": Statements._requirement,
    "read": Statements._read,
    "read_each": Statements._read_each,
    "change": Statements._change,
    "update": Statements._update,
    "delete": Statements._delete,
    "query": Statements._query,
    "query_each": Statements._query_each,
    "count": Statements._count,
    "aggregate": Statements._aggregate,
    "update_all": Statements._update_all,
    "delete_all": Statements._delete_all,
    "allocate": Statements._allocate,
}
MAX_CACHED = 1_000
"""Most shapes in a table's cache. The cache is cleared when it is full, so unusual queries cannot fill the memory."""
