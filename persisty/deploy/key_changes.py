"""Refuse another key of an item while stored foreign keys of any store of the app lead to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..application import App
from ..errors import Fault
from ..store import key_references
from ..store.key_references import Place, resolved
from ..store.migration import Evolution
from .evolution import migrator_of, records_of
from .stored_places import stored_place


def key_faults(app: App, evolution: Evolution, others: Collection[str] = ()) -> list[Fault]:
    """Return a fault if an item gets another key while stored foreign keys lead to it.

    `others`: recorded items that the app does not declare, and whose foreign keys count too.
    """
    declared, stored = evolution.declared, evolution.stored
    if declared is None or stored is None or not any(one.kind == "key_changed" for one in evolution.changes):
        return []
    engine, before = app.engine_named(evolution.engine), evolution.applied or stored
    target = Place(before, resolved(declared), evolution.table, engine)
    return key_references.key_faults(target, declared.table, _places(app, others))


def _places(app: App, others: Collection[str]) -> Iterator[Place]:
    """Yield the stores with a recorded schema: those that are declared, and `others`."""
    records = records_of(app, again=False)  # the changes were found with them
    for meta in app.metas.values():
        engine, migrator = app.engine_named(meta.engine), migrator_of(app, meta.engine)
        if migrator is None:
            continue
        name, table = stored_place(app, meta, engine, migrator, records)
        if name in records:
            yield Place(records[name].before(meta.schema), resolved(meta), table, engine)
    for one in (records[name] for name in others if name in records):
        if not one.left:
            yield Place(one.schema, one.schema, one.schema.table_or_name, app.engine_named(one.engine))
