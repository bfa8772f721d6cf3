"""The revision files of a project and of its database, in order: which were run and when, and which are still to be run. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from ..application import App
from ..store.migration_lease import LEASES
from .revision_files import Revision, replaced_by
from .revisions import applied_revisions


class Entry(Struct, frozen=True):
    """A revision by its name. `applied_at`: when it was run, None if it was not. `is_missing`: the database has run it, and the project has no such file.
    `is_replaced`: another file replaces it, which was not run yet."""

    name: str
    applied_at: datetime | None
    is_missing: bool
    is_replaced: bool = False


def history(app: App, revisions: Sequence[Revision]) -> list[Entry]:
    """Return every revision that the project has or the database has run, without those before a replacement that was run. Those that a replacement stands
    for are included while the database has run some of them, and not the replacement. Creates no table."""
    done = applied_revisions(app)
    files = {one.name for one in revisions}
    kept = [each for one in revisions if one.name not in done for each in _replaced(one)]
    last = max((one.name for one in (*revisions, *kept) if one.replaces and one.name in done), default="")
    replaced = {one.name for one in kept if one.name > last}
    names = files | {name for name in done if name > last} | (replaced if replaced & done.keys() else set())
    return [Entry(name, done.get(name), name not in files | replaced, name in replaced) for name in sorted(names)]


def _replaced(revision: Revision) -> Iterator[Revision]:
    """Yield the files that a file replaces, directly or not, as far as they still exist."""
    for one in replaced_by(revision):
        yield one
        yield from _replaced(one)


def unfinished(app: App) -> str | None:
    """Return the error with which the last migration stopped, None if it succeeded or no migration was run. Creates no table."""
    if app.engine.is_empty(LEASES.name):
        return None
    lease = app.system_store(LEASES).read(app.name)
    return None if lease is None else lease.unfinished
