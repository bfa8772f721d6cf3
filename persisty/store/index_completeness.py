"""The indexes that may miss stored items, by the records of applied schemas.

Some engines index only items that have all attributes of an index. A deployment adds such an index and leaves the items as they are, so it misses those that
were stored before an attribute was declared. Until `App.prepare`, `persisty migrate` or `persisty deploy` has completed the items and recorded the schema, the
engine does not use the index for a query whose matches it may miss.

A process reads the record of a store once, at the first query for which it matters. While an index is incomplete, the process reads the record again after
`AGAIN` seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from ..deferred import deferred
from ..errors import BackendUnavailable, SchemaMismatch, Throttled
from ..model.indexes import Index
from ..model.meta import StoreMeta
from .schema_records import AppliedSchema
from .store import Store

AGAIN = 60.0
"""Seconds."""
log = logging.getLogger("persisty")
Indexes = tuple[Index, ...]
IncompleteIndexes = Callable[[StoreMeta[Any]], Indexes]
"""Returns the indexes of a store that may miss stored items."""


class IndexCompleteness:
    """The incomplete indexes of an app's stores. `records`: the store of applied schemas."""

    def __init__(self, app: str, records: Store[AppliedSchema], clock: Callable[[], float] = monotonic) -> None:
        self._app, self._records, self._clock = app, records, clock
        self._found: WeakKeyDictionary[StoreMeta[Any], tuple[Indexes, float]] = WeakKeyDictionary()

    def incomplete(self, meta: StoreMeta[Any]) -> Indexes:
        """Return the indexes that may miss stored items. If the record cannot be read, these are all indexes over attributes with a default."""
        found = self._found.get(meta)
        if found is None or (found[0] and self._clock() > found[1]):
            indexes = self._read(meta)
            if indexes and found is None:
                log.warning(
                    "%s: indexes may miss items that were stored before, so queries read the whole table instead: %s. "
                    "`persisty deploy` or `persisty migrate` completes them",
                    meta.name,
                    ", ".join(one.name for one in indexes),
                )
            found = self._found[meta] = indexes, self._clock() + AGAIN
        return found[0]

    def complete(self, metas: Iterable[StoreMeta[Any]]) -> None:
        """Note that the indexes of these stores miss no item."""
        for meta in metas:
            self._found[meta] = (), 0.0

    def forget(self) -> None:
        """Forget the records: the next query reads them."""
        self._found.clear()

    def _read(self, meta: StoreMeta[Any]) -> Indexes:
        try:
            record = self._records.read((self._app, meta.name))
        except (BackendUnavailable, SchemaMismatch, Throttled) as error:
            log.info("The applied schema of %s cannot be read: %s", meta.name, error.message)
            record = None
        if record is not None and record.hash == meta.schema.hash:
            return ()
        late: Sequence[Index] = deferred("persisty.store.applied_schemas").late_since(record, meta)
        return tuple(late)
