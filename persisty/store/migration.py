"""The port to an engine whose stored items follow a changed declaration: the steps of a migration, as records.

A `Migrator` reads what is stored and plans. A plan depends on nothing but what is stored and what is declared, so a migration that was killed is
continued by planning again: the steps that are done are not in the new plan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from ..errors import Fault, SchemaMismatch
from ..model.meta import StoreMeta
from ..model.schema import Schema
from ..model.schema_changes import Change

Report = Callable[[int], None]
"""Called with the number of items that a step has done."""


class Step(Struct, frozen=True, kw_only=True):
    """One step of a migration.

    `title` says what it does. `statements` are what it sends, exactly. `run` does it. If it is interrupted, a new
    plan has what is left of it. `items`: how many items it reads or writes, None if it touches none.
    """

    title: str
    statements: tuple[str, ...]
    run: Callable[[Report], None]
    items: int | None = None


class Evolution(Struct, frozen=True, kw_only=True):
    """The changes of one store, and what they lead from and to. `name`: the name under which the items are stored now. `stored` is None for an item that
    is new, `declared` for one that is no longer declared. `engine`: the name of the engine, None for the app's own."""

    name: str
    stored: Schema | None
    declared: StoreMeta[Any] | None
    changes: tuple[Change, ...]
    engine: str | None = None


class Migrator(Protocol):
    """Changes what one engine stores. `engine`: its name in `EFFECTS`. `local`: a file of this machine, which a server may change by itself."""

    engine: str
    local: bool

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
