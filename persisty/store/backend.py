"""The port between a `Store` and an engine: a few batch-capable primitives, without security, HTTP or generators.

A backend receives what is already right: complete valid items, typed changes, filters in the normal form of
`persisty.query.resolution`, and orders that are total. Everything a write depends on travels with it as a condition, and
the engine decides it atomically; no backend checks first and writes afterwards.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from msgspec import Struct

from ..errors import PersistyError
from ..model.expressions import ALL, Aggregate, Filter, OrderBy
from ..model.indexes import Index
from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..query.aggregate import Group
from ..query.explain import Explanation

T = TypeVar("T")


class Requirement(Struct, frozen=True):
    """A write is done only if the item of `meta` with this key exists at that moment and matches `where`. `attribute` is the foreign key
    of the written item."""

    attribute: str
    meta: Any
    key: KeyValues
    where: Filter = ALL


class Put(Struct, frozen=True):
    """Create: write the item if its key is free, else the outcome is EXISTS."""

    item: Any
    requires: tuple[Requirement, ...] = ()


class Patch(Struct, frozen=True):
    """Update these attributes of an existing item if `when` matches it.

    A value may be an `Add` or an `Append`, which the engine applies to the stored value; None stores null.
    """

    key: KeyValues
    changes: Mapping[str, Any]
    when: Filter = ALL
    requires: tuple[Requirement, ...] = ()


class Delete(Struct, frozen=True):
    """Delete an existing item if `when` matches it."""

    key: KeyValues
    when: Filter = ALL


Write = Put | Patch | Delete


class Outcome(enum.Enum):
    DONE = "done"
    MISSING = "missing"
    """A Patch or Delete of a missing item."""
    EXISTS = "exists"
    """The key of a Put is taken, or the values of a unique index."""
    FAILED = "failed"
    """The condition `when` was false."""
    UNRELATED = "unrelated"
    """An item that the write requires does not exist. Reported only if the write does not fail for another reason."""
    ABORTED = "aborted"
    """The write itself did not fail, but another write of the atomic batch did."""
    IN_DOUBT = "in_doubt"
    """The response of an attempt was lost, and the engine cannot find out whether it was carried out."""
    ERROR = "error"
    """One of several writes was not carried out, or is in doubt; the result's `error` says why."""


class WriteResult(Struct, frozen=True):
    """The result of one write.

    `item`: the new item of a Put or Patch that is DONE, or the current item of a FAILED write. `index`: for a write that EXISTS, the name of the taken
    unique index (one of them if several are taken), None for the key; for one that is UNRELATED, the attribute whose foreign key is missing. For a write
    that is IN_DOUBT, `item` is the stored item as far as it is known, and `refusal` the result of a later attempt. `error`: that of an ERROR.
    """

    outcome: Outcome
    item: Any = None
    index: str | None = None
    refusal: Outcome | None = None
    error: PersistyError | None = None


class Query(Struct, frozen=True):
    """The matches of `where` beyond the position `after`, in the order; () is the engine's own stable order.

    `limit`: how many matches a page has. `select`: the attributes that the caller needs; others may be UNSET in the items, except for the
    key and what the order needs. `allow_scan`: the engine may look at every item of a large table.
    """

    where: Filter = ALL
    order: tuple[OrderBy, ...] = ()
    after: Mapping[str, Any] | None = None
    limit: int = 1
    select: tuple[str, ...] | None = None
    allow_scan: bool = False


class BulkWrite(Struct, frozen=True):
    """`changes` of every match of `where` beyond the position `after`; without `changes` the matches are deleted.

    Each item is written on the condition that it still matches. `limit`: about how many items to write in this call; None leaves that to
    the engine. The order is the engine's own stable one. `allow_scan` as in `Query`.
    """

    changes: Mapping[str, Any] | None = None
    where: Filter = ALL
    after: Mapping[str, Any] | None = None
    limit: int | None = None
    allow_scan: bool = False


class Page(Struct, Generic[T], frozen=True):
    """Up to `limit` matches. `position`, attribute → value of the last one, is None when the result is exhausted.

    It names what this backend needs to resume: the order's attributes, the key, and an index's where one was used.
    """

    items: list[T]
    position: dict[str, Any] | None = None


class Bulk(Struct, frozen=True):
    """The result of a `write_all`: the number of changed items, and the `position` to continue from, None at the end.

    `error`: what ended the call early, after the changes that are counted. `position` is then where to continue, None at the start.
    """

    changed: int
    position: dict[str, Any] | None = None
    error: PersistyError | None = None


class Capabilities(Struct, frozen=True):
    """Capabilities of an engine, which not every engine has.

    `embedded`: calls take microseconds and may run in an event loop. `max_atomic`: writes of one atomic batch; each unique index of an item may count as
    one more. `max_item`: bytes of an item, None if unlimited. `snapshot_reads`: a batch of reads sees one moment; without it, each item is as it was at
    some moment of the call. `atomic_bulk`: a `write_all` without a limit is all or nothing. `joins`: filters may contain an `Exists`. `transactions`:
    `Engine.transaction` makes one transaction of several calls. `expiring`: items whose meta has an expiry are deleted some time after it.
    """

    embedded: bool
    max_atomic: int
    snapshot_reads: bool = False
    max_item: int | None = None
    atomic_bulk: bool = False
    joins: bool = False
    transactions: bool = False
    expiring: bool = False


class Backend(Protocol[T]):
    """One stored item in one engine. Instances are safe to share between threads."""

    meta: StoreMeta[T]
    capabilities: Capabilities

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        """Return the items of these keys in their positions, None for a missing item. A key may occur twice."""
        ...

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        """Perform the writes in order. Returns results in their positions.

        `atomic`: all are DONE or nothing is written; then the failed writes have their outcome, MISSING included, and
        the others are ABORTED. More than `max_atomic` writes raise `BatchTooLarge` before anything is written, and what the
        engine cannot store, `InvalidInput`; with several writes its paths begin with the position of the write.
        """
        ...

    def query(self, asked: Query) -> Page[T]:
        """Return the first `limit` matches. A page is short only when the result is exhausted.

        Raises `InvalidCursor` for a position it cannot resume from, and `ScanNotAllowed` where it would look at more items than it may
        without `allow_scan`, here and below.
        """
        ...

    def query_each(self, attribute: str, values: Sequence[Any], asked: Query) -> list[Page[T]]:
        """Return for each value the first `limit` matches whose attribute equals it. Values are distinct and not null; any number of them.

        A page's `position` is one that `query` continues from with `attribute == value` joined to `where`. `after` is not used.
        """
        ...

    def count(self, where: Filter, *, allow_scan: bool = False) -> int:
        """Return the number of matches."""
        ...

    def aggregate(
        self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, *, allow_scan: bool = False
    ) -> list[Group]:
        """The measures (all but `avg`) of the matches, in groups of equal values of `by`, in any order.

        Without `by` there is one group, even of no items. `TooManyGroups` beyond `MAX_GROUPS`.
        """
        ...

    def write_all(self, asked: BulkWrite) -> Bulk:
        """Change or delete the matches. `Conflict` if a unique value would occur twice at the end.

        With `atomic_bulk`, an error is raised and nothing is changed. Other engines return an error with what was changed before it. They write
        items in the order of `store.bulk_walk`, in which sums over unique values meet no old value of an item that is still to change.
        """
        ...

    def allocate(self, sequence: str, count: int) -> int:
        """Return the first of `count` consecutive numbers that no other call gets. The first number of a sequence is 1."""
        ...

    def explain(self, asked: Query) -> Explanation:
        """Return how the engine would run a query. Reads no items."""
        ...


class StoredTable(Struct, frozen=True):
    """A table of a database: its name as it is written in SQL, and its columns. `mirrored`: columns of former and new names that
    have the same values, for as long as older code runs."""

    place: str
    columns: frozenset[str]
    mirrored: frozenset[str] = frozenset()


@runtime_checkable
class SparselyIndexing(Protocol):
    """An engine whose indexes contain only items that have all attributes of the index."""

    def complete_indexes(self, meta: StoreMeta[Any], indexes: Sequence[Index]) -> None:
        """Give stored items the values of these indexes' attributes that they lack; see `model.stored_before`."""
        ...


class Engine(Protocol):
    """A connection to the place of items, opened by URL. `embedded` as in `Capabilities`. `deployed`: a deployment creates the tables, so that a
    server only verifies them."""

    embedded: bool
    deployed: bool

    def open(self, meta: StoreMeta[T]) -> Backend[T]:
        """Return the backend of one stored item. Does no I/O."""
        ...

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Create the tables and indexes that are missing. Existing ones are not changed."""
        ...

    def is_empty(self, name: str) -> bool:
        """Return whether nothing is stored under the name of a store. Creates nothing."""
        ...

    def table(self, name: str) -> StoredTable | None:
        """Return the table of a store; None where it does not exist, or where a table has no columns of its own."""
        ...

    def verify(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Check that the tables exist and fit, and create nothing if the engine is `deployed`; else do what `prepare` does. `SchemaMismatch` lists
        every difference."""
        ...

    def write_together(self, writes: Sequence[tuple[Backend[Any], Write]]) -> list[WriteResult]:
        """Perform writes of several of the engine's backends, all or none. Returns results in their positions, as an atomic `Backend.write` does.

        More writes than the engine can do at once raise `BatchTooLarge`, and values that it cannot store `InvalidInput`, whose paths begin
        with the position of the write; then nothing is written.
        """
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction of this thread, with any backend of the engine. An exception rolls it back.

        One inside another is part of it. `Unsupported` where `Capabilities.transactions` is false.
        """
        ...

    def check_writes(self) -> None:
        """Raise a typed error if writes are known to fail, for example on a full disk. Does no I/O unless a write has failed."""
        ...

    def close(self) -> None: ...
