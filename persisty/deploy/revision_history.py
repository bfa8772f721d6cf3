"""The revision files of a project and of its database, in order: which were run and when, and which are still to be run. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from ..application import App
from ..store.migration_lease import LEASES
from .revision_files import Revision
from .revisions import applied_revisions


class Entry(Struct, frozen=True):
    """A revision by its name. `applied_at`: when it was run, None if it was not. `is_missing`: the database has run it, and the project has no such file."""

    name: str
    applied_at: datetime | None
    is_missing: bool


def history(app: App, revisions: Sequence[Revision]) -> list[Entry]:
    """Return every revision that the project has or the database has run, without those that another one has replaced. Creates no table."""
    done = applied_revisions(app)
    files = {one.name for one in revisions}
    replaced = {name for one in revisions if one.name in done for name in one.replaces}
    return [Entry(name, done.get(name), name not in files) for name in sorted(files | (done.keys() - replaced))]


def unfinished(app: App) -> str | None:
    """Return the error with which the last migration stopped, None if it succeeded or no migration was run. Creates no table."""
    if app.engine.is_empty(LEASES.name):
        return None
    lease = app.system_store(LEASES).read(app.name)
    return None if lease is None else lease.unfinished
