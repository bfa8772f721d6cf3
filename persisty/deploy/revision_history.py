"""The revision files of a project and of its database, in order: which were run and when, and which are still to be run. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from ..application import App
from ..store.applied_revisions import REVISIONS, AppliedRevision
from ..store.migration_lease import LEASES
from .revisions import Revision


class Entry(Struct, frozen=True):
    """A revision by its name. `applied_at`: when it was run, None if it was not. `is_missing`: the database has run it, and the project has no such file."""

    name: str
    applied_at: datetime | None
    is_missing: bool


def history(app: App, revisions: Sequence[Revision]) -> list[Entry]:
    """Return every revision that the project has or the database has run. Creates no table."""
    done: dict[str, datetime] = {}
    if not app.engine.is_empty(REVISIONS.name):
        records = app.system_store(REVISIONS).search_all(AppliedRevision.app == app.name)
        done = {one.revision: one.applied_at for one in records}
    files = {one.name for one in revisions}
    return [Entry(name, done.get(name), name not in files) for name in sorted(files | done.keys())]


def unfinished(app: App) -> str | None:
    """Return the error with which the last migration stopped, None if it succeeded or no migration was run. Creates no table."""
    if app.engine.is_empty(LEASES.name):
        return None
    lease = app.system_store(LEASES).read(app.name)
    return None if lease is None else lease.unfinished
