"""Complete the indexes that CloudFormation has added to tables with items, after a deployment.

CloudFormation builds an index of the items as they are, so it misses those that lack one of its attributes. Deployed functions do not query such an index until
the schema of its store is recorded (see `store.index_completeness`). This stores the missing defaults and records the schemas, as `persisty migrate` does, under
its lease and from the position at which the last run stopped. It makes no other change: a store that needs one is named, and `persisty migrate` does it all.

Before a deployment changes anything, `doubt_indexes` removes from the records the indexes that it builds anew, and those whose attributes the deployed code does
not write. A rollback therefore leaves no record of a complete index, and the next deployment of the newer code completes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from ..application import App
from ..model.meta import StoreMeta
from ..model.missing_values import late_indexes, unwritten_indexes
from ..model.schema import IndexSchema, Schema
from ..model.stored_names import as_stored
from ..store.schema_records import APPLIED
from .evolution import migrator_of
from .migration import Migration, Progress

COMPLETED = frozenset({"index_added"})
"""The kind of change that completes an index. An index that the deployment has removed needs no step."""


def has_defaulted_indexes(app: App) -> bool:
    """Return whether an index of the app could miss stored items. Reads nothing."""
    return any(late_indexes(None, meta) for meta in app.metas.values())


def doubt_indexes(app: App) -> None:
    """Note which recorded indexes may miss items after a deployment of the app. An index whose completeness is not recorded costs reads; one that is wrongly
    recorded loses items."""
    if app.engine.is_empty(APPLIED.name):
        return
    applied = app.applied.all()
    for meta in app.metas.values():
        record = applied.get(meta.name)
        if record is not None:
            app.applied.doubt_indexes(record, partial(_doubted, app, meta))


def _doubted(app: App, meta: StoreMeta[Any], recorded: Schema) -> list[IndexSchema]:
    """Return the recorded indexes that the table lacks or that miss items, and those over attributes that the declaration lacks."""
    migrator = migrator_of(app, meta.engine)
    table = None if migrator is None else migrator.stored(meta.table, recorded, meta)
    found = unwritten_indexes(recorded, meta.schema)
    if table is not None:
        there = {as_stored(table, one) for one in table.indexes}
        found += [one for one in recorded.indexes if as_stored(recorded, one) not in there and one not in found]
    return found


def complete_indexes(app: App, progress: Progress) -> Iterator[str]:
    """Complete the indexes of an app's tables and record the schemas. Yield a sentence for each store that was not completed, and for each destructive change
    that was not made.

    Raises `SchemaMismatch` if stored items do not fit the declarations, and `Conflict` if a migration of the app runs.
    """
    doubt_indexes(app)
    migration = Migration(app, kinds=COMPLETED)
    done = migration.apply(progress)
    for one in migration.postponed:
        other_changes = "; ".join(change.message for change in one.changes if change.kind not in COMPLETED)
        yield f"{one.name} needs other changes first ({other_changes}). Run `persisty migrate`: until then, queries do not use its incomplete indexes"
    for planned in done:
        for change in planned.left:
            yield f"Left: {change.message}. To make this change: persisty migrate --allow {change.allow}"
