"""The port between a `Store` and an engine: a few batch-capable primitives, without security, HTTP or generators.

A backend receives validated input: complete items, typed changes, filters in the normal form of
`persisty.query.resolution`, and total orders. Everything that a write depends on is a condition of the write, which
the engine decides atomically. No backend checks first and writes afterwards.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
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
from .limits import MAX_PAGE_BYTES

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

    A value may be an `Add` or an `Append`, which the engine applies to the stored value; None stores null. `unlinks`: a delete makes a link null, so
    before triggers must not let the item match `when` afterwards. Engines ignore it.
    """

    key: KeyValues
    changes: Mapping[str, Any]
    when: Filter = ALL
    requires: tuple[Requirement, ...] = ()
    unlinks: bool = False


class Delete(Struct, frozen=True):
    """Delete an existing item if `when` matches it."""

    key: KeyValues
    when: Filter = ALL


Write = Put | Patch | Delete


class Outcome(enum.Enum):
    DONE = "done"
    MISSING = "missing"
    """The item of a Patch or Delete is missing."""
    EXISTS = "exists"
    """The key of a Put is taken, or the values of a unique index."""
    FAILED = "failed"
    """The condition `when` was false."""
    UNRELATED = "unrelated"
    """An item that the write requires does not exist. Reported only if the write does not fail for another reason."""
    ABORTED = "aborted"
    """The write itself did not fail, but another write of the atomic batch did."""
    IN_DOUBT = "in_doubt"
    """The response of an attempt was lost, and the engine cannot find out whether it was done."""
    ERROR = "error"
    """One of several writes was not done, or is in doubt; the result's `error` has the reason."""


class WriteResult(Struct, frozen=True):
    """The result of one write.

    `item`: the new item of a Put or Patch that is DONE, or the current item of a FAILED write. `index`: for EXISTS, the name of the
    unique index whose values are taken (one of them if there are several), None for the key; for UNRELATED, the attribute whose target is missing. For
    IN_DOUBT, `item` is the stored item if it is known, and `refusal` the result of a later attempt. `error`: the error of an ERROR.
    """

    outcome: Outcome
    item: Any = None
    index: str | None = None
    refusal: Outcome | None = None
    error: PersistyError | None = None


class Query(Struct, frozen=True):
    """A query for the matches of `where` after the position `after`. The order () is the engine's own stable order.

    `limit`: the most matches of a page. `select`: the attributes that the caller needs; others may be UNSET in the items, except those of the
    key and the order. `allow_scan`: the engine may read every item of a large table. `max_bytes`: the size at which a page ends, see
    `store.page_bytes`; None for any size.
    """

    where: Filter = ALL
    order: tuple[OrderBy, ...] = ()
    after: Mapping[str, Any] | None = None
    limit: int = 1
    select: tuple[str, ...] | None = None
    allow_scan: bool = False
    max_bytes: int | None = MAX_PAGE_BYTES


class BulkWrite(Struct, frozen=True):
    """Change every match of `where` after the position `after`. Without `changes`, the matches are deleted.

    Each item is written on the condition that it still matches. `limit`: the approximate number of items to write in this call; None lets the engine
    choose. The order is the engine's own stable one. `allow_scan` as in `Query`, `unlinks` as in `Patch`.
    """

    changes: Mapping[str, Any] | None = None
    where: Filter = ALL
    after: Mapping[str, Any] | None = None
    limit: int | None = None
    allow_scan: bool = False
    unlinks: bool = False


class Page(Struct, Generic[T], frozen=True):
    """Up to `limit` matches. `position`, attribute → value of the last one, is None when the result is exhausted.

    It contains what the backend needs to resume: the attributes of the order, the key, and those of an index if one was used.
    """

    items: list[T]
    position: dict[str, Any] | None = None


class Bulk(Struct, frozen=True):
    """The result of a `write_all`: the number of changed items, and the `position` to continue from, None at the end.

    `error`: the error that ended the call after the counted changes. `position` is then where to continue, None at the start.
    """

    changed: int
    position: dict[str, Any] | None = None
    error: PersistyError | None = None


class Capabilities(Struct, frozen=True):
    """Optional features of an engine.

    `embedded`: calls take microseconds and may run in an event loop. `max_atomic`: writes of one atomic batch; each unique index of an item may count as
    one more. `max_item`: bytes of an item, None if unlimited. `snapshot_reads`: a batch of reads is one snapshot; without it, each item is read at
    its own moment of the call. `atomic_bulk`: a `write_all` without a limit is all or nothing. `joins`: filters may contain an `Exists`. `transactions`:
    `Engine.transaction` makes one transaction of several calls. `expiring`: the engine deletes items some time after they expire.
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
        """Return the items of these keys in their positions, None for a missing item. A key may occur twice.

        Raises `AnswerTooLarge` if more than 25 items have more than `limits.MAX_BATCH_BYTES` together. An engine whose items are smaller needs no check.
        """
        ...

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        """Perform the writes in order. Returns results in their positions.

        `atomic`: all are DONE or nothing is written; then the failed writes have their outcome, MISSING included, and
        the others are ABORTED. More than `max_atomic` writes raise `BatchTooLarge` before anything is written. Values that the
        engine cannot store raise `InvalidInput`; with several writes its paths begin with the position of the write.
        """
        ...

    def query(self, query: Query) -> Page[T]:
        """Return the first `limit` matches. A page is short only when the result is exhausted, or when more than 25 items exceed `max_bytes`.

        Raises `InvalidCursor` for a position that it cannot resume from. Raises `ScanNotAllowed` if it would read more items than allowed
        without `allow_scan`, as all methods below do.
        """
        ...

    def query_each(self, attribute: str, values: Sequence[Any], query: Query) -> list[Page[T]]:
        """Return for each value the first `limit` matches whose attribute equals it. There may be any number of values, distinct and not null.

        `query` continues from the `position` of a page if `attribute == value` is joined to `where`. `after` is not used. Items that have more
        than `max_bytes` together raise `AnswerTooLarge`.
        """
        ...

    def count(self, where: Filter, *, allow_scan: bool = False) -> int:
        """Return the number of matches."""
        ...

    def aggregate(
        self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, *, allow_scan: bool = False
    ) -> list[Group]:
        """Return the measures (all but `avg`) of the matches, in groups of equal values of `by`, in any order.

        Without `by` there is one group, even if there are no items. Raises `TooManyGroups` beyond `MAX_GROUPS`.
        """
        ...

    def write_all(self, bulk: BulkWrite) -> Bulk:
        """Change or delete the matches. Fails with `Conflict` if a unique value would occur twice at the end.

        With `atomic_bulk`, an error is raised and nothing is changed. Other engines return the error together with the changes before it. They write
        items in the order of `store.bulk_walk`, so that sums over unique values do not conflict with old values of items that follow.
        """
        ...

    def allocate(self, sequence: str, count: int) -> int:
        """Reserve `count` consecutive numbers for this call and return the first. The first number of a sequence is 1."""
        ...

    def explain(self, query: Query) -> Explanation:
        """Return how the engine would run a query. Reads no items."""
        ...


class StoredTable(Struct, frozen=True):
    """A table of a database: its quoted name in SQL, and its columns. `mirrored`: columns with former and new names that
    have the same values while older code runs."""

    place: str
    columns: frozenset[str]
    mirrored: frozenset[str] = frozenset()


@runtime_checkable
class StoringFirstNames(Protocol):
    """An engine that stores a renamed attribute under its first name."""

    def named_anew(self, meta: StoreMeta[Any]) -> Sequence[str]:
        """Return the renamed attributes that stored items have under their new names, which no read returns. Reads the first items only."""
        ...


class AbsentNulls(Protocol):
    """Tells which attributes are None where stored items lack them, see `store.absent_nulls`."""

    def is_null(self, meta: StoreMeta[Any], attribute: str) -> bool:
        """Return whether an attribute is None where stored items lack it."""
        ...

    def note(self, meta: StoreMeta[Any], attribute: str) -> None:
        """Note that an attribute is None where stored items lack it, before a null is removed."""
        ...


@runtime_checkable
class SparselyIndexing(Protocol):
    """An engine whose indexes contain only items that have all attributes of the index."""

    def complete_indexes(self, meta: StoreMeta[Any], indexes: Sequence[Index]) -> None:
        """Store the missing values of these indexes' attributes in the items that lack them; see `model.missing_values`. Do the same for other indexes of the
        store that are found to miss items of older code."""
        ...

    def check_indexes_with(
        self, incomplete: Callable[[StoreMeta[Any]], Collection[Index]], nulls: Callable[[], AbsentNulls | None]
    ) -> None:
        """Do not query an index that `incomplete` returns for its store, unless no match can lack an attribute of the index. `nulls`: returns what knows the
        attributes that are None where items lack them, None without records."""
        ...


class Engine(Protocol):
    """A connection to a database, opened by URL. `embedded` as in `Capabilities`. `deployed`: a deployment creates the tables, and a
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
        """Return whether a table, by its name in the app, has no items or does not exist. Creates nothing."""
        ...

    def table(self, name: str) -> StoredTable | None:
        """Return a table by its name in the app. None if it does not exist, or if tables of the engine have no columns."""
        ...

    def verify(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Check that the tables exist and match the declarations. An engine that is not `deployed` creates missing tables, as `prepare` does.
        `SchemaMismatch` lists every difference."""
        ...

    def write_together(self, writes: Sequence[tuple[Backend[Any], Write]]) -> list[WriteResult]:
        """Perform writes of several of the engine's backends, all or none. Returns results in their positions, as an atomic `Backend.write` does.

        More writes than the engine can do at once raise `BatchTooLarge`. Values that it cannot store raise `InvalidInput`, whose paths begin
        with the position of the write. In both cases nothing is written.
        """
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction of this thread, for all backends of the engine. An exception rolls it back.

        A transaction inside another is part of it. Raises `Unsupported` if `Capabilities.transactions` is false.
        """
        ...

    def check_writes(self) -> None:
        """Raise a typed error if writes are known to fail, for example on a full disk. Does no I/O unless a write has failed."""
        ...

    def close(self) -> None: ...
