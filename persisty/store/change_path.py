"""The change path: the stages of every write of a store, between authorisation and the engine.

```
verb, batch, update_all, delete_all, cascade, nullify, import
   └► ChangePath.write, .write_all, `multi_store_writes.write_together`
        1  before triggers may change or refuse each write: see `before_writes`
        2  the item cache drops the keys, until the write and the transaction around it have ended
        3  before images are read, if a listener or an after trigger needs them
        4  one conditional call of the engine
        5  changes are captured; events of after triggers are appended to the outbox in the same transaction
        6  when it is committed, changes are delivered to listeners, and workers are woken
```

Before images are read with a lock. Otherwise, an event could show a change that never was:

```
A  update status = paid      reads "open"                       commits: open → paid
B  update note               reads "open", waits for A's lock   commits: its event would say open → paid, too
```

Without a cache, listeners and triggers, a write costs one more lookup. Reads go to the cache or directly to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Generic, TypeVar

from msgspec import structs

from ..errors import PersistyError
from ..model.expressions import Aggregate, Filter
from ..model.keys import KeyValues
from ..query.aggregate import Group
from ..query.explain import Explanation
from ..security.caller import Caller
from .backend import (
    Backend,
    Bulk,
    BulkWrite,
    Delete,
    Outcome,
    Page,
    Patch,
    Put,
    Query,
    Write,
    WriteResult,
)
from .before_triggers import BeforeTriggers
from .before_writes import leave_event_loop, write_checked, write_each
from .bulk_walk import walk
from .change_capture import (
    KINDS,
    UNSEEN,
    Images,
    Seen,
    changes_of_writes,
    created,
    events_of,
    keys_before,
    write_of,
)
from .change_feed import Change, Feed
from .change_log import NewChange
from .item_cache import ItemCache, Keys
from .limits import MAX_BATCH
from .observed_writes import CreatingWithEvents, LockingReads, WritingWithBefore
from .outbox import NewEvent
from .transactions import Transactions
from .write_results import conflict, unrelated

T = TypeVar("T")


class ChangePath(Generic[T]):
    """The change path of one store. It has the methods of a `Backend`; writes also take the caller on whose behalf they are made."""

    def __init__(
        self, backend: Backend[T], transactions: Transactions, feed: Feed, cache: ItemCache[T] | None = None
    ) -> None:
        self.meta, self.capabilities, self.backend = backend.meta, backend.capabilities, backend
        self.transactions = transactions
        self._feed, self._cache, self._name = feed, cache, backend.meta.name
        self._create_with_events = backend.create_with_events if isinstance(backend, CreatingWithEvents) else None
        self._write_with_before = backend.write_with_before if isinstance(backend, WritingWithBefore) else None
        self._read_before = backend.read_locked if isinstance(backend, LockingReads) else backend.read
        if cache is not None:  # cached items were read at different moments
            self.capabilities = structs.replace(backend.capabilities, snapshot_reads=False)

    @property
    def is_observed(self) -> bool:
        """Return whether a listener, an after trigger or another process sees the changes of this store. Without an outbox, something else reads the
        changes for after triggers: a table's stream."""
        return self._feed.has_listeners(self._name) or self.is_stored

    @property
    def is_triggered(self) -> bool:
        """Return whether changes of this store are events of after triggers."""
        return self.transactions.outbox is not None and self._name in self._feed.triggers.stores

    @property
    def is_shared(self) -> bool:
        """Return whether changes of this store are in the change log. Its reader delivers them."""
        return self._name in self._feed.shared and self.transactions.log is not None

    @property
    def is_stored(self) -> bool:
        """Return whether changes of this store are stored in its transaction, as events or in the change log."""
        return self.is_triggered or self.is_shared

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction of this thread. `Unsupported` if the engine has none."""
        return self.transactions.begin()

    def read(self, keys: Sequence[KeyValues]) -> list[T | None]:
        """Return the items of these keys, in their positions, from the cache if the store has one."""
        if self._cache is None or self.transactions.active:
            # a transaction must read the current state; another thread's load may also wait for its lock
            return self.backend.read(keys)
        return self._cache.read(keys, self.backend.read)

    def query(self, query: Query) -> Page[T]:
        return self.backend.query(query)

    def query_each(self, attribute: str, values: Sequence[Any], query: Query) -> list[Page[T]]:
        return self.backend.query_each(attribute, values, query)

    def count(self, where: Filter, *, allow_scan: bool = False) -> int:
        return self.backend.count(where, allow_scan=allow_scan)

    def aggregate(
        self, measures: tuple[Aggregate, ...], by: tuple[str, ...], where: Filter, *, allow_scan: bool = False
    ) -> list[Group]:
        return self.backend.aggregate(measures, by, where, allow_scan=allow_scan)

    def allocate(self, sequence: str, count: int) -> int:
        return self.backend.allocate(sequence, count)

    def explain(self, query: Query) -> Explanation:
        return self.backend.explain(query)

    def write(
        self,
        writes: Sequence[Write],
        *,
        atomic: bool,
        by: Caller | None = None,
        first: Callable[[], None] | None = None,
    ) -> list[WriteResult]:
        """Perform the writes as `Backend.write` does, on behalf of a caller. `first` is called when before triggers have accepted them."""
        if not self._feed.is_watched(self._name):
            if first is not None:
                first()
            return self._write(writes, atomic)
        if not any(self.has_before_trigger(KINDS[type(one)]) for one in writes):
            if first is not None:
                first()
            return self.write_accepted(writes, atomic, by)
        if atomic or len(writes) == 1:

            def perform(_: object, accepted: Sequence[Write], seen: Mapping[Any, Seen]) -> list[WriteResult]:
                if first is not None:
                    first()
                return self.write_accepted(accepted, atomic, by, seen[self])

            return write_checked([(self, one) for one in writes], self.before_triggers, by, perform)
        return write_each(self, writes, by)

    @property
    def before_triggers(self) -> BeforeTriggers:
        """The before triggers of the app."""
        return self._feed.before_triggers

    def has_before_trigger(self, kind: str) -> bool:
        """Return whether an action runs before changes of this kind."""
        return bool(self.before_triggers.before(self._name, kind))

    def write_accepted(
        self, writes: Sequence[Write], atomic: bool, by: Caller | None, seen: Seen = UNSEEN
    ) -> list[WriteResult]:
        """Perform writes that no before trigger concerns, or that it has accepted. `seen`: what before triggers saw of them."""
        if not self.is_observed:
            return self._write(writes, atomic)
        return self.transactions.repeated(partial(self._write_observed, writes, atomic, by, seen))

    def _write_observed(
        self, writes: Sequence[Write], atomic: bool, by: Caller | None, seen: Seen
    ) -> list[WriteResult]:
        if len(writes) == 1 and isinstance(writes[0], Put) and not self.transactions.active:
            return [self._create_observed(writes[0], by, seen)]
        keys = self.before_images(writes, seen)
        alone = len(writes) == 1 and not self.transactions.active
        with self.unit(brief=alone) if keys or self.is_stored else nullcontext():
            if alone and keys and self._write_with_before is not None:
                before, results = self._written_with_before(keys[0], writes[0], self._write_with_before)
            else:
                before = self.images(keys, seen)
                results = self._write(writes, atomic)
            changes = self.captured(writes, results, before, by, seen)
            self.transactions.append(self.events(changes))
        self.deliver(changes)
        return results

    def _written_with_before(
        self, key: KeyValues, write: Write, perform: Callable[[Write], tuple[Any, WriteResult]]
    ) -> tuple[Images, list[WriteResult]]:
        with self.forgetting([key]):
            before, result = perform(write)
        return {key: before}, [result]

    def _create_observed(self, put: Put, by: Caller | None, seen: Seen) -> WriteResult:
        """Return the result of a create. Its change is known before the write."""
        changes = [created(self.meta, put.item, by, seen.ids.get(self.key_of(put)) if seen.ids else None)]
        events = self.events(changes)
        result: WriteResult | None = None
        if not events:
            [result] = self._write((put,), atomic=False)
        elif self._create_with_events is not None:
            with nullcontext() if self._cache is None else self.forgetting([self.key_of(put)]):
                result = self._create_with_events(put, events, self.transactions.outbox)
            if result is not None and result.outcome is Outcome.DONE:
                self.transactions.appended(events)
        if result is None:
            with self.unit(brief=True):
                [result] = self._write((put,), atomic=False)
                if result.outcome is Outcome.DONE:
                    self.transactions.append(events)
        if result.outcome is Outcome.DONE:
            self.deliver(changes)
        return result

    def write_all(self, bulk: BulkWrite, by: Caller | None = None) -> Bulk:
        """Perform a bulk write as `Backend.write_all` does, on behalf of a caller."""
        if self._feed.is_watched(self._name):
            checked = self.has_before_trigger(KINDS[Delete if bulk.changes is None else Patch])
            if checked:
                leave_event_loop(self)
            if checked or self.is_observed:
                return self.transactions.repeated(partial(self._write_all_observed, bulk, by))
        with self.forgetting(None):
            return self.backend.write_all(bulk)

    def _write_all_observed(self, bulk: BulkWrite, by: Caller | None) -> Bulk:
        with self.transaction() if self.capabilities.transactions else nullcontext():
            return self._page_by_page(bulk, by)

    def forgetting(self, keys: Keys) -> AbstractContextManager[None]:
        """Return a context for a write of these keys. The cache has no entries for them until the write and its transaction have ended."""
        cache = self._cache
        return nullcontext() if cache is None else self.transactions.forgetting(cache, keys)

    def before_images(self, writes: Sequence[Write], seen: Seen = UNSEEN) -> list[KeyValues]:
        """Return the keys of the before images that change capture needs besides those that were seen. Returns none if the store is not observed."""
        if not self.is_observed:
            return []
        updates = self._feed.needs_before_image(self._name) or (
            self.is_triggered and any(one.needs_before for one in self._feed.triggers.after(self._name, "updated"))
        )
        return [key for key in keys_before(writes, updates=updates) if key not in seen.before]

    def images(self, keys: Sequence[KeyValues], seen: Seen = UNSEEN) -> Images:
        """Return the current items of these keys from the engine, and those that were seen. They stay as they are until the transaction ends."""
        return {**seen.before, **dict(zip(keys, self._read_before(keys), strict=True))} if keys else seen.before

    def captured(
        self,
        writes: Sequence[Write],
        results: Sequence[WriteResult],
        before: Images,
        by: Caller | None,
        seen: Seen = UNSEEN,
    ) -> list[Change]:
        """Return the changes for the listeners, the after triggers and the change log of this store."""
        return changes_of_writes(self.meta, writes, results, before, by, seen.ids) if self.is_observed else []

    def events(self, changes: Sequence[Change]) -> list[NewEvent | NewChange]:
        """Return the events of changes of this store, for the actions that want them, and for the change log."""
        if not changes or not self.is_stored:
            return []
        return events_of(self.meta, changes, self._feed.triggers, shared=self.is_shared)

    def deliver(self, changes: list[Change]) -> None:
        """Deliver changes of this store at the end of the transaction, unless the reader of the change log does."""
        if not self.is_shared:
            self.transactions.deliver(changes)

    def forget(self, key: KeyValues | None) -> None:
        """Remove an item that another process has written from the cache, None for all items."""
        if self._cache is not None:
            keys = None if key is None else [key]
            self._cache.writing(keys)
            self._cache.written(keys)

    def key_of(self, write: Write) -> KeyValues:
        return self.meta.key_values(write.item) if isinstance(write, Put) else write.key

    def _write(self, writes: Sequence[Write], atomic: bool) -> list[WriteResult]:
        if self._cache is None:
            return self.backend.write(writes, atomic=atomic)
        with self.forgetting(list(map(self.key_of, writes))):
            return self.backend.write(writes, atomic=atomic)

    def unit(self, *, brief: bool = False) -> AbstractContextManager[Any]:
        """Begin a transaction if the engine has transactions. Without them, an engine that stores events excludes other writers. `brief`: for one write."""
        if self.capabilities.transactions:
            return self.transactions.begin(brief=brief)
        outbox = self.transactions.outbox
        return nullcontext() if outbox is None or outbox.writing is None else outbox.writing

    def _page_by_page(self, bulk: BulkWrite, by: Caller | None) -> Bulk:
        changed, position = 0, None if bulk.after is None else dict(bulk.after)
        try:
            for page in walk(self.meta, self.query, bulk, MAX_BATCH):
                for item in page.items:
                    [result] = self.write((write_of(bulk, self.meta.key_values(item)),), atomic=False, by=by)
                    if result.outcome is Outcome.EXISTS:
                        raise conflict(self.meta, result)
                    if result.outcome is Outcome.UNRELATED:  # a before trigger sets the link
                        raise unrelated(result)
                    if result.error is not None:
                        raise result.error
                    changed += result.outcome is Outcome.DONE
                position = page.position
        except PersistyError as error:
            if self.capabilities.transactions:
                raise
            return Bulk(changed, position, error)
        return Bulk(changed, position)
