"""Conditional writes, each as one statement that also returns the item it found.

```
WITH _found AS (SELECT when IS true AS holds, … FROM t WHERE key = … FOR UPDATE),
     _done AS (UPDATE t SET … FROM _found WHERE t.key = _found.key AND _found.holds RETURNING …)
SELECT true, … FROM _done UNION ALL SELECT false, … FROM _found WHERE NOT holds
```

The row is locked after any concurrent writer has committed, and the condition is decided over that very row: PostgreSQL evaluates a locked row's SELECT again
if the row changed while the statement waited. A returned item that was rejected does not satisfy the condition, and one that does is written. No other write
happens in between.

Each foreign key of a write is one more column of `_found`. Its row is locked, so that it exists until the write is committed. An INSERT selects these columns in
a separate row, with a flag for a taken key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CTE, Table, and_, cast, delete, exists, literal_column, not_, select, true, union_all, update
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.expression import ClauseElement

from ....model.expressions import OrderBy
from ....model.meta import StoreMeta
from ....query.filter_shape import Shape
from ..conditions import Bind
from ..dialect import Dialect
from ..statements import KINDS, Statements, directed

MATCHES = "persisty_matches"
"""The column with the result of the condition."""
MET = "persisty_met_"
"""Prefix of the columns with the results of the requirements."""


class PostgresStatements(Statements):
    def __init__(self, meta: StoreMeta[Any], table: Table, dialect: Dialect) -> None:
        super().__init__(meta, table, dialect)
        self.kinds = MORE_KINDS

    def _found(self, bind: Bind, when: Shape) -> CTE:
        key = self._key_is(bind)
        matches = self._where(when, bind).is_(true()).label(MATCHES)
        return select(matches, *self._columns).where(key).with_for_update().cte("_found")

    def _is_found(self, found: CTE) -> ColumnElement[bool]:
        return and_(*(column == found.c[column.key] for column in self._key), found.c[MATCHES])

    def _insert_many(self, bind: Bind, count: int) -> ClauseElement:
        """Return the keys of the items that were created."""
        rows = [{column.key: bind() for column in self._columns} for _ in range(count)]
        put = self._dialect.insert(self._table).values(rows).on_conflict_do_nothing(index_elements=self._key)
        many: ClauseElement = put.returning(*self._key)
        return many

    def _update_when(self, bind: Bind, changes: tuple[tuple[str, str], ...], when: Shape) -> ClauseElement:
        values = self._changes(bind, changes)
        found = self._found(bind, when)
        changed = update(self._table).values(values).where(self._is_found(found))
        done = changed.returning(*self._columns).cte("_done")
        return union_all(
            select(literal_column("true"), *done.c),
            select(literal_column("false"), *(found.c[column.key] for column in self._columns)).where(
                not_(found.c[MATCHES])
            ),
        )

    def _flags(self, bind: Bind, requires: tuple[Shape, ...]) -> list[Any]:
        return [self._conditions.required(one, bind).label(f"{MET}{number}") for number, one in enumerate(requires)]

    def _insert_required(self, bind: Bind, requires: tuple[Shape, ...]) -> ClauseElement:
        """Return whether the item was created, whether the key was taken, and which requirements are met. Takes the key's values last."""
        row = [cast(bind(), column.type) for column in self._columns]
        found = select(*self._flags(bind, requires)).cte("_found")
        taken = exists(select(literal_column("1")).where(self._key_is(bind)))
        put = self._dialect.insert(self._table).from_select(
            [column.key for column in self._columns], select(*row).where(*found.c).select_from(found)
        )
        done = put.on_conflict_do_nothing(index_elements=self._key).returning(*self._key).cte("_done")
        return select(exists(select(done.c)), taken, *found.c).select_from(found)

    def _update_required(
        self, bind: Bind, changes: tuple[tuple[str, str], ...], when: Shape, requires: tuple[Shape, ...]
    ) -> ClauseElement:
        """As `_update_when`, with the flags of the condition and the requirements behind the columns."""
        values = self._changes(bind, changes)
        key = self._key_is(bind)
        matches = self._where(when, bind).is_(true()).label(MATCHES)
        flags = self._flags(bind, requires)
        found = select(matches, *self._columns, *flags).where(key).with_for_update().cte("_found")
        met = [found.c[flag.name] for flag in flags]
        changed = update(self._table).values(values).where(self._is_found(found), *met)
        done = changed.returning(*self._columns).cte("_done")
        yes: ColumnElement[bool] = literal_column("true")
        return union_all(
            select(yes, *done.c, yes, *(yes for _ in met)),
            select(
                literal_column("false"), *(found.c[column.key] for column in self._columns), found.c[MATCHES], *met
            ).where(not_(and_(found.c[MATCHES], *met))),
        )

    def _query_each(
        self,
        bind: Bind,
        attribute: str,
        count: int,
        where: Shape,
        order: tuple[OrderBy, ...],
        names: tuple[str, ...],
    ) -> ClauseElement:
        values = self._values(bind, attribute, count)
        columns = [self._table.c[name] for name in names]
        found = select(*columns).where(self._table.c[attribute] == values.c.value, self._where(where, bind))
        some = self._limited(found, bind, order).correlate(values).lateral("_found")
        terms = [directed(some.c[one.attribute], one, self._meta) for one in order]
        return select(*some.c, values.c.place).select_from(values.join(some, true())).order_by(values.c.place, *terms)

    def _delete_when(self, bind: Bind, when: Shape) -> ClauseElement:
        found = self._found(bind, when)
        done = delete(self._table).where(self._is_found(found)).returning(*self._key).cte("_done")
        return select(*found.c).add_cte(done)


MORE_KINDS: Mapping[str, Any] = {
    **KINDS,
    "insert_many": PostgresStatements._insert_many,
    "insert_required": PostgresStatements._insert_required,
    "query_each": PostgresStatements._query_each,
    "update_required": PostgresStatements._update_required,
    "update_when": PostgresStatements._update_when,
    "delete_when": PostgresStatements._delete_when,
}
