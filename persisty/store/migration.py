"""The port to an engine whose stored items follow a changed declaration: the steps of a migration, as records.

A `Migrator` reads what is stored and plans. A plan depends on nothing but what is stored and what is declared, so a migration that was killed is
continued by planning again: the steps that are done are not in the new plan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from time import monotonic, sleep
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from ..errors import Fault, SchemaMismatch
from ..model.meta import StoreMeta
from ..model.schema import Schema
from ..model.schema_changes import Change


class Reached(Struct, frozen=True):
    """The position of a step, as JSON values, and the number of items that it has done."""

    items: int
    position: Any


class Report:
    """Takes reports of a running step: it is called with the number of items that it has done.

    A step over many items also says how far it is, so that the next migration goes on there if this one is killed. `position`: where the last
    migration has stopped, None if the step begins. `done`: the items that it had done there. `record` stores both. `rate`: items per second that a
    step does at most, None without a limit.
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

    def reached(self, items: int, position: Any) -> None:
        """Report the items that are done, those of `done` included. Record the position. Wait as long as the rate demands."""
        self._show(items)
        self._record(Reached(items, position))
        if self.rate:
            sleep(max(0.0, self._began + (items - self.done) / self.rate - monotonic()))

    def batch(self, most: int) -> int:
        """Return the number of items that one batch may have: at most those of a second."""
        return most if self.rate is None else max(1, min(most, int(self.rate)))


class Step(Struct, frozen=True, kw_only=True):
    """One step of a migration.

    `title` says what it does. `statements` are what it sends, exactly. `run` does it. If it is interrupted, a new
    plan has what is left of it. `items`: how many items it reads or writes, None if it touches none.
    """

    title: str
    statements: tuple[str, ...]
    run: Callable[[Report], None]
    items: int | None = None

    @property
    def identifier(self) -> str:
        """The same for the same step of the next plan."""
        return blake2b("\0".join((self.title, *self.statements)).encode(), digest_size=12).hexdigest()


class Evolution(Struct, frozen=True, kw_only=True):
    """The changes of one store, and what they lead from and to. `name`: the name under which the items are stored now. `stored` is None for an item that
    is new, `declared` for one that is no longer declared. `engine`: the name of the engine, None for the app's own."""

    name: str
    stored: Schema | None
    declared: StoreMeta[Any] | None
    changes: tuple[Change, ...]
    engine: str | None = None


class Migrator(Protocol):
    """Changes what one engine stores. `engine`: its name in `EFFECTS`. `local`: a file of this machine, which a server may change by itself. `copies`: a
    renamed item is copied to another table, and the former one stays until it is dropped."""

    engine: str
    local: bool
    copies: bool

    def stored(self, name: str, record: Schema | None, declared: StoreMeta[Any] | None) -> Schema | None:
        """Return the schema of what is stored under a name; None if there is no table. `record`: the schema that was applied last."""
        ...

    def count(self, name: str) -> int:
        """Return the number of stored items, exact or estimated."""
        ...

    def check(self, evolution: Evolution, allowed: Collection[str]) -> None:
        """Raise `SchemaMismatch` if stored items do not survive a change: each is named by its key. Changes nothing."""
        ...

    def steps(self, evolution: Evolution, allowed: Collection[str]) -> Sequence[Step]:
        """Return the steps that make the changes. Destructive ones that are not `allowed` are left out."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Make one transaction of several steps, where the engine can undo them."""
        ...


@runtime_checkable
class Migrating(Protocol):
    """An engine whose stored items have to follow a changed declaration."""

    def migrator(self) -> Migrator:
        """Return the migrator of what the engine stores."""
        ...


def check_kinds(evolution: Evolution, made: Collection[str]) -> None:
    """Raise `SchemaMismatch` for a change of a kind that a migrator does not make. Otherwise it would be recorded as applied."""
    faults = [
        Fault(one.path, f"No migration makes a change of the kind {one.kind}")
        for one in evolution.changes
        if one.kind not in made
    ]
    if faults:
        raise SchemaMismatch("The changes cannot be made, so nothing was changed", faults=faults)
