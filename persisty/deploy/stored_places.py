"""The store and the table that have the items of a declared item, and the change that leads to those of its declaration.

```
record of its own name      the recorded table, while that has items         @stored(table=...) has changed
record of a former name     the table of the former name                     @stored(former_names=...)
neither                     its own table
```

SQL engines rename the table. DynamoDB cannot, so the items are copied to a new one, unless the renamed item keeps its table. SQLite cannot rename an index, so
it builds the indexes of a renamed table again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import structs

from ..application import App
from ..model.meta import StoreMeta
from ..model.schema import AttributeSchema, Schema
from ..model.schema_changes import Change, Changes, Effect
from ..store.migration import Migrator, Stocked
from ..store.recorded_schemas import Recorded
from ..store.schema_records import TABLE


class Record(NamedTuple):
    """The schema of a store that was applied last. `engine`: the name of its engine. `left`: its items were copied to another store. `leftovers`: see
    `store.recorded_schemas`."""

    schema: Schema
    engine: str | None
    left: bool = False
    leftovers: tuple[AttributeSchema, ...] = ()

    def before(self, declared: Schema) -> Schema:
        """Return the schema that stored items had before a declaration."""
        return Recorded(self.schema, self.leftovers).before(declared)


Records = dict[str, Record]
"""Store → the schema that was applied last."""


PLACED = frozenset({"item_renamed", "table_changed"})
"""Kinds of changes of the store or the table that has the items."""
REBUILDING = frozenset({"sqlite"})
"""Engines that rename a table but not its indexes."""
SWITCH = "switch:"
"""Prefix of the value of `--allow` that switches to the copy of an item's items."""


def stored_place(
    app: App, meta: StoreMeta[Any], engine: Stocked, migrator: Migrator, records: Records
) -> tuple[str, str]:
    """Return the name under which the items of a store are recorded, and their table. The name is a former one while the present one has no items or,
    for copied items, while the copy is not recorded."""
    own = records.get(meta.name)
    if own is not None and not own.left and own.engine == meta.engine:
        table = own.schema.table_or_name
        moved = table != meta.table and not engine.is_empty(table)
        if migrator.copies or moved:
            return meta.name, table if moved else meta.table
    tables = {
        one: records[one].schema.table_or_name if one in records else one
        for one in reversed(meta.schema.former_names)
        if one not in app.metas and (one not in records or records[one].engine == meta.engine)
    }
    if migrator.copies and tables:
        if own is not None and not own.left:
            return meta.name, meta.table
        for name, table in tables.items():
            if name in records and not records[name].left and not engine.is_empty(table):
                return name, table
    if tables and engine.is_empty(meta.table):
        for name, table in tables.items():
            if not engine.is_empty(table):
                return name, table
    kept = [name for name, table in tables.items() if own is None and name in records and table == meta.table]
    return kept[0] if kept else meta.name, meta.table


def place_change(
    make: Changes,
    former: str,
    stored: tuple[str, Schema],
    declared: StoreMeta[Any],
    migrator: Migrator,
    records: Records,
) -> Change:
    """Return the change of the name of an item, or of its table. `stored`: the table that has the items, and its schema."""
    table, schema = stored
    name = declared.name
    if table == declared.table:
        change = make.make(
            "item_renamed", f"{former} is now {name}: it keeps the table {table}", before=former, after=name
        )
        return structs.replace(change, effect=Effect.SAFE)
    kind, said, before, after = "item_renamed", f"{former} is now {name}", former, name
    if former == name:
        kind, said, before, after = (
            "table_changed",
            f"{name} is in the table {declared.table} now, was {table}",
            table,
            declared.table,
        )
    blocked = _taken(declared, records)
    if not migrator.copies:
        change = make.make(kind, said, before=before, after=after, blocked=blocked)
        if migrator.engine in REBUILDING and schema.indexes:
            return structs.replace(change, effect=Effect.SLOW, message=f"{said}: its indexes are built again")
        return change
    message = f"{said}: its items are copied to another table. Older code may write meanwhile, but not during the switch. Stop it before you allow that"
    return make.make(kind, message, before=before, after=after, allow=f"{SWITCH}{name}", blocked=blocked)


def _taken(declared: StoreMeta[Any], records: Records) -> str | None:
    """Return why items cannot move to the declared table: it has those of another store. A table that the items have left may have former ones of theirs."""
    names = {declared.name, *declared.schema.former_names}
    for name, record in records.items():
        own = record.schema.name in names if name.startswith(TABLE) else name in names
        if record.schema.table_or_name == declared.table and record.engine == declared.engine and not own:
            drop = f"drop:{name}"
            return f"The table {declared.table} has the items of {record.schema.name}. Declare another table, or drop it first: --allow {drop}"
    return None
