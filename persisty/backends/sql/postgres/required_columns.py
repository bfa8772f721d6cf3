"""A column that becomes required on PostgreSQL, while older code may still write items without a value.

```
New items need x               CHECK … NOT VALID: from now on the server refuses such items
Check that every item has x    VALIDATE, without a blocking lock. Items written after the backfill are filled first, if there is a default
x is required                  SET NOT NULL, which reads no rows, and drops the CHECK
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Table

from ....errors import Fault, SchemaMismatch
from ....model.meta import StoreMeta
from ....model.msgspec_faults import pointer
from ....store.migration import Report, Step
from ..dialect import Dialect
from ..migrator import SqlMigrator
from ..row_keys import key_of_row
from ..stored_schema import stored_columns
from ..stored_values import LISTED

Rows = Callable[..., list[tuple[Any, ...]]]


class RequiredColumns:
    """Plans the steps to NOT NULL without a long lock."""

    def __init__(self, migrator: SqlMigrator, rows: Rows, dialect: Dialect) -> None:
        self._migrator, self._rows, self._dialect = migrator, rows, dialect

    def steps(
        self, target: Table, declared: StoreMeta[Any], name: str, items: int | None, fill: Step | None = None
    ) -> Iterator[Step]:
        """Yield the steps of a column. `fill`: the step that gives a value to items without one, None without a default."""
        migrator, table = self._migrator, target.name
        place, column = migrator.place(table), migrator.quoted(name)
        check = migrator.quoted(f"{table[:20]}-{name[:30]}-required")
        drop = f"ALTER TABLE {place} DROP CONSTRAINT IF EXISTS {check}"
        adding = f"ALTER TABLE {place} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"
        validating = f"ALTER TABLE {place} VALIDATE CONSTRAINT {check}"

        def validate(report: Report) -> None:
            try:
                migrator.execute([validating])
            except SchemaMismatch:
                if fill is not None:
                    fill.run(
                        report
                    )  # once is enough: since the CHECK was added, the server refuses items without a value
                self._check_filled(target, declared, name)
                migrator.execute([validating])
            report(items or 0)

        yield migrator.step(f"New items need {name}", [drop, adding])
        yield Step(title=f"Check that every item has {name}", statements=(validating,), run=validate, items=items)
        yield migrator.step(f"{name} is required", [f"ALTER TABLE {place} ALTER COLUMN {column} SET NOT NULL", drop])

    def _check_filled(self, target: Table, declared: StoreMeta[Any], name: str) -> None:
        """Raise `SchemaMismatch` with the keys of the items that have no value."""
        migrator = self._migrator
        stored = stored_columns(self._rows, target.name, self._dialect)
        names = [one.name for one in target.primary_key.columns if one.name in stored]
        key = ", ".join(map(migrator.quoted, names))
        without = f"FROM {migrator.place(target.name)} WHERE {migrator.quoted(name)} IS NULL"
        found = self._rows(f"SELECT {key} {without} ORDER BY {key} LIMIT {LISTED + 1}")
        if not found:
            return
        keys = ", ".join(key_of_row(declared, self._dialect, row, names) for row in found[:LISTED])
        more = " and more" if len(found) > LISTED else ""
        message = f"Older code has written items without {name}. Give them one, then run the command again"
        fault = Fault(pointer(target.name, name), f"These items have no {name}", found=keys + more)
        raise SchemaMismatch(message, faults=[fault])
