"""The start of a server whose database is a local file: make the changes that are safe, unless the project has revision files.

Any other engine is shared, so a start changes nothing there: `App.prepare` stops the start, and the message names the command.
"""

from __future__ import annotations

from ..application import App
from ..errors import Fault, SchemaMismatch
from ..model.schema_changes import Change, Effect
from ..model.schema_differences import hidden_values
from ..store.migration import Evolution
from .evolution import evolutions_of, migrator_of
from .migration import Migration
from .stored_places import PLACED

BUILT_AT_START = frozenset({"index_added", "unique_added"})
"""Kinds of changes that `App.prepare` makes by itself on every engine with columns."""


MADE_BY_FILES = BUILT_AT_START | {"item_added", "attribute_added", "attribute_renamed", "attribute_optional"}
"""Kinds of changes that a start would make by itself, so that no revision file could contain them any more."""


def check_revisions(app: App) -> None:
    """Raise `SchemaMismatch` if the database lacks a change, because revision files make the changes. Check nothing on DynamoDB, where a deployment creates
    the tables."""
    if not app.records_schemas or not all(_has_columns(app, engine) for engine in (None, *app.engine_urls)):
        return
    changes = [change for each in evolutions_of(app) for change in each.changes if change.kind in MADE_BY_FILES]
    if changes:
        faults = [Fault(one.path, one.message) for one in changes]
        message = 'Revision files make the changes of the database: run `persisty migrate`. A change that is in no file: persisty migrate --revision "why"'
        raise SchemaMismatch(message, faults=faults)


def _has_columns(app: App, engine: str | None) -> bool:
    migrator = migrator_of(app, engine)
    return migrator is not None and not migrator.copies


def follow_safe_changes(app: App) -> list[Change]:
    """Make the changes of a local file if all of them are safe, and return them. Destructive changes are not made, so no data is lost.

    Make no changes and return an empty list if the engine is not a local file or a change is not safe. `App.prepare` then raises the error.
    """
    if not _changed(app) or not all(_local(app, engine) for engine in (None, *app.engine_urls)):
        return []
    evolutions = evolutions_of(app)
    if not all(_safe(one) and not _hides_values(one, app) for one in evolutions):
        return []
    made = [one for evolution in evolutions for one in evolution.changes if one.effect is not Effect.DESTRUCTIVE]
    if made:
        Migration(app).apply()
    return made


def _changed(app: App) -> bool:
    """Return whether the schema of a store differs from the one that was applied last. The first start changes nothing."""
    if not app.records_schemas or not _local(app, None):
        return False
    applied = app.applied.all()
    hashes = {name: one.hash for name, one in applied.items()}
    if not hashes:  # an app of an older persisty, or a new one
        return any(not app.engine_of(meta).is_empty(meta.table) for meta in app.metas.values())
    return any(hashes.get(name) != meta.schema.hash for name, meta in app.metas.items())


def _local(app: App, engine: str | None) -> bool:
    migrator = migrator_of(app, engine)
    return migrator is not None and migrator.local


def _safe(evolution: Evolution) -> bool:
    return all(
        one.blocked is None and (one.effect in (Effect.SAFE, Effect.DESTRUCTIVE) or one.kind in BUILT_AT_START | PLACED)
        for one in evolution.changes
    )


def _hides_values(evolution: Evolution, app: App) -> bool:
    """Return whether an attribute may be another one with a new name, although no former name is declared."""
    stored, declared = evolution.stored, evolution.declared
    return stored is not None and declared is not None and any(hidden_values(stored, declared, app.abandoned))
