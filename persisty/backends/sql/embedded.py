"""The SQLite engine: `sqlite:///messenger.db` is a file below the working directory, `sqlite://` is in memory.

A further statement in the process costs microseconds. The reason why a write changed nothing is therefore read by a second statement, in a
transaction that excludes other writers. Several writes are first tried together:

```
grouped     a run of writes of one shape is one executemany; the updated items are read by one SELECT at the end
            any write without an effect, or a unique value that is taken → ROLLBACK, then
one by one  each write is its own statement, and its result says why it had no effect
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import Table

from ...deferred import deferred
from ...errors import Fault, InvalidDeclaration, InvalidInput
from ...model.expressions import And, Compare, Filter, OrderBy
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.filter_algebra import combine
from ...store.backend import Delete, Outcome, Patch, Put, Query, Write, WriteResult
from ...store.engine_urls import read_url
from ...store.migration import Foreseen, Migrator
from ...store.outbox import NewEvent
from ...store.write_results import undone
from .backend import HOW, SqlBackend
from .backward_orders import BackwardOrders
from .columns import RowCodec
from .dialect import UniqueTaken
from .engine import SqlEngine
from .outbox import SqlOutbox
from .row_sizes import PageRows, RefusedRows
from .sqlite import SQLITE
from .sqlite_connection import SqliteConnection
from .sqlite_outbox import SQLITE_OUTBOX, FileVersions

T = TypeVar("T")
MODES = ("rwc", "rw")
"""Values of the URL's `mode`, as SQLite names them (https://www.sqlite.org/uri.html)."""
SYNCHRONOUS = ("normal", "full")
"""Values of the URL's `synchronous`, as SQLite names them (https://www.sqlite.org/pragma.html)."""
DONE, MISSING, EXISTS = (WriteResult(outcome) for outcome in (Outcome.DONE, Outcome.MISSING, Outcome.EXISTS))


class _RolledBackError(Exception):
    """Rolls back the transaction of a group of writes."""


class _Group(Struct):
    """Writes in a row that share a statement: `parts` are its kind and shape. Of each write: its key as it is stored, and the values of its
    conditions."""

    parts: tuple[Any, ...]
    writes: list[Any]
    keys: list[tuple[Any, ...]]
    conditions: list[list[Any]]


class SqliteBackend(SqlBackend[T]):
    def __init__(self, meta: StoreMeta[T], table: Table, connection: SqliteConnection) -> None:
        super().__init__(meta, table, SQLITE, connection, embedded=True)
        self._sqlite = connection
        self._backward = BackwardOrders(meta)
        self._key_place = self._codec.names.index(meta.key.attributes[0])

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        return super().read(keys) if len(keys) == 1 else self._read_many(self._stored(keys), self._bound(len(keys)))

    def _page_rows(
        self, query: Query, total: tuple[OrderBy, ...], codec: RowCodec, measured: PageRows | None = None
    ) -> list[tuple[Any, ...]]:
        backward = self._backward.of(total)
        if backward is not None and not backward.skips():
            statement, arguments = self._queried(
                query.where, total, query.after, query.limit + 1, codec, backward.order
            )
            rows = self._sqlite.rows(statement.text, arguments, measured)
            if not backward.tied(rows, codec.names):
                return rows
            if measured is not None:
                measured.restart()
        return super()._page_rows(query, total, codec, measured)

    def _read_by(self, total: tuple[OrderBy, ...]) -> tuple[OrderBy, ...]:
        backward = self._backward.of(total)
        return total if backward is None else backward.order

    def _read_many(self, keys: Sequence[tuple[Any, ...]], enough: RefusedRows | None = None) -> list[T | None]:
        """Return the items of keys as they are stored, in their positions."""
        statement = self._statements.get("read_each", len(keys))
        values = list(chain.from_iterable(keys))
        rows = self._sqlite.rows(statement.text, statement.arguments(values), enough)
        columns: list[Any] = list(zip(*rows, strict=True))
        place = self._key_place
        if None not in columns[place]:
            return self._codec.of_columns(columns)
        items = iter(self._codec.items([row for row in rows if row[place] is not None]))
        return [None if row[place] is None else next(items) for row in rows]

    def _stored(self, keys: Sequence[KeyValues]) -> list[tuple[Any, ...]]:
        """Return the keys in their stored form."""
        names = self.meta.key.attributes
        columns = [
            self._codec.column(name, values) for name, values in zip(names, zip(*keys, strict=True), strict=True)
        ]
        return list(zip(*columns, strict=True))

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        if len(writes) == 1:
            return [self._one(writes[0])]
        results = self._grouped(writes)
        if results is not None:
            return results
        results = []
        try:
            with self._sqlite.transaction():
                results.extend(map(self._in_transaction, writes))
                if atomic and any(result.outcome is not Outcome.DONE for result in results):
                    raise _RolledBackError
        except _RolledBackError:
            return undone(results)
        return results

    def create_with_events(self, put: Put, events: Sequence[NewEvent], outbox: SqlOutbox) -> WriteResult | None:
        if put.requires:
            return None
        outbox.prepare()
        statement = self._statements.get("insert")
        row = statement.arguments(self._codec.row(put.item))
        try:
            count = self._sqlite.changed_together(statement.text, row, outbox.statements(events))
        except UniqueTaken as taken:
            return self._taken(taken)
        return WriteResult(Outcome.DONE, put.item) if count else EXISTS

    def _one(self, write: Write) -> WriteResult:
        """Do one write by one statement. Only a write that changed nothing needs a second one."""
        result = self._try(write)
        if result is not None:
            return result
        with self._sqlite.transaction():
            return self._in_transaction(write)

    def _grouped(self, writes: Sequence[Write]) -> list[WriteResult] | None:
        """Return the results if all writes are DONE. Otherwise write nothing and return None.

        A savepoint instead of a transaction would double the time: SQLite copies every page that it changes.
        """
        if all(type(write) is Put and not write.requires for write in writes):
            return self._put(writes)
        keys = self._stored(list(map(self._key_of, writes)))
        patched = [key for key, write in zip(keys, writes, strict=True) if type(write) is Patch]
        if patched and len(set(keys)) < len(keys):
            return None  # an item is read once, after all writes, so it may be written only once
        calls = [self._call(group) for group in self._groups(writes, keys)]
        try:
            with self._sqlite.transaction():
                for call in calls:
                    if call is None or self._sqlite.each_changed(*call) < len(call[1]):
                        raise _RolledBackError
                items = iter(self._read_many(patched) if patched else ())
        except (_RolledBackError, UniqueTaken, InvalidInput):
            return None
        return [
            DONE
            if type(write) is Delete
            else WriteResult(Outcome.DONE, write.item if isinstance(write, Put) else next(items))
            for write in writes
        ]

    def _put(self, puts: Sequence[Any]) -> list[WriteResult] | None:
        """Do plain creates as one group, like `_grouped`, but without keys."""
        items = [put.item for put in puts]
        statement = self._statements.get("insert")
        rows = list(zip(*statement.arguments(self._codec.columns(items)), strict=True))
        try:
            with self._sqlite.transaction():
                if self._sqlite.each_changed(statement.text, rows) < len(rows):
                    raise _RolledBackError
        except (_RolledBackError, UniqueTaken):
            return None
        return [WriteResult(Outcome.DONE, item) for item in items]

    def _groups(self, writes: Sequence[Write], keys: Sequence[tuple[Any, ...]]) -> list[_Group]:
        groups: list[_Group] = []
        last: tuple[Any, ...] = ()
        for write, key in zip(writes, keys, strict=True):
            conditions: list[Any] = []
            parts = self._parts(write, conditions)
            if parts != last:
                last = parts
                groups.append(_Group(parts, [], [], []))
            group = groups[-1]
            group.writes.append(write)
            group.keys.append(key)
            group.conditions.append(conditions)
        return groups

    def _parts(self, write: Write, values: list[Any]) -> tuple[Any, ...]:
        """Return the shape of a write's statement. Append the values of its conditions."""
        if isinstance(write, Patch):
            condition = self._shape(write.when, values)
            required = self._required(write.requires, values) if write.requires else ()
            return ("change", tuple(write.changes), condition, required)
        if isinstance(write, Delete):
            return ("delete", self._shape(write.when, values))
        return ("insert_required", self._required(write.requires, values)) if write.requires else ("insert",)

    def _call(self, group: _Group) -> tuple[str, list[tuple[Any, ...]]] | None:
        """Return the statement of a group and its arguments for each write, None if one write sets an attribute to which another adds."""
        kind, *shape = group.parts
        columns: list[Iterable[Any]] = []
        if kind == "change":
            changes: list[tuple[str, str]] = []
            for name in shape[0]:
                values = [write.changes[name] for write in group.writes]
                hows = {HOW.get(type(value), "set") for value in values}
                if len(hows) > 1:
                    return None
                changes += [(name, how) for how in hows]
                columns += [self._changed_column(name, how, values) for how in hows]
            shape[0] = tuple(changes)
        elif kind != "delete":
            columns += self._codec.columns([write.item for write in group.writes])
        if kind in ("change", "delete"):
            columns += zip(*group.keys, strict=True)
        columns += zip(*group.conditions, strict=True)
        statement = self._statements.get(kind, *shape)
        return statement.text, list(zip(*statement.arguments(columns), strict=True))

    def _in_transaction(self, write: Write) -> WriteResult:
        """Return the result of a write, with the reason if it changed nothing. No other writer can change the item in between."""
        try:
            result = self._try(write)
        except InvalidInput as error:
            return WriteResult(Outcome.ERROR, error=error)
        if result is not None:
            return result
        key = self._key_of(write)
        [current] = self.read((key,))
        if isinstance(write, Put):
            return EXISTS if current is not None else self._unmet(write) or EXISTS
        if current is None:
            return MISSING
        if isinstance(write, Patch) and write.requires and self._matches(key, write.when):
            return self._unmet(write) or WriteResult(Outcome.FAILED, current)
        return WriteResult(Outcome.FAILED, current)

    def _matches(self, key: KeyValues, when: Filter) -> bool:
        names = self.meta.key.attributes
        same = [Compare(name, "eq", value) for name, value in zip(names, key, strict=True)]
        return bool(self.count(combine(And, [*same, when])))

    def _try(self, write: Write) -> WriteResult | None:
        """Return the result, None if a Patch or Delete changed nothing, or if a requirement of a Put is not met."""
        values: list[Any]
        try:
            match write:
                case Put(item, ()):
                    statement = self._statements.get("insert")
                    count = self._sqlite.changed(statement.text, statement.arguments(self._codec.row(item)))
                    return WriteResult(Outcome.DONE, item) if count else EXISTS
                case Put(item, requires):
                    values = self._codec.row(item)
                    statement = self._statements.get("insert_required", self._required(requires, values))
                    count = self._sqlite.changed(statement.text, statement.arguments(values))
                    return WriteResult(Outcome.DONE, item) if count else None
                case Patch(key, changes, when, requires):
                    values = []
                    shape = self._changes(changes, values)
                    values.extend(self._key(key))
                    condition = self._shape(when, values)
                    required = self._required(requires, values) if requires else ()
                    statement = self._statements.get("update", shape, condition, required)
                    rows = self._sqlite.rows(statement.text, statement.arguments(values))
                    return WriteResult(Outcome.DONE, self._codec.item(rows[0])) if rows else None
                case Delete(key, when):
                    values = self._key(key)
                    statement = self._statements.get("delete", self._shape(when, values))
                    return DONE if self._sqlite.changed(statement.text, statement.arguments(values)) else None
        except UniqueTaken as taken:
            return self._taken(taken)
        raise TypeError(f"not a write: {write!r}")


class SqliteEngine(SqlEngine):
    """The tables of one file, or of a database in memory if the path is `:memory:`."""

    def __init__(self, path: str, synchronous: str) -> None:
        connection = SqliteConnection(path, synchronous)
        self._sqlite, self._is_file = connection, path != ":memory:"
        super().__init__(SQLITE, connection, lambda meta, table: SqliteBackend(meta, table, connection), embedded=True)
        watched = FileVersions(path if self._is_file else None)
        self.outbox = SqlOutbox(SQLITE, SQLITE_OUTBOX, connection, connection.changed, watched, self._tables_of_outbox)

    @contextmanager
    def _tables_of_outbox(self) -> Iterator[frozenset[str]]:
        with self._preparing():
            yield frozenset()

    def migrator(self) -> Migrator:
        """Return the migrator of the file's tables."""
        module = deferred("persisty.backends.sql.sqlite_migrator")
        found: Migrator = module.SqliteMigrator(self._sqlite, SQLITE, local=self._is_file)
        return found

    def foreseen(self) -> Foreseen:
        """Return the tables in a database in memory, for steps that are only planned."""
        found: Foreseen = deferred("persisty.backends.sql.foreseen_sqlite").ForeseenSqlite(self._sqlite)
        return found


def connect(url: str, *, app: str, stage: str) -> SqlEngine:
    """Return the engine of a `sqlite:` URL. Without a path, the database is in memory and is lost when the engine is closed.

    `mode`: `rwc`, the default, creates a missing file; `rw` refuses it. `synchronous`: `normal`, the default, or `full`, which waits for the disk at
    each commit. Raises `InvalidDeclaration` for a URL with anything else.
    """
    parts = read_url(url, options=["mode", "synchronous"], path="sqlite:///relative.db or sqlite:////absolute.db")
    mode = parts.options.get("mode", "rwc")
    if mode not in MODES:
        raise InvalidDeclaration(
            "No engine for this URL",
            faults=[Fault("/url/mode", "Unknown mode", "one of " + ", ".join(MODES), mode[:64])],
        )
    synchronous = parts.options.get("synchronous", "normal")
    if synchronous not in SYNCHRONOUS:
        raise InvalidDeclaration(
            "No engine for this URL",
            faults=[Fault("/url/synchronous", "Unknown setting", "one of " + ", ".join(SYNCHRONOUS), synchronous[:64])],
        )
    path = parts.path or ":memory:"
    if mode == "rw" and parts.path and not Path(path).is_file():
        raise InvalidDeclaration("No engine for this URL", faults=[Fault("/url", "There is no such file", found=path)])
    return SqliteEngine(path, synchronous)
