"""An engine that tells a feed what was written. It is put before the real one when somebody listens, and stays out of the way else.

Whatever writes goes through a backend, so nothing is missed: not the edits of a batch, nor what a delete takes with it. Of a store that is
listened to, deletes look at the item first, in the same transaction where the engine has any; and what changes all matches goes from page
to page, since only what is named can be told.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from .backend import Backend, Bulk, BulkWrite, Delete, Engine, Outcome, Patch, Put, Query, Write, WriteResult
from .change_feed import Change, Feed
from .limits import MAX_BATCH
from .results import conflict

T = TypeVar("T")


class _Pending(threading.local):
    """What this thread has written in the transactions it is in: nobody is told before the outermost is done."""

    def __init__(self) -> None:
        self.levels: list[list[Change]] = []


class TellingBackend(Generic[T]):
    """A backend whose writes are told. All else is the backend's own."""

    def __init__(self, backend: Backend[T], engine: TellingEngine) -> None:
        self.meta, self.capabilities = backend.meta, backend.capabilities
        self._backend, self._engine = backend, engine
        self.read, self.query, self.query_each = backend.read, backend.query, backend.query_each
        self.count, self.aggregate = backend.count, backend.aggregate
        self.allocate, self.explain = backend.allocate, backend.explain

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        if not self._engine.feed.listened(self.meta.name):
            return self._backend.write(writes, atomic=atomic)
        gone = [one.key for one in writes if isinstance(one, Delete)]
        if not gone:
            return self._told(writes, self._backend.write(writes, atomic=atomic), {})
        with self._engine.transaction():
            before = dict(zip(gone, self._backend.read(gone), strict=True))
            return self._told(writes, self._backend.write(writes, atomic=atomic), before)

    def write_all(self, asked: BulkWrite) -> Bulk:
        if not self._engine.feed.listened(self.meta.name):
            return self._backend.write_all(asked)
        with self._engine.transaction():
            changed, position, limit = 0, asked.after, asked.limit
            while True:
                size = MAX_BATCH if limit is None else min(MAX_BATCH, limit - changed)
                page = self._backend.query(Query(asked.where, (), position, size, allow_scan=asked.allow_scan))
                keys = [self.meta.key_values(item) for item in page.items]
                for key in keys:
                    write = _write_of(asked, key)
                    [result] = self.write((write,), atomic=False)
                    if result.outcome is Outcome.EXISTS:
                        raise conflict(self.meta, result)
                    changed += result.outcome is Outcome.DONE
                position = page.position
                if position is None or (limit is not None and changed >= limit):
                    return Bulk(changed, position)

    def _told(
        self, writes: Sequence[Write], results: list[WriteResult], before: Mapping[Any, T | None]
    ) -> list[WriteResult]:
        found = (
            self._change(write, result, before)
            for write, result in zip(writes, results, strict=True)
            if result.outcome is Outcome.DONE
        )
        self._engine.tell([one for one in found if one is not None])
        return results

    def _change(self, write: Write, result: WriteResult, before: Mapping[Any, T | None]) -> Change | None:
        match write:
            case Put():
                kind, item = "created", result.item
            case Patch():
                kind, item = "updated", result.item
            case Delete(key):
                kind, item = "deleted", before[key]
        if item is None:  # it came after the look, and is gone again
            return None
        return Change(self.meta.name, kind, self.meta.key_of(item), item)


def _write_of(asked: BulkWrite, key: KeyValues) -> Write:
    """The write of one of the matches."""
    return Delete(key, asked.where) if asked.changes is None else Patch(key, asked.changes, asked.where)


class TellingEngine:
    """An engine whose backends tell a feed."""

    def __init__(self, engine: Engine, feed: Feed) -> None:
        self.embedded, self.feed = engine.embedded, feed
        self._engine, self._pending = engine, _Pending()

    def open(self, meta: StoreMeta[T]) -> Backend[T]:
        return TellingBackend(self._engine.open(meta), self)

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        self._engine.prepare(metas)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        levels = self._pending.levels
        levels.append([])
        try:
            with self._engine.transaction():
                yield
        except BaseException:
            levels.pop()
            raise
        self.tell(levels.pop())

    def tell(self, changes: list[Change]) -> None:
        """Tell the changes, or keep them until the transaction around them is done."""
        levels = self._pending.levels
        if levels:
            levels[-1].extend(changes)
        else:
            self.feed.tell(changes)

    def close(self) -> None:
        self._engine.close()
