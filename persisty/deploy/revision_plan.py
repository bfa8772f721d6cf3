"""The plan of the revision files that a database has not seen, without running any code of theirs.

The first file is planned from the tables as they are. The steps of each file are then taken as done, on a copy without items (SQLite) or in a model of the
catalogue (PostgreSQL), so the next file is planned from the tables that it will find. On DynamoDB only the changes of later files are known.

```
0002_price.py      changes and steps, from the items of today
0003_keys.py       changes and steps, from the tables after 0002_price.py; on DynamoDB changes, from BEFORE and AFTER
in no file         changes from the last AFTER of each item to its declaration
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType

from msgspec import Struct

from ..application import App
from ..model.former_schemas import compile_stored
from ..model.schema import Schema
from ..model.schema_changes import Change, Changes, changes_of
from ..store.migration import Foreseeing, Foreseen, Migrator, Stocked
from .evolution import Stored, evolutions_of, migrator_of
from .migration import Planned, is_named
from .revision_files import Revision
from .revisions import Run, applied_revisions, created_before, is_replacement, upgrading
from .stored_places import Record


class FilePlan(Struct, frozen=True):
    """The changes that a file makes, and those that it leaves because its `ALLOWED` lacks them. `planned`: the steps, None if they depend on another file.
    `after`: the files whose code runs before and may write items, so that the numbers of items may be others. `is_replacement`: the file is only recorded,
    because the database has run the files that it replaces."""

    revision: Revision
    changes: tuple[Change, ...]
    left: tuple[Change, ...]
    planned: tuple[Planned, ...] | None
    after: tuple[Revision, ...] = ()
    is_replacement: bool = False


class Future(Stored):
    """The stored items after the steps of revision files. `is_known`: all engines of the app can plan steps that follow others."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        engines = {name: app.engine_named(name) for name in (None, *app.engine_urls)}
        self._engines: dict[str | None, Foreseen] = {
            name: one.foreseen() for name, one in engines.items() if isinstance(one, Foreseeing)
        }
        self.is_known = len(self._engines) == len(engines)

    def engine(self, name: str | None) -> Stocked:
        return self._at(name)

    def migrator(self, engine: str | None) -> Migrator:
        return self._at(engine).migrator()

    def _at(self, engine: str | None) -> Foreseen:
        return self._engines.get(engine, self._engines[None])

    def plan(self, run: Run) -> list[Planned]:
        """Plan the steps of a file, and take them as done."""
        found = []
        for one in evolutions_of(run.app, run.allowed, run.removed, self):
            steps = tuple(self.migrator(one.engine).steps(one, run.allowed))
            left = tuple(change for change in one.changes if is_named(change) and change.allow not in run.allowed)
            self._at(one.engine).advance(one, steps, run.allowed)
            if steps if one.declared is None else one.declared.name != one.name:
                self.records.pop(one.name, None)
            found.append(Planned(one, steps, left))
        self.records.update({name: Record(meta.schema, meta.engine) for name, meta in run.app.metas.items()})
        return found


def plan_of_files(app: App, revisions: Sequence[Revision]) -> list[FilePlan]:
    """Return the plans of revisions that were not run, in order. Raises `SchemaMismatch` if stored items do not survive the first."""
    future = Future(app)
    found: list[FilePlan] = []
    writing: list[Revision] = []
    done = {*applied_revisions(app)}
    for one in revisions:
        if is_replacement(one, done):
            found.append(FilePlan(one, (), (), (), is_replacement=True))
            continue
        records = future.records if future.is_known else None
        run = upgrading(app, one, lambda step, items: None, done=done, records=records)
        try:
            now = None if found else run.plan()
            later = future.plan(run) if future.is_known else None
        finally:
            run.close()
        planned = later if now is None else now
        found.append(_later(app, one) if planned is None else _planned(one, planned, writing))
        done.add(one.name)
        if has_code(one):
            writing.append(one)
    return found


def has_code(revision: Revision) -> bool:
    """Return whether `upgrade` of a file does more than `run.change()`."""
    upgrade = revision.members["upgrade"]
    return not isinstance(upgrade, FunctionType) or upgrade.__code__.co_names != ("change",)


def _planned(revision: Revision, planned: Sequence[Planned], writing: Sequence[Revision]) -> FilePlan:
    left = [change for one in planned for change in one.left]
    changes = [change for one in planned for change in one.evolution.changes if change not in left]
    return FilePlan(revision, tuple(changes), tuple(left), tuple(planned), tuple(writing))


def _later(app: App, revision: Revision) -> FilePlan:
    allowed = revision.members["ALLOWED"]
    found = list(_between(app, revision.schemas("BEFORE"), revision.schemas("AFTER")))
    left = [one for one in found if one.allow is not None and one.allow not in allowed]
    return FilePlan(revision, tuple(one for one in found if one not in left), tuple(left), None)


def in_no_file(app: App, revisions: Sequence[Revision]) -> list[Change]:
    """Return the changes that the declarations need and no file makes. `revisions`: those that were not run. Destructive changes are left out."""
    last: dict[str, Schema] = {}
    for revision in revisions:
        for one in revision.schemas("BEFORE"):
            last.pop(one.name, None)
        last |= {one.name: one for one in revision.schemas("AFTER")}
    named = {one.name for each in revisions for member in ("BEFORE", "AFTER") for one in each.schemas(member)}
    named |= {*created_before(app, revisions)}
    found = [
        change
        for name, schema in last.items()
        if (meta := app.metas.get(name)) is not None
        for change in changes_of(schema, meta, _engine(app, name))
    ]
    found += [change for one in evolutions_of(app) if (one.declared or one).name not in named for change in one.changes]
    return [one for one in found if not is_named(one)]


def _between(app: App, before: Sequence[Schema], after: Sequence[Schema]) -> Iterator[Change]:
    """Yield the changes from the schemas before a file to those after it."""
    schemas: Mapping[str, Schema] = {one.name: one for one in before}
    continued = set()
    for one in after:
        make = Changes(one.name, _engine(app, one.name))
        was = next((schemas[name] for name in (one.name, *reversed(one.former_names)) if name in schemas), None)
        if was is None:
            yield make.make("item_added", f"{one.name} is new")
            continue
        continued.add(was.name)
        if was.name != one.name:
            yield make.make("item_renamed", f"{was.name} is now {one.name}", before=was.name, after=one.name)
        elif was.table_or_name != one.table_or_name:
            message = f"{one.name} is in the table {one.table_or_name} now, was {was.table_or_name}"
            yield make.make("table_changed", message, before=was.table_or_name, after=one.table_or_name)
        yield from changes_of(was, compile_stored(one), _engine(app, one.name))
    for name in schemas:
        if name not in continued and name not in app.metas:
            yield Changes(name, _engine(app, name)).make("item_removed", f"{name} is no longer declared")


def _engine(app: App, name: str) -> str:
    """Return the name of the engine that stores an item, empty without migrations."""
    meta = app.metas.get(name)
    migrator = migrator_of(app, None if meta is None else meta.engine)
    return "" if migrator is None else migrator.engine
