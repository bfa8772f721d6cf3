"""Compare the declarations with the schemas that were applied last, and record them.

`App.prepare` compares them with the declarations before it serves: otherwise a renamed class or a changed key would look like an empty store. It
reads the records of an app in one query, and writes only those that have changed, each on the condition that no other process has written it
since. A server whose tables a deployment creates only compares them, see `AppliedSchemas.doubt` for the exception. A deployed function reads the record
of a store if one of its indexes may be incomplete, see `index_completeness`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from msgspec import structs

from ..errors import BackendUnavailable, Conflict, Fault, PreconditionFailed, SchemaMismatch
from ..model.indexes import Index
from ..model.meta import StoreMeta
from ..model.missing_values import late_indexes, unwritten_indexes
from ..model.schema import IndexSchema, Schema
from ..model.schema_changes import changes_of
from ..model.schema_differences import differences, hidden_values, is_similar
from .key_references import EngineOf, recorded_key_faults
from .recorded_schemas import Recorded, change_record, recorded
from .schema_records import LEFT, TABLE, AppliedSchema
from .store import Store

INCOMPLETE = (
    "Stored items lack an attribute of the index, so queries would miss them. Run `App.prepare`, which stores the "
    "defaults in these items"
)
COPIED = (
    "Its items were copied to another store, and may have changed there: this declaration would serve the former ones"
)
UNCOPIED = "The items of {former} are not copied to it yet. Run `persisty migrate` before this code starts"
UNCHECKED = frozenset({"members_removed", "nested_narrowed"})
"""Kinds of changes for which a migration reads every item, and a start does not."""
ELSEWHERE = (
    "Its items are in the table {table}, and this declaration has the table {declared}. Run `persisty migrate`, which moves them. If they were moved by "
    "newer code, start that code"
)
OUTDATED = (
    "The table {table} has items that were copied to another table, and may have changed there. Drop it first: "
    "`persisty migrate --allow drop:table:{table}`"
)
UNCHECKED_WITHOUT_COLUMNS = UNCHECKED | {"attribute_required"}
"""The same for an engine without columns, which has no `NOT NULL`."""
NEWER = (
    "Newer code has renamed it to {newer}, which has its items. Start that code. To take the rename back, declare "
    '@stored(former_names="{newer}") and run `persisty migrate`'
)
UNRENAMED = "Its items are stored as {former}. Run `persisty migrate`, which gives them the new name"
WARNINGS = {
    "members_removed": "Stored items that have one cannot be read",
    "attribute_required": "Stored items that have none cannot be read until `persisty migrate` has given them one",
}
"""Kind of a change that only a scan could check → the warning."""
log = logging.getLogger("persisty")
IsSparse = Callable[[str | None], bool]
"""Name of an engine → whether its indexes contain only items that have all of their attributes."""


class AppliedSchemas:
    """The records of one app. `engine_of` and `is_sparse` query the engines."""

    def __init__(self, app: str, records: Store[AppliedSchema], engine_of: EngineOf, is_sparse: IsSparse) -> None:
        self._app, self._records, self._engine_of, self._is_sparse = app, records, engine_of, is_sparse
        self._read: dict[str, AppliedSchema] | None = None

    def all(self, *, again: bool = True) -> dict[str, AppliedSchema]:
        """Return every record, by store. `again`: read them even if they were read before."""
        if again or self._read is None:
            self._read = {one.store: one for one in self._records.search_all(AppliedSchema.app == self._app)}
        return self._read

    def forget(self) -> None:
        """Forget the records: the next call reads them."""
        self._read = None

    def check_recorded(
        self, metas: Collection[StoreMeta[Any]], declared: Collection[str], abandoned: Collection[str]
    ) -> None:
        """Check names, items and indexes. Raise `SchemaMismatch` for differences. Check nothing if the records cannot be read."""
        try:
            applied = self.all()
        except (BackendUnavailable, SchemaMismatch) as error:  # their table may not exist
            log.info("Applied schemas are not compared, because their records cannot be read: %s", error.message)
            return
        self.check_names(applied, metas, declared, abandoned)
        self.check_items(applied, metas)
        self._check_indexes(applied, metas)
        try:
            self.doubt(applied, metas)
        except BackendUnavailable as error:  # writing them may not be allowed
            log.warning(
                "Newer code has recorded indexes that this code does not write, and the records cannot be changed: %s. "
                "Run `persisty migrate` with this code, so that newer code completes them",
                error.message,
            )

    def check_names(
        self,
        applied: Mapping[str, AppliedSchema],
        metas: Iterable[StoreMeta[Any]],
        declared: Collection[str],
        abandoned: Collection[str],
    ) -> None:
        """Raise `SchemaMismatch` if a new store or attribute looks like a renamed one that still has items or values.

        `declared`: the names of all stores of the app. `abandoned`: stores, and attributes such as `car.odometer`, whose values are no longer needed.
        """
        former = {
            name: recorded(one.schema).schema
            for name, one in applied.items()
            if name not in declared and name not in abandoned and one.hash != LEFT
        }
        new = [meta for meta in metas if meta.name not in applied] if former else []
        faults = [fault for meta in new for fault in self._renamed(meta, former, applied)]
        for meta in metas:
            record = applied.get(meta.name)
            faults += self._moved(meta, applied)
            if record is not None and record.hash != meta.schema.hash:
                keeps_names = self._engine_of(meta.engine).table(meta.table) is None
                hidden = list(hidden_values(_before(record, meta), meta, abandoned, keeps_names=keeps_names))
                faults += hidden if hidden and not self._is_empty(meta.table, meta.engine) else ()
                faults += recorded_key_faults(meta, applied, metas, self._engine_of)
        _raise(faults)

    def check_items(self, applied: Mapping[str, AppliedSchema], metas: Iterable[StoreMeta[Any]]) -> None:
        """Raise `SchemaMismatch` if stored items do not fit these declarations."""
        faults: list[Fault] = []
        for meta in metas:
            record = applied.get(meta.name)
            if record is not None and record.hash == LEFT:
                faults.append(Fault(f"/{meta.name}", COPIED))
            elif record is not None and record.hash != meta.schema.hash:
                table = self._engine_of(meta.engine).table(meta.table)
                self._warn(_before(record, meta), meta)
                columns, mirrored = (None, ()) if table is None else (table.columns, table.mirrored)
                found = list(differences(_before(record, meta), meta, columns, mirrored))
                faults += found if found and not self._is_empty(meta.table, meta.engine) else ()
        _raise(faults)

    def _is_empty(self, table: str, engine: str | None) -> bool:
        return self._engine_of(engine).is_empty(table)

    def _warn(self, stored: Schema, meta: StoreMeta[Any]) -> None:
        """Log the changes that stored items may not fit. Only a scan could find items that do not."""
        unchecked = self._unchecked_kinds(meta)
        for change in changes_of(stored, meta, ""):
            if change.kind in unchecked & WARNINGS.keys():
                log.warning("%s: %s. %s (unreadable_item)", change.path, change.message, WARNINGS[change.kind])

    def late_indexes(
        self, applied: Mapping[str, AppliedSchema], metas: Iterable[StoreMeta[Any]]
    ) -> Iterator[tuple[StoreMeta[Any], list[Index]]]:
        """Yield each store with the indexes that may miss stored items. Without a record of the schema, these are all indexes over attributes with a default."""
        for meta in metas:
            record = applied.get(meta.name)
            if record is None or record.hash != meta.schema.hash:
                indexes = late_since(record, meta)
                if indexes:
                    yield meta, indexes

    def _check_indexes(self, applied: Mapping[str, AppliedSchema], metas: Iterable[StoreMeta[Any]]) -> None:
        """Raise `SchemaMismatch` if an index misses stored items."""
        recorded = [meta for meta in metas if meta.name in applied and self._is_sparse(meta.engine)]
        _raise(
            [
                Fault(f"/{meta.name}/{index.name}", INCOMPLETE)
                for meta, indexes in self.late_indexes(applied, recorded)
                for index in indexes
                if not self._is_empty(meta.table, meta.engine)
            ]
        )

    def fitting(
        self, applied: Mapping[str, AppliedSchema], metas: Iterable[StoreMeta[Any]]
    ) -> Iterator[StoreMeta[Any]]:
        """Yield the items whose stored values all fit the declaration. Leave out those with a change for which only a scan could find a value that does
        not fit: their record stays, so that `persisty diff` lists the change until `persisty migrate` has checked every item."""
        for meta in metas:
            record = applied.get(meta.name)
            is_current = record is None or record.hash in (LEFT, meta.schema.hash)
            if is_current or not self._is_unchecked(record, meta) or self._is_empty(meta.table, meta.engine):
                yield meta

    def _unchecked_kinds(self, meta: StoreMeta[Any]) -> frozenset[str]:
        return UNCHECKED_WITHOUT_COLUMNS if self._is_sparse(meta.engine) else UNCHECKED

    def _is_unchecked(self, record: AppliedSchema | None, meta: StoreMeta[Any]) -> bool:
        """Return whether stored values may not fit the declaration, and only a scan could find them."""
        unchecked = self._unchecked_kinds(meta)
        return record is not None and any(one.kind in unchecked for one in changes_of(_before(record, meta), meta, ""))

    def record(
        self,
        applied: dict[str, AppliedSchema],
        metas: Iterable[StoreMeta[Any]],
        dropped: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        """Write the schemas that are new or have changed, and add them to `applied`. `dropped`: store → the attributes whose values were deleted."""
        for meta in metas:
            before, schema, gone = applied.get(meta.name), meta.schema, dropped.get(meta.name, ())
            if before is not None and not gone and (before.hash, before.engine) == (schema.hash, meta.engine):
                continue
            now = Recorded(schema)
            if before is not None and before.engine == meta.engine and self._is_sparse(meta.engine):
                now = recorded(before.schema).after(schema, gone)
            changes = {"hash": schema.hash, "schema": now.text(), "engine": meta.engine}
            try:
                written: AppliedSchema | None
                if before is None:
                    written = self._records.create({"app": self._app, "store": meta.name, **changes})
                else:
                    same = AppliedSchema.hash == before.hash
                    written = self._records.update((self._app, meta.name), changes, when=same)
                if written is not None:
                    applied[meta.name] = written
            except (Conflict, PreconditionFailed):
                continue  # another process applied its own schema at the same time

    def doubt(self, applied: dict[str, AppliedSchema], metas: Iterable[StoreMeta[Any]]) -> None:
        """Remove from the records the indexes over attributes that these declarations lack: this code may create items which the indexes miss. Newer code
        then completes them before it queries them. A record of the same schema is left as it is."""
        for meta in metas:
            record = applied.get(meta.name)
            if record is None or record.hash in (LEFT, meta.schema.hash) or not self._is_sparse(meta.engine):
                continue
            self.doubt_indexes(record, partial(unwritten_indexes, declared=meta.schema))

    def doubt_indexes(self, record: AppliedSchema, doubted: Callable[[Schema], Collection[IndexSchema]]) -> None:
        """Remove from a record the indexes that `doubted` returns for its schema, so that they count as not complete."""

        def without(found: Recorded) -> Recorded:
            indexes = doubted(found.schema)
            rest = tuple(each for each in found.schema.indexes if each not in indexes)
            return Recorded(structs.replace(found.schema, indexes=rest), found.leftovers)

        self.change(record, without)

    def change(self, record: AppliedSchema, changed: Callable[[Recorded], Recorded]) -> None:
        """Change a record."""
        written = change_record(self._records, record, changed)
        if written is not None and self._read is not None:
            self._read[record.store] = written

    def adopt(self, schema: Schema, engine: str | None) -> None:
        """Record the schema of a store that has no record, as that of one which a deployment has created."""
        applied = {"hash": schema.hash, "schema": Recorded(schema).text(), "engine": engine}
        try:
            self._records.create({"app": self._app, "store": schema.name, **applied})
        except Conflict:
            return  # it has one
        self.forget()

    def leave(self, store: str) -> None:
        """Note that the items of a store were copied to another one. Its record stays, so that its table can be dropped by its name."""
        self._records.update((self._app, store), {"hash": LEFT})
        self.forget()

    def leave_table(self, schema: Schema, engine: str | None) -> None:
        """Note that the items of a store were copied from this table to another one, so that the table can be dropped by its name."""
        store = f"{TABLE}{schema.table_or_name}"
        changes = {"hash": LEFT, "schema": Recorded(schema).text(), "engine": engine}
        try:
            self._records.create({"app": self._app, "store": store, **changes})
        except Conflict:  # it was left before
            self._records.update((self._app, store), changes)
        self.forget()

    def remove(self, store: str) -> None:
        """Delete the record of a store, which is renamed or dropped."""
        self._records.delete((self._app, store))
        self.forget()

    def _moved(self, meta: StoreMeta[Any], applied: Mapping[str, AppliedSchema]) -> Iterator[Fault]:
        """Yield a fault if the items are in another table, or if the table has items that were copied to another one."""
        record, left = applied.get(meta.name), applied.get(f"{TABLE}{meta.table}")
        if record is not None and record.hash not in (LEFT, meta.schema.hash):
            table = recorded(record.schema).schema.table_or_name
            if table != meta.table and (left is not None or not self._is_empty(table, record.engine)):
                yield Fault(f"/{meta.name}", ELSEWHERE.format(table=table, declared=meta.table), meta.table, table)
                return
        if left is not None and left.engine == meta.engine:
            yield Fault(f"/{meta.name}", OUTDATED.format(table=meta.table), "another table", meta.table)

    def _renamed(
        self, meta: StoreMeta[Any], former: Mapping[str, Schema], applied: Mapping[str, AppliedSchema]
    ) -> Iterable[Fault]:
        """Yield a fault if this new store looks like a renamed one whose items are still under the former name."""
        uncopied = [
            name
            for name in former
            if name in meta.schema.former_names
            and former[name].table_or_name != meta.table
            and not self._is_empty(former[name].table_or_name, applied[name].engine)
        ]
        if uncopied and not self._is_empty(meta.table, meta.engine):
            yield Fault(f"/{meta.name}", UNCOPIED.format(former=uncopied[0]))
            return
        for name, schema in former.items():
            if not is_similar(schema, meta.schema):
                continue
            kept = schema.table_or_name == meta.table and name in meta.schema.former_names
            if (kept or self._is_empty(meta.table, meta.engine)) and not self._is_empty(
                schema.table_or_name, applied[name].engine
            ):
                if meta.name in schema.former_names:
                    yield Fault(f"/{meta.name}", NEWER.format(newer=name))
                    return
                if name in meta.schema.former_names:
                    yield Fault(f"/{meta.name}", UNRENAMED.format(former=name))
                    return
                message = (
                    f"It is new and empty, but items of {name}, which is no longer declared, are stored. Keep the name with "
                    f'@stored(name="{name}"){self._renaming(meta, schema.table_or_name, applied[name].engine)}, '
                    f'or abandon these items with App(abandoned=["{name}"])'
                )
                yield Fault(f"/{meta.name}", message)
                return

    def _renaming(self, meta: StoreMeta[Any], former: str, engine: str | None) -> str:
        """Return the advice to rename the former table. Empty if the engine cannot rename a table."""
        table = self._engine_of(engine).table(former) if engine == meta.engine else None
        if table is None:
            return ""
        empty = self._engine_of(meta.engine).table(meta.table)
        dropping = "" if empty is None else f"DROP TABLE {empty.place}; "
        name = meta.table.replace('"', '""')
        return f', or rename the table: {dropping}ALTER TABLE {table.place} RENAME TO "{name}"'


def late_since(record: AppliedSchema | None, meta: StoreMeta[Any]) -> list[Index]:
    """Return the indexes that may miss items which were stored before the declaration, by the schema that was applied last."""
    return late_indexes(None if record is None else _before(record, meta), meta)


def _before(record: AppliedSchema, declared: StoreMeta[Any]) -> Schema:
    """Return the schema that stored items had before a declaration."""
    return recorded(record.schema).before(declared.schema)


def _raise(faults: Sequence[Fault]) -> None:
    if faults:
        raise SchemaMismatch("The stored items do not fit the declarations", faults=faults)
