"""Writes on a condition, in one statement that also tells what it found.

```
WITH found AS (SELECT when IS true AS holds, … FROM t WHERE key = … FOR UPDATE),
     done AS (UPDATE t SET … FROM found WHERE t.key = found.key AND found.holds RETURNING …)
SELECT true, … FROM done UNION ALL SELECT false, … FROM found WHERE NOT holds
```

The row is locked as it is after whoever else was writing it has committed, and the condition is decided over that very row
(PostgreSQL evaluates a locked row's SELECT anew if it changed while it was waited for). So an item that comes back as
refused is one that the condition does not hold for, and one that it does hold for is written: nobody comes in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CTE, Table, and_, delete, literal_column, not_, select, true, union_all, update
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.expression import ClauseElement

from ....model.meta import StoreMeta
from ....query.shape import Shape
from ..statements import KINDS, Bind, Statements
from .dialect import POSTGRES

HOLDS = "persisty_holds"
"""The column that says whether the condition did."""


class PostgresStatements(Statements):
    def __init__(self, meta: StoreMeta[Any], table: Table) -> None:
        super().__init__(meta, table, POSTGRES)
        self.kinds = MORE_KINDS

    def _found(self, bind: Bind, when: Shape) -> CTE:
        key = self._key_is(bind)
        holds = self._where(when, bind).is_(true()).label(HOLDS)
        return select(holds, *self._columns).where(key).with_for_update().cte("found")

    def _is_found(self, found: CTE) -> ColumnElement[bool]:
        return and_(*(column == found.c[column.key] for column in self._key), found.c[HOLDS])

    def _insert_many(self, bind: Bind, count: int) -> ClauseElement:
        """Tells the keys of those that were free."""
        rows = [{column.key: bind() for column in self._columns} for _ in range(count)]
        put = self._dialect.insert(self._table).values(rows).on_conflict_do_nothing(index_elements=self._key)
        many: ClauseElement = put.returning(*self._key)
        return many

    def _update_when(self, bind: Bind, changes: tuple[tuple[str, str], ...], when: Shape) -> ClauseElement:
        values = self._changes(bind, changes)
        found = self._found(bind, when)
        changed = update(self._table).values(values).where(self._is_found(found))
        done = changed.returning(*self._columns).cte("done")
        return union_all(
            select(literal_column("true"), *done.c),
            select(literal_column("false"), *(found.c[column.key] for column in self._columns)).where(
                not_(found.c[HOLDS])
            ),
        )

    def _delete_when(self, bind: Bind, when: Shape) -> ClauseElement:
        found = self._found(bind, when)
        done = delete(self._table).where(self._is_found(found)).returning(*self._key).cte("done")
        return select(*found.c).add_cte(done)


MORE_KINDS: Mapping[str, Any] = {
    **KINDS,
    "insert_many": PostgresStatements._insert_many,
    "update_when": PostgresStatements._update_when,
    "delete_when": PostgresStatements._delete_when,
}
