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
from time import monotonic, sleep
from typing import Any

from msgspec import structs
from psycopg import errors
from sqlalchemy import Column, Index, Table

from ....backoff import backoff
from ....errors import BackendUnavailable, Fault, SchemaMismatch
from ....model.meta import StoreMeta
from ....model.schema import Schema
from ....model.schema_changes import Change
from ....store.migration import Evolution, Report, Step
from ..dialect import Dialect, UniqueTaken
from ..migrator import WITHOUT_STEP, SqlMigrator, allowed_changes
from ..stored_schema import StoredIndex, stored_schema
from ..stored_values import StoredValues
from .connection import PostgresConnection
from .mirrored_columns import Mirror, filled, mirror_of, mirroring, mirrors, unmirroring
from .required_columns import RequiredColumns
from .step_errors import explained

LOCK_TIMEOUT = "2s"
LOCK_ATTEMPTS = 30
"""Most attempts of a step to get its lock."""
BATCH = 1_000
"""Items of one statement of a backfill."""
REST = 0.25
"""Pause after a batch of a backfill, as a share of the batch's time."""
KEY_LENGTH = 50
"""Characters of a table's name in the name of the constraint of another key."""
AFTER_THE_KEY = frozenset({"attribute_removed", "attribute_optional"})
"""Kinds of changes of an attribute that may have been a part of the former key."""
BEFORE_THE_KEY = frozenset({"attribute_added", "attribute_renamed", "attribute_required", "attribute_retyped"})
"""The other kinds of changes that `_changed` makes."""
KEY_NAME = "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'"


class PostgresMigrator(SqlMigrator):
    kinds = WITHOUT_STEP | BEFORE_THE_KEY | AFTER_THE_KEY | {"key_changed"}

    def __init__(self, connection: PostgresConnection, dialect: Dialect, schema: str | None) -> None:
        super().__init__(connection, dialect, schema=schema)
        self._postgres = connection
        self._required = RequiredColumns(self, connection.rows, dialect)
        self._in_schema = f"{self.quoted(schema)}." if schema else ""

    def stored(self, name: str, record: Schema | None, declared: StoreMeta[Any] | None) -> Schema | None:
        """Return the schema of a table. A column that is not filled yet is left out, so that the rename goes on; one that is filled is as the
        declaration has it."""
        columns, schema = self.columns(name), None if declared is None else declared.schema
        described = record or schema
        applied = {} if described is None else {one.name: one for one in described.attributes}
        for one in self.mirrors(name):
            column = columns.pop(one.new, None)
            if column is not None and one.filled:
                required = one.new in applied and not applied[one.new].optional
                columns[one.new] = structs.replace(column, required=required)
        return stored_schema(name, columns, self.indexes(name), record, schema, self._dialect)

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
            yield self._renaming(former, name)
        yield from self._taken_back(former, name, values)
        anew = {one.name for one in changes if one.kind == "attribute_removed" and one.name in target.c}
        late = [one for one in changes if one.kind in AFTER_THE_KEY and one.name not in anew]
        for one in changes:
            if one not in late:
                yield from self._changed(one, target, values, items)
        undeclared = [one.name for one in self.undeclared(stored, values, changes) if not one.optional]
        yield from self._key(former, changes, target, items)
        for one in late:
            yield from self._changed(one, target, values, items)
        if undeclared:
            dropping = [self._nullable(name, one) for one in undeclared]
            yield self.step(f"Let new items leave out {', '.join(undeclared)}, which stay", dropping)
        yield from self._indexes(former, target, values, items)

    def _taken_back(self, former: str, name: str, values: StoredValues) -> Iterator[Step]:
        """Yield the steps that drop the unfilled copies of a rename that was interrupted and is no longer declared. No code has read or written them."""

        def step(one: Mirror) -> Step:
            dropping = self._alter(lambda op: op.drop_column(name, one.new, schema=self._schema))
            statements = [*unmirroring(one, self.place(name), self._in_schema), dropping]
            return self.step(f"The rename of {one.old} to {one.new} was interrupted: drop its copies", statements)

        yield from map(step, self.abandoned(former, values))

    def abandoned(self, former: str, values: StoredValues) -> list[Mirror]:
        """Return the renames that were interrupted and are no longer declared."""
        columns = self.columns(former)
        return [
            one
            for one in self.mirrors(former)
            if not one.filled and one.old in columns and values.sources.get(one.new) != one.old
        ]

    def _changed(self, one: Change, target: Table, values: StoredValues, items: int) -> Iterator[Step]:
        """Yield the steps of a change of an attribute."""
        table, name = target.name, one.name
        match one.kind:
            case "attribute_added":
                column = self.column(target, name)
                text = self._alter(lambda op: op.add_column(table, column, schema=self._schema))
                yield self.step(one.message, [text])
            case "attribute_renamed" if one.before is not None:  # otherwise an empty table has both columns
                yield from self._renamed(one, target, values, items)
            case "attribute_optional":
                yield self.step(one.message, [self._nullable(table, name)])
            case "attribute_required":
                filling = list(self._filled_with_default(one, target, values, items))
                yield from filling
                yield from self._required.steps(target, name, items, filling[-1] if filling else None)
            case "attribute_removed":
                yield from self._removed(one, target, values)
            case "attribute_retyped":
                yield self._retyped(one, target, values, items)
            case kind if kind in (BEFORE_THE_KEY | AFTER_THE_KEY) - {"attribute_renamed"}:
                raise NotImplementedError(f"no step of {kind}")

    def _removed(self, one: Change, target: Table, values: StoredValues) -> Iterator[Step]:
        """Yield the steps that drop a column; of one that was renamed, the trigger first."""
        table, name = target.name, one.name
        statements, counterpart = [], None
        for mirror in self.mirrors(values.table):
            if name in (mirror.old, mirror.new):
                statements += unmirroring(mirror, self.place(table), self._in_schema)
                counterpart = mirror.new if name == mirror.old else mirror.old
        statements.append(self._alter(lambda op: op.drop_column(table, name, schema=self._schema)))
        yield self.step(one.message, statements)
        if counterpart is not None and counterpart in target.c and not target.c[counterpart].nullable:
            yield from self._required.steps(target, counterpart, None)

    def _renamed(self, one: Change, target: Table, values: StoredValues, items: int) -> Iterator[Step]:
        """Yield the steps of a rename: in place if there are no items or the column cannot be mirrored, otherwise with a mirrored column."""
        table, old, new = target.name, str(one.before), one.name
        if not self.doubled(old, new, values, items):
            text = self._alter(lambda op: op.alter_column(table, old, new_column_name=new, schema=self._schema))
            yield self.step(one.message, [text])
            return
        mirror, place = mirror_of(table, old, new), self.place(table)
        doubled = Column(new, target.c[new].type, nullable=True)
        exists = new in self.columns(values.table)
        adding = self._alter(lambda op: op.add_column(table, doubled, schema=self._schema))
        statements = [
            *([] if exists else [adding]),
            f"ALTER TABLE {place} ALTER COLUMN {self.quoted(old)} DROP DEFAULT, ALTER COLUMN {self.quoted(old)} DROP NOT NULL",
            *mirroring(mirror, place, self._in_schema),
        ]
        yield self.step(f"{one.message}: both are written until {old} is dropped", statements)
        missing = f"{self.quoted(new)} IS NULL AND {self.quoted(old)} IS NOT NULL"
        yield self._backfill(
            f"Copy {old} to {new}", values, table, f"{self.quoted(new)} = {self.quoted(old)}", missing, items
        )
        yield self.step(f"{new} has all values", [filled(mirror, place)])

    def doubled(self, old: str, new: str, values: StoredValues, items: int) -> bool:
        """Return whether a renamed column is mirrored for older code: not for an empty table, a key or another type."""
        if (
            old in values.stored.key
            or new in values.declared.key.attributes
            or values.converted(new)[0] != self.quoted(old)
        ):
            return False
        return items > 0 or new in self.columns(values.table)

    def _filled_with_default(self, one: Change, target: Table, values: StoredValues, items: int) -> Iterator[Step]:
        """Yield the steps that give items without a value the declared default."""
        table, default = target.name, values.default(one.name)
        if default is None:
            return
        column = self.quoted(one.name)
        setting = f"ALTER TABLE {self.place(table)} ALTER COLUMN {column} SET DEFAULT {default}"
        yield self.step(f"{one.name} has a default", [setting])
        yield self._backfill(one.message, values, table, f"{column} = {default}", f"{column} IS NULL", items)

    def _retyped(self, one: Change, target: Table, values: StoredValues, items: int) -> Step:
        """Return the step of another type. It holds the table's lock while it rewrites the table."""
        table, name = target.name, one.name
        expression, _ = values.converted(name)
        source = values.sources.get(name, name)
        using = expression.replace(self.quoted(source), self.quoted(name))
        column, place = target.c[name], f"ALTER TABLE {self.place(table)} ALTER COLUMN {self.quoted(name)}"
        statements = [f"{place} DROP DEFAULT"]
        statements.append(
            self._alter(
                lambda op: op.alter_column(table, name, type_=column.type, postgresql_using=using, schema=self._schema)
            )
        )
        default = values.default(name)
        if default is not None:
            statements.append(f"{place} SET DEFAULT {default}")
        return self.step(one.message, statements, items)

    def _key(self, former: str, changes: Sequence[Change], target: Table, items: int) -> Iterator[Step]:
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
            yield from self._required.steps(target, name, items)
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
        renamed = {old for new, old in values.sources.items() if self.doubled(old, new, values, items)}
        mirrors, abandoned = self.mirrors(former), self.abandoned(former, values)
        mirrored = renamed | {one.old for one in mirrors if one not in abandoned}
        new_names = {one.old: one.new for one in mirrors} | {old: new for new, old in values.sources.items()}
        uniques = {(*(column.name for column in index.columns),) for index in target.indexes if index.unique}

        def older_code_needs(one: StoredIndex) -> bool:
            as_now = tuple(new_names.get(column, column) for column in one.columns)
            return bool(mirrored & {*one.columns}) and (not one.unique or as_now in uniques)

        found = [one for one in self.indexes(former) if one.name in stale and one.name not in made]
        return [one.name for one in found if not older_code_needs(one)]

    def _renaming(self, former: str, name: str) -> Step:
        """Return the step that renames a table and its indexes. An empty table that already has the new name is dropped."""
        statements = []
        if self.columns(name):
            statements.append(f"DROP TABLE {self.place(name)}")
        statements.append(self._alter(lambda op: op.rename_table(former, name, schema=self._schema)))
        return self.step(f"Rename the table {former} to {name}", statements)

    def _backfill(
        self, title: str, values: StoredValues, table: str, assignment: str, missing: str, items: int
    ) -> Step:
        """Return the step that writes the items of a condition in batches, by their key. Each batch checks the condition again, so it is
        safe with concurrent writers, and a stopped backfill continues where it was."""
        key, place = ", ".join(map(self.quoted, values.stored.key)), self.place(table)
        places = ", ".join(f"${number}" for number in range(1, len(values.stored.key) + 1))
        first = f"SELECT {key} FROM {place} WHERE {missing}"
        update = f"UPDATE {place} SET {assignment} WHERE {missing} AND ({key}) IN"

        def run(report: Report) -> None:
            position: list[Any] = report.position or []
            done = report.done
            some = f"ORDER BY {key} LIMIT {report.batch(BATCH)}"
            while True:
                started = monotonic()
                beyond = f" AND ({key}) > ({places})" if position else ""
                arguments = list(position)
                found = self._connection.rows(f"{first}{beyond} {some}", arguments)
                if not found:
                    return
                self._connection.rows(f"{update} ({first}{beyond} {some})", arguments)
                position, done = list(map(str, found[-1])), done + len(found)
                sleep((monotonic() - started) * REST)
                report.reached(done, position)

        shown = f"{update} ({first} ORDER BY {key} LIMIT {BATCH})"
        return Step(title=title, statements=(shown,), run=run, items=items)

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

    def mirrors(self, table: str) -> list[Mirror]:
        """Return the renamed columns of a table that older code still uses."""
        return mirrors(self._connection.rows, table, self._schema)
