"""The port between a `Store` and an engine: four batch-capable primitives, and no word of security, HTTP or generators.

A backend receives what is already right: complete valid items, typed changes, filters in the normal form of
`persisty.query.resolve`, and orders that are total. Everything a write depends on travels with it as a condition, and
the engine decides it atomically; no backend checks first and writes afterwards.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from ..model.expressions import ALL, Filter, OrderBy
from ..model.keys import KeyValues
from ..model.meta import StoreMeta

T = TypeVar("T")


class Put(Struct, frozen=True):
    """Create: write the item if its key is free, else the outcome is EXISTS."""

    item: Any


class Patch(Struct, frozen=True):
    """Update these attributes of an existing item if `when` holds. A value may be an `Add`, None stores null."""

    key: KeyValues
    changes: Mapping[str, Any]
    when: Filter = ALL


class Delete(Struct, frozen=True):
    """Delete an existing item if `when` holds."""

    key: KeyValues
    when: Filter = ALL


Write = Put | Patch | Delete


class Outcome(enum.Enum):
    DONE = "done"
    MISSING = "missing"
    """A Patch or Delete of an item that is not there."""
    EXISTS = "exists"
    """A Put whose key is taken."""
    FAILED = "failed"
    """The condition `when` was false."""
    ABORTED = "aborted"
    """Fine in itself, but another write of the atomic batch was not."""


class WriteResult(Struct, frozen=True):
    """What became of one write. `item`: the new item of a Put or Patch that is DONE, the current one of a FAILED write."""

    outcome: Outcome
    item: Any = None


class Page(Struct, Generic[T], frozen=True):
    """Up to `limit` matches. `position`, attribute → value of the last one, is None when the result is exhausted.

    It names what this backend needs to resume: the order's attributes, the key, and an index's where one was used.
    """

    items: list[T]
    position: dict[str, Any] | None = None


class Capabilities(Struct, frozen=True):
    """`embedded`: calls take microseconds and may run in an event loop. `max_atomic`: writes one atomic batch can hold.
    `snapshot_reads`: a batch of reads sees one moment; without it each item is as it was at some moment of the call."""

    embedded: bool
    max_atomic: int
    snapshot_reads: bool = False


class Backend(Protocol[T]):
    """One stored item in one engine. Instances are safe to share between threads."""

    meta: StoreMeta[T]
    capabilities: Capabilities

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        """The items of these keys in their positions, None where there is none. A key may occur twice."""
        ...

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        """Do the writes in order and answer in their positions.

        `atomic`: all are DONE or nothing is written; then the guilty carry their outcome, a missing item among them, and
        the others are ABORTED. More than `max_atomic` writes raise `BatchTooLarge` before anything is written.
        """
        ...

    def query(self, where: Filter, order: tuple[OrderBy, ...], after: Mapping[str, Any] | None, limit: int) -> Page[T]:
        """The first `limit` matches beyond the position `after`, in the order; () is the engine's own stable order.

        A page is short only when the result is exhausted. Raises `InvalidCursor` for a position it cannot resume from.
        """
        ...

    def count(self, where: Filter) -> int:
        """How many items match."""
        ...


class Engine(Protocol):
    """A connection to where items are kept, opened by URL. `embedded` as in `Capabilities`."""

    embedded: bool

    def open(self, meta: StoreMeta[T]) -> Backend[T]:
        """The backend of one stored item. Does no I/O."""
        ...

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Create the tables and indexes that are missing; what exists is left as it is."""
        ...

    def close(self) -> None: ...
