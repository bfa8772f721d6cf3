"""Find the stored foreign keys that lead to an item by its former key. With another key of the item, its links would find nothing, without an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import Fault
from ..model.foreign_keys import ForeignKey, foreign_keys
from ..model.meta import StoreMeta
from ..model.relations import resolved_schema
from ..model.schema import Schema
from ..model.stored_names import predecessors, stored_names
from .migration import Migrating, Stocked
from .recorded_schemas import recorded
from .schema_records import AppliedSchema

REFERRED = (
    "Stored foreign keys have values of the former key, so these links would find nothing. First declare another foreign key, and give it values of the "
    "new key in code. Then change the key together with the link: link(by=...)"
)


EngineOf = Callable[[str | None], Stocked]
"""Name of an engine → the engine."""


class Place(NamedTuple):
    """The items of a store: their schemas before and after the changes, and their table in an engine."""

    before: Schema
    schema: Schema
    table: str
    engine: Stocked


def key_faults(target: Place, table: str, stores: Iterable[Place]) -> list[Fault]:
    """Return a fault if an item gets another key while stored foreign keys lead to it, with the number of items that have each of them.

    `table`: the table of the declaration. If it is another one and has items, they are being copied, and the foreign keys were checked before. `stores`: all
    stores that may have foreign keys.
    """
    before, is_moved = predecessors(target.before, target.schema), target.table != table
    key = tuple(before[name].name if name in before else "" for name in target.schema.key)
    if key == target.before.key or target.engine.is_empty(target.table):
        return []
    if is_moved and not target.engine.is_empty(table):
        return []
    found = [
        f"/{store.schema.name}/{one.attribute} of {count:,} item{'' if count == 1 else 's'}"
        for store in stores
        for one in foreign_keys(target.schema, target.before, store.schema, store.before)
        if (count := _filled(store, one))
    ]
    return [Fault(f"/{target.schema.name}", REFERRED, found=", ".join(found))] if found else []


def recorded_key_faults(
    meta: StoreMeta[Any], applied: Mapping[str, AppliedSchema], metas: Iterable[StoreMeta[Any]], engine_of: EngineOf
) -> list[Fault]:
    """Return the same for a start, by the schemas that were applied last."""

    def place(one: StoreMeta[Any]) -> Place:
        record = applied[one.name]
        before = recorded(record.schema).before(one.schema)
        return Place(before, resolved(one), before.table_or_name, engine_of(record.engine))

    return key_faults(place(meta), meta.table, (place(one) for one in metas if one.name in applied))


def resolved(meta: StoreMeta[Any]) -> Schema:
    """Return the schema of an item with the stores that its links lead to. One of a revision file has no links to resolve."""
    return resolved_schema(meta) if meta.links else meta.schema


def _filled(store: Place, one: ForeignKey) -> int:
    """Return the number of items with a value of a foreign key. An interrupted migration may have renamed its column."""
    if not isinstance(store.engine, Migrating):
        return 0
    migrator = store.engine.migrator()
    names = [stored_names(store.before)[one.former]] if migrator.copies else [one.former, one.attribute]
    return max(migrator.filled(store.table, name) for name in dict.fromkeys(names))
