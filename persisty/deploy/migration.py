"""`Migration`: plan the steps that make stored items fit the declarations, and run them.

```
plan     evolutions_of(app) ─► Migrator.check ─► Migrator.steps       nothing is changed
apply    take the lease ─► for each engine: plan again ─► run the steps ─► record the schemas ─► App.prepare verifies
```

SQLite's steps are one transaction with the records. On other engines each step is independent. After an interrupted migration, plan again:
the new plan has only the remaining steps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext

from msgspec import Struct, structs

from ..application import App
from ..errors import Conflict, Fault, InvalidDeclaration, SchemaMismatch
from ..model.schema_changes import Change, Effect
from ..model.stored_names import predecessors
from ..model.unfinished_changes import rewritten
from ..store.migration import Evolution, Migrator, Reached, Report, Step
from ..store.migration_lease import LEASES, Lease
from ..store.schema_records import TABLE
from .evolution import evolutions_of, migrator_of
from .key_changes import key_faults
from .stored_places import PLACED, SWITCH

REPAIRABLE = frozenset(
    {
        *("attribute_retyped", "attribute_required", "members_removed", "nested_narrowed"),
        *("unique_added", "key_changed"),
    }
)
"""Kinds of changes that stored items survive if code with the former declaration gives them other values first."""
UNCHANGED = "Stored items do not survive the changes. Nothing is changed"
NOT_BEGUN = "The migration has not begun"
"""Message of the error for an allowance that matches no change."""
Progress = Callable[[Step, int], None]
"""Callback with a step and the number of items that it has processed."""


class Planned(Struct, frozen=True):
    """The changes of one store and the steps that make them. `left`: changes that are not made because they are destructive and not allowed."""

    evolution: Evolution
    steps: tuple[Step, ...]
    left: tuple[Change, ...]

    @property
    def waits(self) -> bool:
        """Return whether the items are copied and the switch to the copy is not allowed yet."""
        return any(one.kind in PLACED for one in self.left)


class Migration:
    """The migration of an app. `allowed`: the destructive changes to make, such as `drop:car.note`. `unknown_allowed`: they may include changes
    that do not exist, such as those of a revision that was run in part. `removed`: the items that count as removed if the app does not declare them;
    None: every item that was applied. `rate`: items per second that a backfill does at most, None without a limit. `kinds`: the kinds of changes to make. A
    store with another change that takes a step is `postponed`: it is not changed, and its schema is not recorded. None: every kind. `others`: recorded items
    that the app does not declare, and whose foreign keys count too."""

    def __init__(
        self,
        app: App,
        allowed: Iterable[str] = (),
        *,
        unknown_allowed: bool = False,
        removed: Collection[str] | None = None,
        rate: float | None = None,
        kinds: Collection[str] | None = None,
        others: Collection[str] = (),
    ) -> None:
        self._rate, self._kinds, self._others = rate, kinds, others
        self.postponed: list[Evolution] = []
        self._app, self._allowed = app, frozenset(allowed)
        self._unknown_allowed, self._removed = unknown_allowed, removed
        self.unfinished: str | None = None
        """The reason for which the last migration of the app stopped, after `apply`. None if it succeeded."""
        self.repairable = False
        """True after a refusal if code with the former declaration can give stored items values that survive a change."""

    def plan(self) -> list[Planned]:
        """Return the steps of each store that has changed. Raises `SchemaMismatch` if stored items do not survive a change."""
        evolutions = self._evolutions()
        self._check_allowed(evolutions)
        return self._planned(evolutions)

    def apply(self, progress: Progress = lambda step, items: None) -> list[Planned]:
        """Make the changes and return them. Raises what `plan` raises, and `Conflict` if another migration of the app runs."""
        evolutions = self._evolutions()
        self._check_allowed(evolutions)
        engines = list(dict.fromkeys(one.engine for one in evolutions if one.engine is not None))
        done: list[Planned] = []
        migrator = migrator_of(self._app, None)
        alone = migrator is None or migrator.local
        lease = lease_of(self._app)
        with lease.acquired(renewed=not alone or bool(engines)) as self.unfinished:
            self._adopt(evolutions)
            for engine in engines:
                done += self._migrated(engine, lease, progress)
            together = nullcontext() if migrator is None else migrator.together()
            with together:
                done += self._migrated(None, lease, progress)
                ready = self._record(done)
                if ready:
                    self._app.prepare(*ready)
            lease.settle(ready)
        return done

    def _adopt(self, evolutions: Iterable[Evolution]) -> None:
        """Record the stores that are copied, if they have no record. The next migration reads from the record that the copy has begun."""
        for one in evolutions:
            if one.stored is not None and any(each.kind in PLACED and each.allow for each in one.changes):
                self._app.applied.adopt(structs.replace(one.stored, name=one.name), one.engine)

    def _migrated(self, engine: str | None, lease: Lease, progress: Progress) -> list[Planned]:
        """Plan the steps of one engine from the items stored now, and run them."""
        migrator = migrator_of(self._app, engine)
        if migrator is None:
            return []
        with nullcontext() if engine is None else migrator.together():
            planned = self._planned(one for one in self._evolutions() if one.engine == engine)
            for one in planned:
                _begin(one, migrator, lease)
                for number, step in enumerate(one.steps):
                    _check_lease(lease)
                    later = one.steps[number + 1 :]
                    if step.repeatable or all(lease.position(each.identifier) is None for each in later):
                        self._run(step, lease, progress)
        return planned

    def _evolutions(self) -> list[Evolution]:
        found = evolutions_of(self._app, self._allowed, self._removed)
        if self._kinds is None:
            return found
        postponed = {one.name for one in found if self._is_postponed(one, self._kinds)}
        self.postponed = [one for one in found if one.name in postponed]
        return [one for one in found if one.name not in postponed]

    def _is_postponed(self, evolution: Evolution, kinds: Collection[str]) -> bool:
        """Return whether a store has a change that takes a step and is not of these kinds, or that its stored items do not survive."""
        migrator = migrator_of(self._app, evolution.engine)
        if migrator is None or evolution.declared is None or evolution.stored is None:
            return False
        if any(one.kind in PLACED or one.kind == "engine_changed" for one in evolution.changes):
            return True
        other_changes = tuple(one for one in evolution.changes if one.kind not in kinds and not is_named(one))
        stepped = migrator.steps(structs.replace(evolution, changes=other_changes), ())
        return bool(stepped or self._faults(migrator, evolution))

    def _run(self, step: Step, lease: Lease, progress: Progress) -> None:
        """Run a step, from the point at which the last migration stopped."""

        def record(reached: Reached) -> None:
            lease.record(step.identifier, reached)
            _check_lease(lease)

        progress(step, 0)
        start = lease.position(step.identifier)
        try:
            step.run(Report(lambda items: progress(step, items), start=start, record=record, rate=self._rate))
        except (Conflict, SchemaMismatch):  # stored items stop it. They will be repaired, so all are read again
            lease.record(step.identifier, None)
            raise
        lease.record(step.identifier, None)

    def _planned(self, evolutions: Iterable[Evolution]) -> list[Planned]:
        found: list[Planned] = []
        faults: list[Fault] = []
        for evolution in evolutions:
            migrator = migrator_of(self._app, evolution.engine)
            if migrator is None:
                continue
            found_here = self._faults(migrator, evolution)
            paths = {one.path for one in found_here}
            refused = [one for one in evolution.changes if one.path in paths]
            self.repairable |= any(is_repairable(self._app, evolution, one, self._others) for one in refused)
            faults += found_here
            not_allowed = tuple(one for one in evolution.changes if is_named(one) and one.allow not in self._allowed)
            steps: Sequence[Step] = () if faults else migrator.steps(evolution, self._allowed)
            found.append(Planned(evolution, tuple(steps), not_allowed))
        if faults:
            raise SchemaMismatch(UNCHANGED, faults=faults)
        return found

    def _faults(self, migrator: Migrator, evolution: Evolution) -> Sequence[Fault]:
        moved = _unmoved(evolution)
        if moved:
            return [Fault(one.path, one.blocked or one.message, one.after, one.before) for one in moved]
        return [*_faults_of(migrator, evolution), *key_faults(self._app, evolution, self._others)]

    def _check_allowed(self, evolutions: Iterable[Evolution]) -> None:
        """Raise `InvalidDeclaration` for an allowance that matches no change, probably a spelling mistake."""
        names = {change.allow for evolution in evolutions for change in evolution.changes if change.allow}
        switched = {f"{SWITCH}{name}" for name in self._app.metas}  # an interrupted migration may have made all changes
        wrong = [one for one in sorted(self._allowed) if one not in names | switched]
        if wrong and not self._unknown_allowed:
            expected = f"one of {', '.join(sorted(names))}" if names else None
            message = "This database needs no destructive change" + (" of this name" if names else "")
            faults = [Fault("/allow", message, expected, one) for one in wrong]
            raise InvalidDeclaration(NOT_BEGUN, faults=faults)

    def _record(self, done: Iterable[Planned]) -> list[str]:
        """Record the schemas that are applied now, and delete those of stores that are renamed or dropped. Return the stores that code can use now: all
        except copies that are not switched to."""
        app, applied = self._app, self._app.applied
        left = [*(one.evolution for one in done if one.waits), *self.postponed]
        waiting = {one.declared.name for one in left if one.declared is not None}
        ready = [meta for meta in app.metas.values() if meta.name not in waiting]
        if app.records_schemas:
            for one in done:
                self._record_former(one)
            for name in {f"{TABLE}{meta.table}" for meta in ready} & applied.all().keys():
                applied.remove(name)
            applied.record(applied.all(), ready, self._dropped(done))
        return [meta.name for meta in ready]

    def _dropped(self, done: Iterable[Planned]) -> dict[str, set[str]]:
        """Return store → the attributes whose values were deleted."""
        return {
            one.evolution.name: {
                each.name
                for each in one.evolution.changes
                if each.kind == "attribute_removed" and each.allow in self._allowed
            }
            for one in done
        }

    def _record_former(self, one: Planned) -> None:
        """Delete the schema of a store that was renamed or dropped, or record that it, or its former table, was copied."""
        evolution, applied = one.evolution, self._app.applied
        declared, migrator = evolution.declared, migrator_of(self._app, evolution.engine)
        if one.waits or migrator is None or (declared is None and not one.steps):
            return
        copied = declared is not None and migrator.copies and evolution.table != declared.table
        if declared is None or declared.name != evolution.name:
            (applied.leave if copied else applied.remove)(evolution.name)
        elif copied and evolution.applied is not None:
            applied.leave_table(evolution.applied, evolution.engine)


def refused_changes(app: App, evolution: Evolution) -> dict[Change, str]:
    """Return the changes that a migration rejects, each with the reason and the keys of the items that it would break. Reads stored items."""
    moved = {one: one.blocked or one.message for one in _unmoved(evolution)}
    migrator = migrator_of(app, evolution.engine)
    if moved or migrator is None:
        return moved
    references = key_faults(app, evolution)
    paths = {one.path for one in (*_faults_of(migrator, evolution), *references)}
    found: dict[Change, str] = {}
    for change in evolution.changes if paths else ():
        if change.path in paths:
            faults = list(_faults_of(migrator, structs.replace(evolution, changes=(change,))))
            faults += references if change.kind == "key_changed" else ()
            if faults:
                found[change] = ". ".join(map(_reason, faults))
    return found


def is_repairable(app: App, evolution: Evolution, change: Change, others: Collection[str] = ()) -> bool:
    """Return whether code with the former declaration can give stored items values that survive a refused change."""
    stored, declared, migrator = evolution.stored, evolution.declared, migrator_of(app, evolution.engine)
    if stored is None or declared is None or migrator is None or change.kind not in REPAIRABLE:
        return False
    if any(one.blocked is not None and one.path == change.path for one in evolution.changes):
        return False
    if migrator.copies and (change.kind == "key_changed" or change.name in declared.key.attributes):
        return False  # another table is needed
    names: Collection[str] = declared.key.attributes if change.kind == "key_changed" else ()
    if change.kind == "unique_added":
        names = next(one.attributes for one in declared.uniques if one.name == change.name)
    is_stored = predecessors(stored, declared.schema).keys() >= {*names}
    return is_stored and not (change.kind == "key_changed" and key_faults(app, evolution, others))


def _unmoved(evolution: Evolution) -> list[Change]:
    """Return the changes to an engine or a table to which the items cannot be moved."""
    return [
        one
        for one in evolution.changes
        if one.kind == "engine_changed" or (one.kind in PLACED and one.blocked is not None)
    ]


def _reason(fault: Fault) -> str:
    return fault.message if fault.found is None else f"{fault.message} (found {fault.found})"


def _faults_of(migrator: Migrator, evolution: Evolution) -> Sequence[Fault]:
    try:
        migrator.check(evolution, ())
    except SchemaMismatch as error:
        return error.faults
    return ()


def is_named(change: Change) -> bool:
    """Return whether a change is made only if `--allow` names it."""
    return change.effect is Effect.DESTRUCTIVE or (change.kind in PLACED and change.allow is not None)


def _begin(planned: Planned, migrator: Migrator, lease: Lease) -> None:
    """Record the values that the steps rewrite, unless the columns of the engine tell their form."""
    evolution = planned.evolution
    applied, declared = evolution.applied or evolution.stored, evolution.declared
    if migrator.copies and planned.steps and applied is not None and declared is not None:
        lease.begin(evolution.name, rewritten(applied, declared.schema))


def _check_lease(lease: Lease) -> None:
    if lease.lost.is_set():
        raise Conflict("Another migration has taken over: this one has stopped")


def lease_of(app: App) -> Lease:
    """Return the lease of the app's migrations, in the app's own engine. Creates its table."""
    app.engine.prepare([*app.system_stores, LEASES])
    return Lease(app.name, app.system_store(LEASES))
