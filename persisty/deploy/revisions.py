"""Revision files: changes of the schema that are reviewed and run in order, on every engine.

A file has functions that run it, and the exact schemas before and after of the items that it changes, so it does not depend on the present declarations.
The steps are planned for the engine and its items: the same file runs on a laptop's SQLite and on PostgreSQL. Items that the file does
not name are neither compared nor changed.

```
migrations/0001_rename_odometer.py     BEFORE, AFTER: JSON of the stores that change
                                       upgrade(run), downgrade(run): run.change(), with code before and after it
```
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from traceback import walk_tb
from typing import Any

from ..application import App
from ..errors import Conflict, Fault, InvalidDeclaration, PersistyError, SchemaMismatch
from ..model.former_schemas import compile_stored, reversed_names
from ..model.schema import Schema
from ..model.schema_merge import merged
from ..store.applied_revisions import REVISIONS, AppliedRevision
from ..store.store import Store
from .evolution import migrator_of, records_of
from .migration import Migration, Planned, Progress
from .revision_files import Revision, replaced_by
from .stored_places import Records


class Run:
    """One revision while it is upgraded or downgraded in one database."""

    def __init__(
        self,
        app: App,
        target: Sequence[Schema],
        removed: Collection[str],
        allowed: Iterable[str],
        progress: Progress,
        rate: float | None = None,
        *,
        atomic: bool = True,
    ) -> None:
        """`atomic`: what the file's code writes after the last change is undone if it fails, on an engine with transactions."""
        named = {name for one in target for name in (one.name, *one.former_names)}
        declared = {name for one in app.metas.values() for name in (one.name, *one.schema.former_names)}
        others = {*records_of(app)} - named
        self.app = App(
            app.name,
            items=[compile_stored(one) for one in target],
            url=app.url,
            engines=app.engine_urls,
            stage=app.stage,
            idempotency=None,
            abandoned={*app.abandoned, *others},
        )
        self.allowed, self.removed, self._others = frozenset(allowed), removed, others & declared
        self._progress, self._rate = progress, rate
        self._changing = False
        self._atomic, self._code = atomic, ExitStack()
        self.undone = False
        """True if an error undoes everything that the file did."""
        self.planned: list[Planned] = []

    def plan(self) -> list[Planned]:
        """Return the changes that `change` would make now, with their steps."""
        return self._migration().plan()

    def change(self) -> None:
        """Make the changes of the revision. PostgreSQL commits what the code before has written: indexes that are built while others write, and backfills
        in batches, cannot be a part of a transaction."""
        self._changing = True  # an error keeps its own message
        self._code.close()
        self.planned += self._migration().apply(self._progress)
        self._begin()
        self._changing = False

    def _migration(self) -> Migration:
        return Migration(
            self.app,
            self.allowed,
            unknown_allowed=True,
            removed=self.removed,
            rate=self._rate,
            others=self._others,
        )

    def _begin(self) -> None:
        """Begin a transaction of the code for items and of the record, if the engine has transactions that do not include its steps."""
        if self._transactional:
            self._code.enter_context(self.app.transaction())

    @property
    def _transactional(self) -> bool:
        migrator = None if self.app.engine_urls else migrator_of(self.app, None)
        return self._atomic and migrator is not None and not migrator.local and not migrator.copies

    def store(self, name: str) -> Store[Any]:
        """Return a store of the revision with the schema after `change`."""
        return self.app.store(name)

    def records(self) -> Store[AppliedRevision]:
        """Return the records of the files that were run, in the transaction of this one."""
        return self.app.system_store(REVISIONS)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of the changes, of the code for items and of the record, if the app has only one engine and it can undo them all. PostgreSQL
        has one for the code after the last change and for the record."""
        migrator = None if self.app.engine_urls else migrator_of(self.app, None)
        self.undone = migrator is not None and migrator.local
        with nullcontext() if migrator is None else migrator.together(), self._code:
            self._begin()
            yield

    @contextmanager
    def named(self, revision: Revision) -> Iterator[None]:
        """Raise the errors of the file's code with the name of the file, the line, and what they leave in the database."""
        try:
            yield
        except Exception as error:  # code of an app can raise anything
            if isinstance(error, PersistyError) and self._changing:
                raise
            line = next((at for name, at in _frames(error) if name == str(revision.path)), 0)
            consequence = "Everything that the file did is undone" if self.undone else self._lasting_effects()
            why, faults = (error.message, error.faults) if isinstance(error, PersistyError) else (str(error), ())
            message = f"{revision.path}, line {line}: {type(error).__name__}: {why}. {consequence}"
            raise SchemaMismatch(message, faults=faults) from error

    def _lasting_effects(self) -> str:
        steps = [step.title for one in self.planned for step in one.steps]
        done = f"These steps stay: {', '.join(steps)}. " if steps else ""
        code = "Items that its code wrote stay too"
        if self._transactional:
            code = f"What its code wrote{' after them' if steps else ''} is undone"
        return f"{done}{code}. The next run starts the file from its beginning"

    def close(self) -> None:
        self.app.close()


def pending(app: App, revisions: Sequence[Revision]) -> list[Revision]:
    """Return the revisions that were not run in the app's database, in order. Creates no table. Before a file that replaces others come those
    that the database has not run, unless it has run none and is empty."""
    done, records = applied_revisions(app), records_of(app)
    return [each for one in revisions for each in _pending(app, one, done, records)]


def check_none_pending(app: App, revisions: Sequence[Revision]) -> None:
    """Raise `SchemaMismatch` if revisions were not run in the app's database: a file that is written for it would make their changes again. Memory needs no
    files, and remembers none."""
    if migrator_of(app, None) is not None and (names := [one.name for one in pending(app, revisions)]):
        were = "was" if len(names) == 1 else "were"
        raise SchemaMismatch(
            f"No file is written: {', '.join(names)} {were} not run in this database. Run `persisty migrate` first"
        )


def _pending(app: App, revision: Revision, done: Collection[str], records: Records) -> Iterator[Revision]:
    if revision.name in done:
        return
    missing = {*revision.replaces} - {*done}
    if missing and not (len(missing) == len(revision.replaces) and _is_new(app, revision, records)):
        files = [one for one in replaced_by(revision) if one.name in missing]
        lost = sorted(missing - {one.name for one in files})
        if lost:
            where = revision.replaced_folder
            message = f"The database has not run all files that {revision.path} replaces. Restore these in {where} from version control"
            raise SchemaMismatch(message, faults=[Fault(f"/{name}", "The file is missing") for name in lost])
        for one in files:
            yield from _pending(app, one, done, records)
    yield revision


def _is_new(app: App, revision: Revision, records: Records) -> bool:
    """Return whether a database has none of the items of a file, or has them as the file leaves them."""
    for one in revision.schemas("AFTER"):
        engine = app.engine_of(app.metas[one.name]) if one.name in app.metas else app.engine
        record = records.get(one.name)
        if record.schema != one if record is not None else not engine.is_empty(one.table_or_name):
            return False
    return True


def applied_revisions(app: App) -> dict[str, datetime]:
    """Return the names of the files that were run in the app's database, each with its time. Creates no table."""
    if app.engine.is_empty(REVISIONS.name):
        return {}
    records = app.system_store(REVISIONS).search_all(AppliedRevision.app == app.name)
    return {one.revision: one.applied_at for one in records}


def upgrade(app: App, revision: Revision, progress: Progress, rate: float | None = None) -> list[Planned]:
    """Run a revision and record it. An item that the revision removes stays if the app declares it. Raises `Conflict` if another process has
    run it meanwhile, and `SchemaMismatch` if it has copied items and may not switch to the copy."""

    def record(run: Run) -> None:
        waiting = [
            f"switch:{one.evolution.declared.name}" for one in run.planned if one.waits and one.evolution.declared
        ]
        if waiting:
            faults = [
                Fault("/ALLOWED", "The items are copied. Stop older code, and allow the switch", one) for one in waiting
            ]
            raise SchemaMismatch(f"{revision.path} is not finished: add what is expected to its ALLOWED", faults=faults)
        run.records().create({"app": app.name, "revision": revision.name})

    return _run(app, revision, "upgrade", upgrading(app, revision, progress, rate), record)


def is_replacement(revision: Revision, done: Collection[str]) -> bool:
    """Return whether a database has run the files that this one replaces."""
    return any(one in done for one in revision.replaces)


def upgrading(
    app: App,
    revision: Revision,
    progress: Progress,
    rate: float | None = None,
    *,
    done: Collection[str] | None = None,
    records: Records | None = None,
) -> Run:
    """Return the run of an upgrade, which has done nothing yet. `done`, `records`: the files that were run before, and the schemas that were applied last;
    None to read them."""
    before, after = revision.schemas("BEFORE"), revision.schemas("AFTER")
    target = _joined_with_branches(app, revision, before, after, done, records)
    removed = _names(before) - _names(target) - app.metas.keys()
    return Run(app, target, removed, revision.members["ALLOWED"], progress, rate, atomic=revision.atomic)


def _joined_with_branches(
    app: App,
    revision: Revision,
    base: Sequence[Schema],
    target: Sequence[Schema],
    done: Collection[str] | None = None,
    records: Records | None = None,
) -> Sequence[Schema]:
    """Return the schemas that a file leads to, joined with what files of other branches have changed before. Raises `SchemaMismatch` if both change the same."""
    if not revision.branches:
        return target
    done = applied_revisions(app) if done is None else done
    others = [one for one in revision.branches if one.name in done]
    now = (records_of(app) if records is None else records).values() if others else ()
    stored = [one.schema for one in now if not one.left]
    found, paths = list[Schema](), list[str]()
    for one in target:
        schema = one
        before = next((each for each in base if each.name in (one.name, *one.former_names)), None)
        if before is not None and any(other.has_item(before.name) for other in others):
            current = next((each for each in stored if before.name in (each.name, *each.former_names)), before)
            schema, clashes = merged(before, one, current)
            paths += clashes
        found.append(schema)
    if paths:
        names = ", ".join(one.name for one in others)
        faults = [Fault(path, "Files of two branches change this") for path in paths]
        raise SchemaMismatch(f"{revision.path} changes what {names} has changed", faults=faults)
    return found


def downgrade(
    app: App, revision: Revision, allowed: Iterable[str], progress: Progress, rate: float | None = None
) -> list[Planned]:
    """Undo a revision and delete its record. Values that the former declaration lacks stay unless they are `allowed` to be deleted."""
    after = {one.name: one for one in revision.schemas("AFTER")}
    successors = {former: one for one in after.values() for former in one.former_names}
    target = [
        reversed_names(one, after.get(one.name) or successors[one.name])
        if one.name in after or one.name in successors
        else one
        for one in revision.schemas("BEFORE")
    ]
    if revision.replaces:
        raise InvalidDeclaration(f"{revision.path} replaces other files, so it cannot be undone")
    joined = _joined_with_branches(app, revision, revision.schemas("AFTER"), target)
    removed = after.keys() - _names(joined)

    def forget(run: Run) -> None:
        if not run.records().delete((app.name, revision.name)):
            raise Conflict(f"{revision.name} was undone by another process")

    run = Run(app, joined, removed, allowed, progress, rate, atomic=revision.atomic)
    return _run(app, revision, "downgrade", run, forget)


def created_before(app: App, revisions: Sequence[Revision]) -> list[str]:
    """Return the items whose tables are created before the first file is run: those that no revision names, if the database has no tables of the app yet."""
    if records_of(app) or not all(app.engine_of(meta).is_empty(meta.table) for meta in app.metas.values()):
        return []
    named = {name for one in revisions for member in ("BEFORE", "AFTER") for name in _names(one.schemas(member))}
    return [name for name in app.metas if name not in named]


def create_unnamed(app: App, revisions: Sequence[Revision]) -> None:
    """Create the tables of the items that no revision names, in a database that has no tables of the app yet. Revisions create the others."""
    if unnamed := created_before(app, revisions):
        app.prepare(*unnamed)


def _names(schemas: Iterable[Schema]) -> set[str]:
    return {one.name for one in schemas}


def _run(app: App, revision: Revision, direction: str, run: Run, record: Callable[[Run], None]) -> list[Planned]:
    """Run a function of the file, and record that it was run: in one transaction where the engine can undo both."""
    app.engine.prepare([REVISIONS])
    function: Callable[[Run], None] = revision.members[direction]
    try:
        with run.together():
            with run.named(revision):
                function(run)
            record(run)
    finally:
        run.close()
    return run.planned


def _frames(error: BaseException) -> Iterator[tuple[str, int]]:
    """Yield the file and the line of each call that led to an error, the last first."""
    yield from reversed([(one.f_code.co_filename, line) for one, line in walk_tb(error.__traceback__)])
