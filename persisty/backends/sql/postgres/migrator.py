"""Migrations of PostgreSQL while servers run: no step holds a lock for longer than it takes to change the catalogue, except a change of type.

```
ADD COLUMN … DEFAULT            rewrites nothing
NOT NULL                        a CHECK, see `required_columns`
CREATE, DROP INDEX              CONCURRENTLY
renamed attribute               both columns, with a trigger, see `mirrored_columns`
ALTER COLUMN … TYPE             rewrites the table under its lock
```

Each step is a transaction of its own, and waits `LOCK_TIMEOUT` for its lock: a longer wait would block every later statement. It then tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from time import sleep
from typing import Any

from psycopg import errors
from sqlalchemy import Index, Table

from ....backoff import backoff
from ....errors import BackendUnavailable, Fault, SchemaMismatch
from ....model.meta import StoreMeta
from ....model.schema import Schema
from ....model.schema_changes import Change
from ....store.migration import Evolution, Report, Step
from ..dialect import UniqueTaken
from ..migrator import WITHOUT_STEP, allowed_changes
from ..stored_schema import StoredIndex
from ..stored_values import StoredValues
from .mirrored_columns import MirroredColumns
from .renamed_columns import RenamingMigrator
from .step_errors import explained

LOCK_TIMEOUT = "2s"
LOCK_ATTEMPTS = 30
"""Most attempts of a step to get its lock."""
KEY_LENGTH = 50
"""Characters of a table's name in the name of the constraint of another key."""
AFTER_THE_KEY = frozenset({"attribute_removed", "attribute_optional"})
"""Kinds of changes of an attribute that may have been a part of the former key."""
BEFORE_THE_KEY = frozenset({"attribute_added", "attribute_renamed", "attribute_required", "attribute_retyped"})
"""The other kinds of changes that `_changed` makes."""
KEY_NAME = "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'"


class PostgresMigrator(RenamingMigrator):
    kinds = WITHOUT_STEP | BEFORE_THE_KEY | AFTER_THE_KEY | {"key_changed"}

    def execute(self, statements: Sequence[str]) -> None:
        statement = "BEGIN"
        for attempt in range(LOCK_ATTEMPTS):
            try:
                with self._connection.transaction():
                    self._send(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                    for statement in statements:
                        self._send(statement)
            except (BackendUnavailable, SchemaMismatch) as error:
                if not isinstance(error.__cause__, errors.LockNotAvailable) or attempt == LOCK_ATTEMPTS - 1:
                    raise explained(error, statement, LOCK_ATTEMPTS) from error
            else:
                return
            sleep(backoff(attempt))

    def altering(
        self, evolution: Evolution, stored: Schema, declared: StoreMeta[Any], allowed: Collection[str]
    ) -> Iterator[Step]:
        former, name = evolution.table, declared.table
        changes = allowed_changes(evolution.changes, allowed)
        values = self.values(former, stored, declared)
        target, items = self.target(declared, values), self.count(former)
        if former != name:
            yield self._renaming(former, target)
        mirrored = self.mirrored(former, name)
        yield from self._without_defaults(name, former, mirrored)
        yield from self._taken_back(values, target, mirrored)
        anew = {one.name for one in changes if one.kind == "attribute_removed" and one.name in target.c}
        late = [one for one in changes if one.kind in AFTER_THE_KEY and one.name not in anew]
        for one in changes:
            if one not in late:
                yield from self._changed(one, target, values, items, mirrored)
        columns = self.columns(former)  # of a mirrored one, the stored schema says whether it is required of an item
        undeclared = [one.name for one in self.undeclared(stored, values, changes) if columns[one.name].required]
        yield from self._key(former, changes, target, declared, items)
        for one in late:
            yield from self._changed(one, target, values, items, mirrored)
        if undeclared:
            dropping = [self._nullable(name, one) for one in undeclared]
            yield self.step(f"Let new items leave out {', '.join(undeclared)}, which stay", dropping)
        yield from self._indexes(former, target, values, items)

    def _changed(
        self, one: Change, target: Table, values: StoredValues, items: int, mirrored: MirroredColumns
    ) -> Iterator[Step]:
        """Yield the steps of a change of an attribute."""
        table, name = target.name, one.name
        match one.kind:
            case "attribute_added":
                column = self.column(target, name)
                text = self._alter(lambda op: op.add_column(table, column, schema=self._schema))
                yield self.step(one.message, [text])
            case "attribute_renamed" if one.before is not None:  # otherwise an empty table has both columns
                yield from self._renamed(one, target, values, items, mirrored)
            case "attribute_optional":
                yield self.step(one.message, [self._nullable(table, name), *mirrored.functions(name, None)])
            case "attribute_required":
                filling = list(self._filled_with_default(one, target, values, items, mirrored))
                yield from filling
                yield from self._required.steps(target, values.declared, name, items, filling[-1] if filling else None)
            case "attribute_removed":
                yield from self._removed(one, target, values, mirrored)
            case "attribute_retyped":
                yield self._retyped(one, target, values, items, mirrored)
            case kind if kind in (BEFORE_THE_KEY | AFTER_THE_KEY) - {"attribute_renamed"}:
                raise NotImplementedError(f"no step of {kind}")

    def _retyped(self, one: Change, target: Table, values: StoredValues, items: int, mirrored: MirroredColumns) -> Step:
        """Return the step of another type. It holds the table's lock while it rewrites the table. Mirrored columns get the type too."""
        table, name = target.name, one.name
        expression, _ = values.converted(name)
        source = values.sources.get(name, name)
        columns, default = self.columns(values.table), values.default(name)
        type_ = target.c[name].type.compile(dialect=self._dialect.compiler)
        others = mirrored.group(name)[1:]
        same = [each for each in others if each in columns and columns[each].is_of_type(columns[source])]
        statements = []
        for each in (name, *same):
            using = expression.replace(self.quoted(source), self.quoted(each))
            place = f"ALTER TABLE {self.place(table)} ALTER COLUMN {self.quoted(each)}"
            statements += [f"{place} DROP DEFAULT", f"{place} TYPE {type_} USING {using}"]
        if default is not None and not others:
            statements.append(self._defaulting(table, name, default))
        return self.step(one.message, statements, items)

    def _key(
        self, former: str, changes: Sequence[Change], target: Table, declared: StoreMeta[Any], items: int
    ) -> Iterator[Step]:
        """Yield the steps to another key: its index is built while others write, and then takes the place of the old one."""
        if not any(one.kind == "key_changed" for one in changes):
            return
        table, place = target.name, self.place(target.name)
        columns = [column.name for column in target.primary_key.columns]
        built, key = f"{table[:KEY_LENGTH]}-new-key", f"{table[:KEY_LENGTH]}_pkey"
        dropping = f"DROP INDEX CONCURRENTLY IF EXISTS {self._in_schema}{self.quoted(built)}"
        creating = self._alter(lambda op: self._index(op, built, table, columns, unique=True))
        yield self._concurrent(f"Build the index of the key {', '.join(columns)}", [dropping, creating], items)
        for name in columns:
            yield from self._required.steps(target, declared, name, items)
        constraint = "".join(f"DROP CONSTRAINT IF EXISTS {self.quoted(name)}, " for name in self.key_names(former))
        adding = f"ADD CONSTRAINT {self.quoted(key)} PRIMARY KEY USING INDEX {self.quoted(built)}"
        yield self.step(f"The key is {', '.join(columns)}", [f"ALTER TABLE {place} {constraint}{adding}"])

    def _indexes(self, former: str, target: Table, values: StoredValues, items: int) -> Iterator[Step]:
        """Yield the steps that create and drop indexes. The indexes of a mirrored column stay until it is dropped."""
        table = target.name
        stale, missing = self.differing_indexes(former, target, values)
        for index in missing:
            creating = self._creating(table, index, anew=str(index.name) in stale)
            yield self._concurrent(f"Create the index {index.name}", creating, items)
        for name in self.unneeded_indexes(former, target, values, items):
            yield self._concurrent(f"Drop the index {name}", [self._dropping(name)])

    def unneeded_indexes(self, former: str, target: Table, values: StoredValues, items: int) -> list[str]:
        """Return the names of the indexes that neither the declaration nor older code needs."""
        stale, missing = self.differing_indexes(former, target, values)
        made = {str(index.name) for index in missing}
        mirrored = self.mirrored(former)
        mirrored.mirrors = [one for one in mirrored.mirrors if one not in self.abandoned(former, values)]
        for new, old in values.sources.items():
            if self.doubled(old, new, values, items):
                mirrored.add(old, new, None)
        uniques = {(*(column.name for column in index.columns),) for index in target.indexes if index.unique}

        def older_code_needs(one: StoredIndex) -> bool:
            groups = [mirrored.group(column) for column in one.columns]
            as_now = tuple(next((each for each in group if each in target.c), group[0]) for group in groups)
            return as_now != one.columns and (not one.unique or as_now in uniques)

        found = [one for one in self.indexes(former) if one.name in stale and one.name not in made]
        return [one.name for one in found if not older_code_needs(one)]

    def _renaming(self, former: str, target: Table) -> Step:
        """Return the step that renames a table and its indexes. An empty table that already has the new name is dropped."""
        name, statements = target.name, list[str]()
        if self.columns(name):
            statements.append(f"DROP TABLE {self.place(name)}")
        statements.append(self._alter(lambda op: op.rename_table(former, name, schema=self._schema)))
        statements += [
            f"ALTER INDEX {self._in_schema}{self.quoted(old)} RENAME TO {self.quoted(new)}"
            for old, new in self.renamed_indexes(former, target).items()
        ]
        return self.step(f"Rename the table {former} to {name}", statements)

    def renamed_indexes(self, former: str, target: Table) -> dict[str, str]:
        if former == target.name:
            return {}
        declared = {
            (tuple(column.name for column in one.columns), bool(one.unique)): str(one.name) for one in target.indexes
        }
        return {
            one.name: declared[one.columns, one.unique]
            for one in self.indexes(former)
            if one.valid and one.name.startswith(f"{former}-") and (one.columns, one.unique) in declared
        }

    def _concurrent(self, title: str, statements: Sequence[str], items: int | None = None) -> Step:
        """Return a step whose statements run outside of a transaction."""

        def run(report: Report) -> None:
            for statement in statements:
                try:
                    self._send(statement)
                except UniqueTaken as taken:
                    message = "Items share values that have to be unique: run the command again to list them"
                    raise SchemaMismatch(message, faults=[Fault("", title)]) from taken
            report(items or 0)

        return Step(title=title, statements=tuple(statements), run=run, items=items)

    def _send(self, statement: str) -> None:
        self._postgres.run(lambda session: session.raw.execute(statement.encode()))

    def key_names(self, table: str) -> list[str]:
        """Return the name of the constraint of a table's key, nothing if it has no key."""
        return [str(row[0]) for row in self._connection.rows(KEY_NAME, (self.place(table),))]

    def _alter(self, operate: Callable[[Any], Any]) -> str:
        return self.ddl.text(operate)

    def _nullable(self, table: str, name: str) -> str:
        return self._alter(lambda op: op.alter_column(table, name, nullable=True, schema=self._schema))

    def _index(self, op: Any, name: str, table: str, columns: Sequence[str], *, unique: bool) -> None:
        op.create_index(name, table, columns, unique=unique, schema=self._schema, postgresql_concurrently=True)

    def _creating(self, table: str, index: Index, *, anew: bool) -> list[str]:
        name, columns, unique = str(index.name), [column.name for column in index.columns], bool(index.unique)
        creating = self._alter(lambda op: self._index(op, name, table, columns, unique=unique))
        return [self._dropping(name), creating] if anew else [creating]

    def _dropping(self, name: str) -> str:
        options = {"schema": self._schema, "postgresql_concurrently": True, "if_exists": True}
        return self._alter(lambda op: op.drop_index(name, **options))
