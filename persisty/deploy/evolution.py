"""The changes that an app's stored items need to fit its declarations, store by store: what `persisty diff` prints.

The stored attributes are read from the engine. The schemas that were applied last have the types and names that a table lacks. Nothing is created or changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from msgspec import structs

from ..application import App
from ..errors import Fault, SchemaMismatch
from ..model.meta import StoreMeta
from ..model.schema import IndexSchema, Schema
from ..model.schema_changes import Change, Changes, changes_of, renames
from ..model.schema_differences import form, hidden_values, named_before, reused_names
from ..model.stored_names import stored_names
from ..model.unfinished_changes import Begun, with_unfinished
from ..store.migration import Evolution, Migrating, Migrator, Stocked
from ..store.migration_lease import LEASES, begun_by
from ..store.recorded_schemas import recorded
from ..store.schema_records import APPLIED, LEFT, TABLE
from .stored_places import Record, Records, place_change, stored_place

REWRITING = frozenset({"attribute_retyped", "attribute_renamed"})
"""Kinds of changes that write stored values in another form or under another name."""


def migrator_of(app: App, engine: str | None) -> Migrator | None:
    """Return the migrator of an engine of the app, None if the engine needs no migrations."""
    found = app.engine_named(engine)
    return found.migrator() if isinstance(found, Migrating) else None


def records_of(app: App, *, again: bool = True) -> Records:
    """Return the schemas that were applied last. Creates no table. `again`: read them even if they were read before."""
    if not app.records_schemas or app.engine.is_empty(APPLIED.name):
        return {}
    applied = app.applied.all(again=again)
    found = {name: recorded(one.schema) for name, one in applied.items()}
    return {
        name: Record(found[name].schema, one.engine, one.hash == LEFT, found[name].leftovers)
        for name, one in applied.items()
    }


def unfinished_of(app: App) -> Mapping[str, Begun]:
    """Return the values that an interrupted migration has begun to rewrite, by store. Creates no table."""
    migrators = [migrator_of(app, engine) for engine in (None, *app.engine_urls)]
    if not any(one is not None and one.copies for one in migrators) or app.engine.is_empty(LEASES.name):
        return {}
    return begun_by(app.system_store(LEASES).read(app.name))


class Stored:
    """The stored items of an app. `records`: the schemas that were applied last, None to read them."""

    def __init__(self, app: App, records: Records | None = None) -> None:
        self._app = app
        self.records = records_of(app) if records is None else records
        self.unfinished = unfinished_of(app)

    def engine(self, name: str | None) -> Stocked:
        """Return the tables of an engine."""
        return self._app.engine_named(name)

    def migrator(self, engine: str | None) -> Migrator | None:
        return migrator_of(self._app, engine)


def evolutions_of(
    app: App,
    allowed: Iterable[str] = (),
    removed: Collection[str] | None = None,
    stored: Stored | None = None,
) -> list[Evolution]:
    """Return the changes of each store that has changes, those of removed items last. `allowed`: destructive changes to make, which include the attributes
    that are left behind on purpose. `removed`: the items that count as removed if the app does not declare them; None: every item that was applied.
    `stored`: what is stored, None for what is stored now."""
    dropped = frozenset(one.removeprefix("drop:") for one in allowed)
    stored = stored or Stored(app)
    found, in_use = [], set[str]()
    tables = {(meta.engine, meta.table) for meta in app.metas.values()}
    for meta in app.metas.values():
        migrator = stored.migrator(meta.engine)
        if migrator is not None:
            evolution = _evolution(app, meta, migrator, stored, dropped)
            in_use.add(evolution.name)
            tables.add((evolution.engine, evolution.table))
            if evolution.changes:
                found.append(evolution)
    removable = {name: one for name, one in stored.records.items() if removed is None or name in removed}
    return [*found, *_removed(app, stored, removable, in_use, tables)]


def unrecorded_stores(app: App, stored: Stored) -> list[str]:
    """Return the stores with items whose attributes cannot be compared: their engine has no columns, and no schema of theirs is recorded."""

    def is_unrecorded(meta: StoreMeta[Any]) -> bool:
        migrator, names = stored.migrator(meta.engine), {meta.name, *meta.schema.former_names}
        has_columns = migrator is None or not migrator.copies
        return not has_columns and names.isdisjoint(stored.records) and not app.engine_of(meta).is_empty(meta.table)

    return [meta.name for meta in app.metas.values() if is_unrecorded(meta)]


def check_places(app: App) -> None:
    """Raise `SchemaMismatch` if items are not in the tables of the declarations yet: code that is deployed now would not find them. Reads the records only."""
    records, faults = records_of(app), []
    for meta in app.metas.values():
        migrator = migrator_of(app, meta.engine)
        place = None if migrator is None else stored_place(app, meta, app.engine_of(meta), migrator, records)
        if place is not None and place[1] != meta.table:
            message = "The items are in another table. Move them first, with `persisty migrate`"
            faults.append(Fault(f"/{meta.name}", message, meta.table, place[1]))
    if faults:
        raise SchemaMismatch("The deployed code would not find stored items. Nothing is deployed", faults=faults)


def _evolution(
    app: App,
    meta: StoreMeta[Any],
    migrator: Migrator,
    found: Stored,
    dropped: frozenset[str],
) -> Evolution:
    """Return the changes of a declared item, possibly empty."""
    make, unfinished = Changes(meta.name, migrator.engine), found.unfinished
    name, table = stored_place(app, meta, found.engine(meta.engine), migrator, found.records)
    known = found.records.get(name)
    record = None if known is None else known.before(meta.schema)
    engine = meta.engine if known is None else known.engine
    if record is not None and engine != meta.engine and not found.engine(engine).is_empty(record.table_or_name):
        moved = _moved(make, engine, meta.engine)
        return Evolution(name=name, table=table, stored=None, declared=meta, changes=(moved,), engine=meta.engine)
    stored = migrator.stored(table, record, meta)
    if stored is None:
        added = make.make("item_added", f"{meta.name} is new")
        return Evolution(name=name, table=table, stored=None, declared=meta, changes=(added,), engine=meta.engine)
    refused: dict[str, str] = {}
    if record is not None and name in unfinished:
        stored, refused = with_unfinished(stored, record, unfinished[name], meta.schema)
    columns = found.engine(engine).table(table)
    mirrored: frozenset[str] = frozenset() if columns is None else columns.mirrored
    stored = _without_mirrored_indexes(stored, meta, mirrored)
    stored, changes = _changes(stored, record, meta, migrator.engine, make, dropped, mirrored)
    changes = [
        structs.replace(one, blocked=refused[one.name]) if one.kind in REWRITING and one.name in refused else one
        for one in changes
    ]
    if record is not None:
        changes = list(
            _ambiguous_renames(
                changes, record, meta, make, app.abandoned | dropped, mirrored, keeps_names=columns is None
            )
        )
    if (name, table) != (meta.name, meta.table):
        changes.insert(0, place_change(make, name, (table, stored), meta, migrator, found.records))
    if table == meta.table:
        changes += _left_before(meta, stored, migrator, make, dropped)
    return Evolution(
        name=name, table=table, stored=stored, declared=meta, changes=tuple(changes), engine=meta.engine, applied=record
    )


def _without_mirrored_indexes(stored: Schema, meta: StoreMeta[Any], mirrored: Collection[str]) -> Schema:
    """Return the schema without the indexes over other names of renamed attributes that other code still needs. They go with the columns."""
    others = {*mirrored} - meta.attributes.keys() - renames(stored, meta.schema).keys()

    def is_same(declared: IndexSchema, index: IndexSchema) -> bool:
        if not declared.unique or len(declared.attributes) != len(index.attributes):
            return False
        pairs = zip(declared.attributes, index.attributes, strict=True)
        return all(now == name or (name in others and now in mirrored) for now, name in pairs)

    def is_needed(index: IndexSchema) -> bool:
        is_over_others = not others.isdisjoint(index.attributes)
        return is_over_others and (not index.unique or any(is_same(one, index) for one in meta.schema.indexes))

    return structs.replace(stored, indexes=tuple(one for one in stored.indexes if not is_needed(one)))


def _left_before(
    meta: StoreMeta[Any], stored: Schema, migrator: Migrator, make: Changes, dropped: Collection[str]
) -> Iterator[Change]:
    """Yield the allowed removals of attributes that an earlier migration has left in the items of an engine without columns."""
    in_use = {*stored_names(stored).values(), *stored_names(meta.schema).values()}
    in_use |= {one.name for schema in (stored, meta.schema) for one in schema.attributes}
    for one in sorted(dropped):
        store, _, name = one.partition(".")
        if store == meta.name and name and name not in in_use and migrator.has_values(meta.table, name):
            message = f"{name} was left by a former declaration: its values would be deleted"
            yield make.make("attribute_removed", message, name)


def _changes(
    stored: Schema,
    record: Schema | None,
    meta: StoreMeta[Any],
    engine: str,
    make: Changes,
    dropped: frozenset[str],
    mirrored: frozenset[str],
) -> tuple[Schema, list[Change]]:
    """Return the stored schema and the changes. Values without a conversion, or left by a former declaration under this name, can be deleted
    with `--allow`: then the attribute counts as removed and added again."""
    applied = None if record is None else {one.name for one in record.attributes}
    if applied is not None:  # an interrupted migration has renamed some already
        applied |= {one.name for one in meta.schema.attributes if not applied.isdisjoint(one.former_names)}
    found = changes_of(stored, meta, engine)
    doubled = mirrored & {*meta.attributes}
    if (
        len(doubled) > 1 and applied is not None
    ):  # a former name has become a separate attribute, and a trigger still writes it
        retyped = [
            make.make("attribute_retyped", f"{name} is new", name, before="a former name") for name in doubled - applied
        ]
        found = [*retyped, *found]
    changes, removals = [], []
    for one in found:
        is_leftover = applied is not None and one.before is not None and one.name not in applied
        if (
            one.kind != "attribute_retyped"
            or (one.blocked is None and not is_leftover)
            or one.name in meta.key.attributes
        ):
            changes.append(one)
            continue
        removal = make.make(
            "attribute_removed", f"{one.name} is declared anew: its stored values would be deleted", one.name
        )
        if f"{meta.name}.{one.name}" in dropped:
            removals.append(removal)
        else:
            why = one.blocked or f"A former declaration has left values of {one.before} under the name {one.name}"
            changes.append(
                structs.replace(one, blocked=f"{why}. To delete them: --allow {removal.allow}", allow=removal.allow)
            )
    if not removals:
        return stored, changes
    names = {one.name for one in removals}
    remaining = structs.replace(stored, attributes=tuple(one for one in stored.attributes if one.name not in names))
    return remaining, [*removals, *changes_of(remaining, meta, engine)]


def _ambiguous_renames(
    changes: Iterable[Change],
    record: Schema,
    meta: StoreMeta[Any],
    make: Changes,
    abandoned: Collection[str],
    mirrored: Collection[str],
    *,
    keeps_names: bool,
) -> Iterator[Change]:
    """Yield the changes. A change is blocked if code would no longer find stored values: a name may be the former one of a new attribute, or a column of
    a former name exists together with one of the new name and its values were not copied."""
    found = hidden_values(record, meta, abandoned, keeps_names=keeps_names)
    hidden = {fault.path: fault.message for fault in found}
    applied = {one.name for one in record.attributes}
    new_names = {old: one.name for one in meta.schema.attributes if one.name not in applied for old in one.former_names}
    for one in changes:
        if one.kind == "attribute_added":
            if one.path in hidden:
                yield structs.replace(one, message=f"{one.name} is new", blocked=hidden[one.path])
            else:
                yield _perhaps_renamed(one, record, meta, abandoned)
            continue
        if (
            one.kind == "attribute_removed"
            and one.name in new_names
            and one.name in applied
            and one.name not in mirrored
        ):
            new_name = new_names[one.name]
            blocked = (
                f"The table has both columns, and nothing has copied {one.name} to {new_name}. Declare both, copy the values in code, and remove "
                f"{one.name} then"
            )
            yield make.make("attribute_renamed", f"{one.name} is now {new_name}", new_name, blocked=blocked)
            continue
        yield one
    for attribute, old in reused_names(record, meta.schema):
        if attribute.name in applied:
            message = f"{old} is now {attribute.name}"
            yield make.make(
                "attribute_renamed", message, attribute.name, blocked=hidden[f"/{meta.name}/{attribute.name}"]
            )


def _perhaps_renamed(change: Change, record: Schema, meta: StoreMeta[Any], abandoned: Collection[str]) -> Change:
    """Return the change of a new attribute, with the former names to declare if an attribute of its type is no longer declared."""
    declared = {former for one in meta.schema.attributes for former in (one.name, *one.former_names)}
    added = next(one for one in meta.schema.attributes if one.name == change.name)
    removed = [
        one.name
        for one in record.attributes
        if one.name not in declared
        and f"{meta.name}.{one.name}" not in abandoned
        and form(record, one) == form(meta.schema, added)
    ]
    if not removed:
        return change
    hint = f". If it was renamed, declare Attr({' or '.join(map(named_before, removed))})"
    if change.blocked is None:
        return structs.replace(change, message=change.message + hint)
    return structs.replace(change, blocked=change.blocked + hint)


def _moved(make: Changes, before: str | None, after: str | None) -> Change:
    old, new = before or "the app's own engine", after or "the app's own engine"
    message = f"The items are in {old}, and declared to be in {new}"
    blocked = f"Items are not moved between engines: declare {old} again, or export the items and import them"
    return make.make("engine_changed", message, before=old, after=new, blocked=blocked)


def _removed(
    app: App, found: Stored, records: Records, in_use: Collection[str], tables: Collection[tuple[str | None, str]]
) -> Iterator[Evolution]:
    """Yield the items that were applied and are no longer declared, and the tables whose items were copied to others. `tables`: those in use, each with
    the name of its engine."""
    for name, (schema, engine, *_) in records.items():
        table = schema.table_or_name
        if name in app.metas or name in in_use or (engine, table) in tables:
            continue
        migrator = found.migrator(engine)
        stored = None if migrator is None else migrator.stored(table, schema, None)
        if migrator is not None and stored is not None:
            message = f"{name} is no longer declared: its items stay until they are dropped"
            if name.startswith(TABLE):
                message = (
                    f"The items of {schema.name} are in another table: the table {table} stays until it is dropped"
                )
            change = Changes(name, migrator.engine).make("item_removed", message)
            yield Evolution(name=name, table=table, stored=stored, declared=None, changes=(change,), engine=engine)
