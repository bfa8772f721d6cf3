"""The plan of several revision files that a database has not seen, without running any code of theirs.

The steps of the first file are exact. Those of the others depend on what the files before them do, so only their changes are given: each file has
the schemas before and after it.

```
0002_price.py      changes and steps, from the items of today
0003_keys.py       changes, from BEFORE and AFTER
in no file         changes from the last AFTER of each item to its declaration
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from ..application import App
from ..model.former_schemas import compile_stored
from ..model.schema import Schema
from ..model.schema_changes import Change, Changes, changes_of
from .evolution import evolutions_of, migrator_of
from .migration import Planned
from .revisions import Revision, upgrading


class FilePlan(Struct, frozen=True):
    """The changes that a file makes, and those that it leaves because its `ALLOWED` lacks them. `planned`: the steps, None if they depend on another file."""

    revision: Revision
    changes: tuple[Change, ...]
    left: tuple[Change, ...]
    planned: tuple[Planned, ...] | None


def plan_of_files(app: App, revisions: Sequence[Revision]) -> list[FilePlan]:
    """Return the plans of revisions that were not run, in order. Raises `SchemaMismatch` if stored items do not survive the first."""
    return [_first(app, one) if one is revisions[0] else _later(app, one) for one in revisions]


def _first(app: App, revision: Revision) -> FilePlan:
    run = upgrading(app, revision, lambda step, items: None)
    try:
        planned = run.plan()
    finally:
        run.close()
    left = [change for one in planned for change in one.left]
    changes = [change for one in planned for change in one.evolution.changes if change not in left]
    return FilePlan(revision, tuple(changes), tuple(left), tuple(planned))


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
    found = [
        change
        for name, schema in last.items()
        if (meta := app.metas.get(name)) is not None
        for change in changes_of(schema, meta, _engine(app, name))
    ]
    found += [change for one in evolutions_of(app) if (one.declared or one).name not in named for change in one.changes]
    return [one for one in found if one.allow is None]


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
        yield from changes_of(was, compile_stored(one), _engine(app, one.name))
    for name in schemas:
        if name not in continued and name not in app.metas:
            yield Changes(name, _engine(app, name)).make("item_removed", f"{name} is no longer declared")


def _engine(app: App, name: str) -> str:
    """Return the name of the engine that stores an item, empty without migrations."""
    meta = app.metas.get(name)
    migrator = migrator_of(app, None if meta is None else meta.engine)
    return "" if migrator is None else migrator.engine
