"""Complete the indexes that CloudFormation has added to tables with items, after a deployment.

CloudFormation builds an index of the items as they are, so it misses those that lack one of its attributes. Deployed functions do not query such an index until
the schema of its store is recorded (see `store.index_completeness`). This stores the missing defaults and records the schemas, as `persisty migrate` does, under
its lease and from the position at which the last run stopped. It makes no other change: a store that needs one is named, and `persisty migrate` does it all.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..application import App
from ..model.missing_values import late_indexes
from .migration import Migration, Progress

COMPLETED = frozenset({"index_added"})
"""The kind of change that completes an index."""


def has_defaulted_indexes(app: App) -> bool:
    """Return whether an index of the app could miss stored items. Reads nothing."""
    return any(late_indexes(None, meta) for meta in app.metas.values())


def complete_indexes(app: App, progress: Progress) -> Iterator[str]:
    """Complete the indexes of an app's tables and record the schemas. Yield a sentence for each store that was not completed, and for each destructive change
    that was not made.

    Raises `SchemaMismatch` if stored items do not fit the declarations, and `Conflict` if a migration of the app runs.
    """
    migration = Migration(app, kinds=COMPLETED)
    done = migration.apply(progress)
    for one in migration.postponed:
        other_changes = "; ".join(change.message for change in one.changes if change.kind not in COMPLETED)
        yield f"{one.name} needs other changes first ({other_changes}). Run `persisty migrate`: until then, queries do not use its incomplete indexes"
    for planned in done:
        for change in planned.left:
            yield f"Left: {change.message}. To make this change: persisty migrate --allow {change.allow}"
