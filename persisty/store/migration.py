"""The port to an engine that supports migrations: the steps of a migration, as records.

A `Migrator` reads the stored data and plans. A plan depends only on the stored data and the declarations, so a migration that was killed is
continued by planning again: the new plan lacks the steps that are done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from msgspec import Struct

from ..errors import Fault, SchemaMismatch
from ..model.meta import StoreMeta
from ..model.schema import Schema

if TYPE_CHECKING:  # an engine is opened without the code that compares schemas
    from ..model.schema_changes import Change
    from .backend import StoredTable


class Reached(Struct, frozen=True):
    """The position of a step, as JSON values, and the number of items before it. `at_once`: the step must not go on before the position is recorded."""

    items: int
    position: Any
    at_once: bool = False


class Report:
    """Receives the progress of a running step: call it with the number of items that are done.

    A step over many items also reports its position, so that the next migration continues there if this one is killed. `position`: the position of
    the last migration, None if the step starts at the beginning. `done`: the number of items before it. `record` stores both. `rate`: the most items
    per second, None without a limit.
    """

    def __init__(
        self,
        show: Callable[[int], None],
        *,
        start: Reached | None = None,
        record: Callable[[Reached], None] = lambda reached: None,
        rate: float | None = None,
    ) -> None:
        self._show, self._record, self.rate = show, record, rate
        self.position = None if start is None else start.position
        self.done = 0 if start is None else start.items
        self._began = monotonic()

    def __call__(self, items: int) -> None:
        self._show(items)

    def reached(self, items: int, position: Any, *, at_once: bool = False) -> None:
        """Report the number of items that are done, including `done`. Record the position, and wait as long as the rate requires. `at_once`: the rest of the step
        would change other items if it began before this position again."""
        self._show(items)
        self._record(Reached(items, position, at_once))
        if self.rate:
            sleep(max(0.0, self._began + (items - self.done) / self.rate - monotonic()))

    def batch(self, most: int) -> int:
        """Return the number of items that one batch may have: at most those of a second."""
        return most if self.rate is None else max(1, min(most, int(self.rate)))


class Step(Struct, frozen=True, kw_only=True):
    """One step of a migration.

    `title` describes it. `statements` are exactly those that it sends. `run` executes it. If it is interrupted, a new
    plan has the rest of it. `items`: the number of items that it reads or writes, None if there are none. `repeatable`: False if it would change other items
    once a later step of the store has begun.
    """

    title: str
    statements: tuple[str, ...]
    run: Callable[[Report], None]
    items: int | None = None
    repeatable: bool = True

    @property
    def identifier(self) -> str:
        """The same for the same step of the next plan."""
        return blake2b("\0".join((self.title, *self.statements)).encode(), digest_size=12).hexdigest()


class Evolution(Struct, frozen=True, kw_only=True):
    """The changes of one store, with the schemas before and after them. `name`: the name under which the items are recorded now. `table`: the name of the
    table that has them, of the app's tables. `stored` is None for a new item, `declared` for an item that is no longer declared. `engine`: the name of the engine, None for the app's own. `applied`: the schema that was applied last, None if it is
    unknown. After an interrupted migration, `stored` differs from it."""

    name: str
    table: str
    stored: Schema | None
    declared: StoreMeta[Any] | None
    changes: tuple[Change, ...]
    engine: str | None = None
    applied: Schema | None = None


class Migrator(Protocol):
    """Plans and checks the migrations of one engine. `engine`: its name in `EFFECTS`. `local`: the database is a file of this machine, which a server
    may change on its own. `copies`: a renamed item is copied to another table, and the former table stays until it is dropped."""

    engine: str
    local: bool
    copies: bool

    def stored(self, table: str, record: Schema | None, declared: StoreMeta[Any] | None) -> Schema | None:
        """Return the schema of the items in a table. None if there is no table. `record`: the schema that was applied last."""
        ...

    def has_values(self, table: str, attribute: str) -> bool:
        """Return whether items have values of an attribute that neither the stored schema nor the declaration has."""
        ...

    def count(self, table: str) -> int:
        """Return the number of stored items, exact or estimated."""
        ...

    def filled(self, table: str, attribute: str) -> int:
        """Return the number of items with a value of a stored attribute. `attribute`: the name under which it is stored."""
        ...

    def check(self, evolution: Evolution, allowed: Collection[str]) -> None:
        """Raise `SchemaMismatch` if a change would make stored items unreadable. It lists their keys. Changes nothing."""
        ...

    def steps(self, evolution: Evolution, allowed: Collection[str]) -> Sequence[Step]:
        """Return the steps that make the changes. Destructive changes that are not `allowed` are left out."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Make one transaction of several steps, if the engine can undo them."""
        ...


class Stocked(Protocol):
    """The part of an engine that a plan reads besides its migrator. `Engine` describes the methods."""

    def is_empty(self, name: str) -> bool: ...

    def table(self, name: str) -> StoredTable | None: ...


class Foreseen(Stocked, Protocol):
    """The tables of an engine as they will be after steps that are only planned."""

    def migrator(self) -> Migrator:
        """Return the migrator of these tables. Its steps are never run."""
        ...

    def advance(self, evolution: Evolution, steps: Sequence[Step], allowed: Collection[str]) -> None:
        """Take the steps of these changes as done."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """An engine that can plan steps which follow other steps."""

    def foreseen(self) -> Foreseen:
        """Return the tables as they are now."""
        ...


@runtime_checkable
class Migrating(Protocol):
    """An engine that supports migrations."""

    def migrator(self) -> Migrator:
        """Return the migrator of the engine."""
        ...


def check_kinds(evolution: Evolution, made: Collection[str]) -> None:
    """Raise `SchemaMismatch` for a change of a kind that a migrator does not support. Otherwise it would be recorded as applied."""
    faults = [
        Fault(one.path, f"Migrations of this engine cannot make a change of the kind {one.kind}")
        for one in evolution.changes
        if one.kind not in made
    ]
    if faults:
        raise SchemaMismatch("The changes cannot be made, so nothing was changed", faults=faults)
